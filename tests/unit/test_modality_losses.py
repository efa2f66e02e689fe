"""Losses between the modalities, and sums of losses: by hand, by definition, and their ends."""

import cmath
import math

import pytest
import torch

from fprnet.components import components_in
from fprnet.config import load_config
from fprnet.errors import ConfigError
from fprnet.losses import RANKING_LOSSES
from fprnet.losses.modality import (
    AmplitudeDiscrepancy,
    amplitude_discrepancy,
    maximum_mean_discrepancy,
    modality_distillation,
)
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


def maps_of(seed, height=3, width=4, channels=2):
    generator = torch.Generator().manual_seed(seed)
    shape = (len(LABELS), channels, height, width)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def spectrum_by_definition(maps, lowest):
    """Amplitudes of the mean of maps (N, C, H, W), as a list of unit length: sums over pixels."""
    _, channels, height, width = maps.shape
    mean = (sum(maps) / len(maps)).tolist()
    amplitudes = []
    for c in range(channels):
        for u in range(height):
            for v in range(width):
                if max(min(u, height - u), min(v, width - v)) < lowest:
                    continue
                turns = [
                    mean[c][y][x] * cmath.exp(-2j * math.pi * (u * y / height + v * x / width))
                    for y in range(height)
                    for x in range(width)
                ]
                amplitudes.append(abs(sum(turns)))
    length = math.hypot(*amplitudes)
    return [amplitude / length for amplitude in amplitudes]


def amplitude_discrepancy_by_definition(maps, labels, visible_rows, lowest):
    distances = []
    for identity in set(labels.tolist()):
        rows = [i for i, label in enumerate(labels.tolist()) if label == identity]
        sides = [[i for i in rows if i < visible_rows], [i for i in rows if i >= visible_rows]]
        if all(sides):
            visible, infrared = (spectrum_by_definition(maps[side], lowest) for side in sides)
            distances.append(math.dist(visible, infrared) ** 2)
    return sum(distances) / len(distances)


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


def test_amplitudes_worked_by_hand():
    # Of two pixels a, b the frequencies 0 and 1 have amplitudes |a + b| and |a - b|. Visible 3, 1:
    # (4, 2) / sqrt 20; infrared, the mean of 2, 0 and 0, 2: (2, 0) / 2. Squared distance 2 - 2 cos.
    maps = torch.tensor([[3.0, 1.0], [2.0, 0.0], [0.0, 2.0]])[:, None, None, :]
    loss = amplitude_discrepancy(maps, torch.tensor([5, 5, 5]), 1, lowest_frequency=0)
    assert float(loss) == pytest.approx(2 - 2 * 4 / math.sqrt(20))
    # Frequency 1 of two channels: (2, 0) against (0, 3), of which no channel is in common.
    maps = torch.tensor([[[3.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [5.0, 2.0]]])[:, :, None, :]
    assert float(amplitude_discrepancy(maps, torch.tensor([5, 5]), 1)) == pytest.approx(2)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("lowest", [0, 1, 2])
@pytest.mark.parametrize(("height", "width"), [(4, 4), (5, 3), (1, 4)])
def test_amplitude_discrepancy_is_its_definition(seed, lowest, height, width):
    maps = maps_of(seed, height, width)
    expected = amplitude_discrepancy_by_definition(maps, LABELS, VISIBLE, lowest)
    loss = amplitude_discrepancy(maps, LABELS, VISIBLE, lowest_frequency=lowest)
    assert float(loss) == pytest.approx(expected, rel=1e-9)
    single = amplitude_discrepancy(maps.float(), LABELS, VISIBLE, lowest_frequency=lowest)
    assert single.dtype == torch.float32
    assert float(single) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_the_gradient_of_the_amplitude_discrepancy():
    maps = maps_of(0).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: amplitude_discrepancy(x, LABELS, VISIBLE, lowest_frequency=1), (maps,)
    )
    amplitude_discrepancy(maps, LABELS, VISIBLE).backward()
    assert not maps.grad[3].any()  # identity 2 is visible alone
    assert not maps.grad[7].any()  # identity 3 is infrared alone
    assert maps.grad[[0, 1, 2, 4, 5, 6]].flatten(1).any(dim=1).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.roll((1, 2), dims=(2, 3)),  # a shift turns phases
        lambda x: x.flip((2, 3)),  # of a real map turned round the spectrum is conjugate
        lambda x: 3 * x,
        lambda x: x + torch.arange(2.0).reshape(2, 1, 1),  # the mean of a channel is frequency 0
    ],
)
def test_neither_place_nor_brightness_changes_a_spectrum(change):
    visible = maps_of(1)[:4]
    labels = torch.tensor([0, 0, 1, 2] * 2)
    same = torch.cat([visible, change(visible)])
    assert float(amplitude_discrepancy(same, labels, 4)) == pytest.approx(0, abs=1e-12)
    other = torch.cat([visible, change(maps_of(2)[:4])])
    unchanged = torch.cat([visible, maps_of(2)[:4]])
    loss = float(amplitude_discrepancy(unchanged, labels, 4))
    assert loss > 0.05
    assert float(amplitude_discrepancy(other, labels, 4)) == pytest.approx(loss)


def test_spectra_without_a_partner_and_empty_spectra_cost_nothing():
    for maps, labels in ((maps_of(0), torch.arange(8)), (0 * maps_of(0), LABELS)):
        maps.requires_grad_()
        loss = amplitude_discrepancy(maps, labels, VISIBLE)
        loss.backward()
        assert float(loss.detach()) == 0
        assert not maps.grad.any()


def test_amplitudes_are_of_the_stage_that_is_asked_for():
    maps = {2: maps_of(1), 5: maps_of(2)}
    output = HeadOutput(rows(0), rows(0), LABELS, VISIBLE, lambda stage=None: maps[stage or 5])
    for stage, expected in ((None, maps[5]), (5, maps[5]), (2, maps[2])):
        loss = AmplitudeDiscrepancy(stage=stage, lowest_frequency=2)(output)
        assert loss == amplitude_discrepancy(expected, LABELS, VISIBLE, lowest_frequency=2)


def test_amplitudes_need_maps_that_are_large_enough():
    output = HeadOutput(rows(0), rows(0), LABELS, VISIBLE)
    with pytest.raises(ConfigError, match="amplitude-discrepancy compares maps, but"):
        AmplitudeDiscrepancy()(output)
    with pytest.raises(ConfigError, match="lowest_frequency is 1 but maps of 1x1"):
        AmplitudeDiscrepancy()(output._replace(maps=lambda _: maps_of(0, 1, 1)))
    for word, value in (("stage", "1"), ("stage", "6"), ("lowest_frequency", "-1")):
        overrides = ["--loss.ranking", "amplitude-discrepancy", f"--loss.ranking.{word}", value]
        with pytest.raises(ConfigError, match=rf"loss\.ranking\.{word}"):
            load_config("one-stream", overrides=overrides)


def test_losses_between_modalities_need_rows_of_one_modality_each():
    output = HeadOutput(rows(0), rows(0), LABELS)
    for name in ("amplitude-discrepancy", "modality-discrepancy", "modality-distillation"):
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
