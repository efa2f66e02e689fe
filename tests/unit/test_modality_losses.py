"""Losses between the modalities, and sums of losses: by hand, by definition, and their ends."""

import math

import pytest
import torch

from fprnet.components import components_in
from fprnet.config import load_config
from fprnet.errors import ConfigError
from fprnet.losses import RANKING_LOSSES
from fprnet.losses.modality import maximum_mean_discrepancy, modality_distillation
from fprnet.models.heads import HeadOutput

LABELS = torch.tensor([0, 0, 1, 2, 0, 1, 1, 3])
VISIBLE = 4


def rows(seed, size=5, count=8):
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed))


def discrepancy_by_definition(features, visible_rows):
    points = [(row / row.norm()).tolist() for row in features.double()]
    squared = [[math.dist(a, b) ** 2 for b in points] for a in points]
    mean = sum(map(sum, squared)) / len(points) ** 2

    def kernel(one, other):
        shares = (0.25, 0.5, 1, 2, 4)
        values = [
            sum(math.exp(-squared[i][j] / (b * mean)) for b in shares) / 5
            for i in one
            for j in other
        ]
        return sum(values) / len(values)

    visible, infrared = range(visible_rows), range(visible_rows, len(points))
    within = kernel(visible, visible) + kernel(infrared, infrared)
    return within - 2 * kernel(visible, infrared)


def distillation_by_definition(logits, labels, visible_rows, temperature):
    softened = [torch.softmax(row.double() / temperature, 0).tolist() for row in logits]
    total = 0.0
    for i, p in enumerate(softened):
        partners = [
            softened[j]
            for j in range(len(softened))
            if labels[j] == labels[i] and (j < visible_rows) != (i < visible_rows)
        ]
        if partners:
            teacher = [sum(column) / len(partners) for column in zip(*partners, strict=True)]
            total += sum(q * math.log(q / own) for q, own in zip(teacher, p, strict=True))
    return temperature**2 * total / len(softened)


def test_discrepancy_worked_by_hand():
    # Two opposite points: d^2 is 0 within and 4 across, the mean over all pairs 2. Within, k = 1;
    # across, k = mean exp(-2 / b).
    features = torch.tensor([[2.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-3.0, 0.0]])
    across = sum(math.exp(-2 / b) for b in (0.25, 0.5, 1, 2, 4)) / 5
    loss = maximum_mean_discrepancy(features, 2)
    assert float(loss) == pytest.approx(2 - 2 * across, rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("visible_rows", [1, 4, 6])
def test_discrepancy_is_its_definition(seed, visible_rows):
    expected = discrepancy_by_definition(rows(seed), visible_rows)
    loss = maximum_mean_discrepancy(rows(seed), visible_rows)
    assert float(loss) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_discrepancy_of_equal_sets_is_0_and_a_step_down_its_gradient_brings_them_nearer():
    one = rows(0, count=4)
    assert float(maximum_mean_discrepancy(torch.cat([one, one]), 4)) == pytest.approx(0, abs=1e-6)
    features = torch.cat([one, rows(1, count=4) + 2]).requires_grad_()
    loss = maximum_mean_discrepancy(features, 4)
    loss.backward()
    nearer = features.detach() - 0.5 * features.grad
    assert float(maximum_mean_discrepancy(nearer, 4)) < float(loss.detach())
    equal = torch.ones(4, 3, requires_grad=True)
    maximum_mean_discrepancy(equal, 2).backward()
    assert bool(equal.grad.isfinite().all())


def test_distillation_worked_by_hand():
    # One person, two classes. Visible: 0.5 and 0.5; infrared: 0.9 and 0.1 (logits log 9 and 0).
    logits = torch.tensor([[0.0, 0.0], [math.log(9), 0.0]])
    to_visible = 0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5)
    to_infrared = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
    loss = modality_distillation(logits, torch.tensor([0, 0]), 1, temperature=1.0)
    assert float(loss) == pytest.approx((to_visible + to_infrared) / 2, rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("temperature", [0.5, 4.0])
def test_distillation_is_its_definition(seed, temperature):
    logits = 3 * rows(seed, size=6)
    expected = distillation_by_definition(logits, LABELS, VISIBLE, temperature)
    loss = modality_distillation(logits, LABELS, VISIBLE, temperature=temperature)
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_a_teacher_learns_nothing_and_rows_without_a_partner_cost_nothing():
    logits = rows(3, size=6).requires_grad_()
    modality_distillation(logits, LABELS, VISIBLE).backward()
    assert not logits.grad[3].any()  # identity 2 is visible alone
    assert not logits.grad[7].any()  # identity 3 is infrared alone
    # dL/dz of a student is T (p - q) / R: of the teacher's own softmax there is no part.
    softened = torch.softmax(logits.detach() / 4, dim=1)
    expected = 4 * (softened[2] - softened[5:7].mean(dim=0)) / 8
    torch.testing.assert_close(logits.grad[2], expected)


def test_losses_between_modalities_need_rows_of_one_modality_each():
    output = HeadOutput(rows(0), rows(0), LABELS)
    for name in ("modality-discrepancy", "modality-distillation"):
        with pytest.raises(ConfigError, match="rows of one modality each"):
            RANKING_LOSSES[name]()(output)
        with pytest.raises(ConfigError, match=r"data\.modalities is visible"):
            load_config("warm-start", overrides=["--loss.ranking", name])


def test_a_sum_is_the_sum_of_its_weighted_losses():
    config = load_config(
        "agw",
        overrides=[
            *("--loss.ranking", "sum", "--loss.ranking.losses"),
            "{circle: {scale: 20}, modality-discrepancy: {}, mine: {class_path: circle}}",
            *("--loss.ranking.weights", "{modality-discrepancy: 0.5, mine: 2}"),
        ],
    )
    names = [component.name for component in components_in(config.loss.options["ranking"].options)]
    assert names == ["circle", "modality-discrepancy", "circle"]
    output = HeadOutput(rows(1), rows(2), LABELS, VISIBLE)
    total = config.loss.build().ranking(output)
    circle, sharp = RANKING_LOSSES["circle"](scale=20.0), RANKING_LOSSES["circle"]()
    between = RANKING_LOSSES["modality-discrepancy"]()
    expected = circle(output) + 0.5 * between(output) + 2 * sharp(output)
    assert float(total) == pytest.approx(float(expected))


@pytest.mark.parametrize(
    ("losses", "weights", "words"),
    [
        ("{}", "{}", ["loss.ranking.losses is empty"]),
        ("{circle: {}}", "{circel: 2}", ["loss.ranking.weights has circel", "circle"]),
        ("{circle: {}}", "{circle: -1}", ["loss.ranking.weights", "-1"]),
        ("{circle: {margin: 1}}", "{}", ["loss.ranking.losses.circle.margin", "1"]),
        ("{circel: {}}", "{}", ["circel", "did you mean circle"]),
    ],
)
def test_sums_that_mean_nothing_are_refused_in_one_line(losses, weights, words):
    overrides = ["--loss.ranking", "sum", "--loss.ranking.losses", losses]
    with pytest.raises(ConfigError) as refused:
        load_config("agw", overrides=[*overrides, "--loss.ranking.weights", weights])
    assert "\n" not in str(refused.value)
    for word in words:
        assert word in str(refused.value)


@pytest.mark.parametrize("name", ["circle", "sum"])
def test_losses_of_pairs_say_what_batches_they_need(name):
    losses = ["--loss.ranking.losses", "{circle: {}}"] if name == "sum" else []
    with pytest.raises(ConfigError, match=r"batches\.images is 1"):
        load_config("one-stream", overrides=["--loss.ranking", name, *losses])
