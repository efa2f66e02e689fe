"""Identity and ranking losses against slow loops and cases worked by hand."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from fprnet.errors import ConfigError
from fprnet.losses.identity import accuracy, correct_rows, identity_loss
from fprnet.losses.ranking import (
    BatchHardTriplet,
    CrossModalityTopRanking,
    RankingLoss,
    WeightedRegularisedTriplet,
    batch_hard_triplet,
    cross_modality_top_ranking,
    euclidean_distances,
    weighted_regularised_triplet,
)
from fprnet.losses.state import Progress, followers_in, modules_in
from fprnet.losses.terms import LossTerms, as_terms
from fprnet.losses.weighted_sum import weighted_sum
from fprnet.methods.cmgan.objective import AdversarialLoss
from fprnet.methods.levels.objective import LevelLoss
from fprnet.models.heads import HeadOutput


def random_rows(seed: int, rows: int = 12, size: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(rows, size, generator=generator)
    return features, torch.randint(0, 4, (rows,), generator=generator)


def weighted_by_definition(features: Tensor, labels: Tensor) -> float:
    d = [[math.dist(a, b) for b in features.tolist()] for a in features.tolist()]
    total = 0.0
    for i, own in enumerate(labels.tolist()):
        others = [(d[i][j], labels[j].item()) for j in range(len(d)) if j != i]
        positives = [x for x, label in others if label == own]
        negatives = [x for x, label in others if label != own]
        far = sum(math.exp(x) * x for x in positives) / (sum(map(math.exp, positives)) or 1)
        weights = [math.exp(-x) for x in negatives]
        near = sum(w * x for w, x in zip(weights, negatives, strict=True)) / (sum(weights) or 1)
        total += math.log(1 + math.exp(far - near))
    return total / len(d)


def batch_hard_by_definition(features: Tensor, labels: Tensor, margin: float) -> float:
    total = 0.0
    for i, anchor in enumerate(features.tolist()):
        same = [
            math.dist(anchor, other)
            for j, other in enumerate(features.tolist())
            if labels[j] == labels[i] and j != i
        ]
        different = [
            math.dist(anchor, other)
            for j, other in enumerate(features.tolist())
            if labels[j] != labels[i]
        ]
        total += max(0.0, margin + max(same, default=0.0) - min(different))
    return total / len(features)


def top_ranking_by_definition(
    features: Tensor, labels: Tensor, visible_rows: int, margin: float, weight: float, inner: float
) -> float:
    """BDTR, row by row; the first of equally far rows counts."""
    points = [[x / math.hypot(*row) for x in row] for row in features.tolist()]
    identity = labels.tolist()
    visible, infrared = range(visible_rows), range(visible_rows, len(points))
    total = 0.0
    for anchors, ranked in ((visible, infrared), (infrared, visible)):
        across = within = 0.0
        for i in anchors:
            positives = [j for j in ranked if identity[j] == identity[i]]
            negatives = [j for j in ranked if identity[j] != identity[i]]
            if not positives or not negatives:
                continue

            def distance(j: int, i: int = i) -> float:
                return math.dist(points[i], points[j])

            p, n = max(positives, key=distance), min(negatives, key=distance)
            across += max(0.0, margin + distance(p) - distance(n))
            within += max(0.0, inner - math.dist(points[p], points[n]))
        total += (across + weight * within) / len(anchors)
    return total


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("visible_rows", [6, 4])
def test_top_ranking_is_its_definition(seed: int, visible_rows: int) -> None:
    features, labels = random_rows(seed)
    if seed % 2:  # along the axes: distances 0, sqrt 2 and 2 alone, so nearly all are ties
        axes = torch.eye(5)[features.argmax(dim=1)]
        features = 2.0 ** (labels[:, None] - 1) * features[:, :1].sign() * axes
    for weight, inner in ((0.0, 0.1), (0.1, 0.1), (2.0, 1.5)):
        loss = cross_modality_top_ranking(
            features, labels, visible_rows, margin=0.5, intra_weight=weight, intra_margin=inner
        )
        expected = top_ranking_by_definition(features, labels, visible_rows, 0.5, weight, inner)
        assert loss.item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_top_ranking_worked_by_hand() -> None:
    # Points on the unit circle (the lengths 2 and 3 must not count): two people, one image each.
    degrees = [0.0, 90.0, 60.0, 120.0]  # v_0, v_1, t_0, t_1
    lengths = [1.0, 2.0, 3.0, 1.0]
    features = torch.tensor(
        [
            [r * math.cos(math.radians(a)), r * math.sin(math.radians(a))]
            for a, r in zip(degrees, lengths, strict=True)
        ]
    )
    labels = torch.tensor([0, 1, 0, 1])

    def chord(angle: float) -> float:
        return 2 * math.sin(math.radians(angle / 2))

    # v_0: own 60, other 120; v_1: own 30, other 30. t_0: own 60, other 30; t_1: own 30, other 120.
    across = [0.5 + chord(a) - chord(b) for a, b in ((60, 120), (30, 30), (60, 30), (30, 120))]
    assert across[0] < 0  # cos: 0.5 + 1 - 1.73
    expected = sum(max(0.0, x) for x in across) / 2  # the mean of two rows, in both directions
    loss = cross_modality_top_ranking(features, labels, 2, margin=0.5)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    # Within infrared the two people are 60 degrees apart, within visible 90.
    inner = 2 * (1.2 - chord(60)) / 2
    bdtr = cross_modality_top_ranking(
        features, labels, 2, margin=0.5, intra_weight=0.1, intra_margin=1.2
    )
    assert bdtr.item() == pytest.approx(expected + 0.1 * inner, rel=1e-5)


def test_top_ranking_takes_the_furthest_of_several_images() -> None:
    angles = torch.tensor([0.0, 3.1, 0.2, 0.9, 3.0, 3.1])  # v of person 0 and 1; t: 0, 0, 1, 1
    features = torch.stack((angles.cos(), angles.sin()), dim=1)
    labels = torch.tensor([0, 1, 0, 0, 1, 1])
    loss = cross_modality_top_ranking(features, labels, 2, margin=4.0)
    assert loss.item() == pytest.approx(
        top_ranking_by_definition(features, labels, 2, 4.0, 0.0, 0.1), rel=1e-5
    )
    nearer = features.clone()
    nearer[2] = features[0]  # not the furthest: nothing changes from visible to infrared
    both = [cross_modality_top_ranking(f, labels, 2, margin=4.0) for f in (features, nearer)]
    assert both[0] > both[1]  # ... but from infrared to visible


def test_a_batch_of_one_identity_has_nothing_to_rank() -> None:
    features = random_rows(0)[0].requires_grad_()
    labels = torch.zeros(12, dtype=torch.int64)
    loss = cross_modality_top_ranking(features, labels, 6, intra_weight=1.0, intra_margin=9.0)
    loss.backward()
    assert loss.item() == 0
    assert not features.grad.any()


def test_ranking_by_name_is_the_function_with_the_papers_margin() -> None:
    features, labels = random_rows(2)
    output = HeadOutput(features, features, labels, 5)
    for loss, value in (
        (WeightedRegularisedTriplet(), weighted_regularised_triplet(features, labels)),
        (BatchHardTriplet(), batch_hard_triplet(features, labels, margin=0.3)),
        (
            CrossModalityTopRanking(),
            cross_modality_top_ranking(features, labels, 5, margin=0.5),
        ),
        (
            CrossModalityTopRanking(1.4, 0.7, 0.9),
            cross_modality_top_ranking(
                features, labels, 5, margin=1.4, intra_weight=0.7, intra_margin=0.9
            ),
        ),
    ):
        assert torch.equal(loss(output), value)


def test_rows_of_both_modalities_at_once_cannot_be_ranked_across() -> None:
    features, labels = random_rows(2)
    with pytest.raises(ConfigError, match="rows of one modality each"):
        CrossModalityTopRanking()(HeadOutput(features, features, labels))


@pytest.mark.parametrize("seed", range(10))
def test_ranking_losses_are_their_definitions(seed: int) -> None:
    features, labels = random_rows(seed)
    weighted = weighted_regularised_triplet(features, labels).item()
    assert weighted == pytest.approx(weighted_by_definition(features, labels), rel=1e-5)
    hard = batch_hard_triplet(features, labels, margin=0.3).item()
    assert hard == pytest.approx(batch_hard_by_definition(features, labels, 0.3), rel=1e-5)


def test_ranking_worked_by_hand() -> None:
    features = torch.tensor([[0.0], [3.0], [1.0], [5.0]])
    labels = torch.tensor([0, 0, 1, 1])
    # Furthest positives 3, 3, 4, 4; nearest negatives 1, 2, 1, 2 (5 - 3): 0.5 + 2, 1, 3, 2.
    hard = batch_hard_triplet(features, labels, margin=0.5)
    assert hard.item() == pytest.approx((2.5 + 1.5 + 3.5 + 2.5) / 4)
    # One positive each, so a = 3, 3, 4, 4; row 0: b = (e^-1 1 + e^-5 5) / (e^-1 + e^-5).
    near = [
        sum(math.exp(-d) * d for d in pair) / sum(math.exp(-d) for d in pair)
        for pair in ((1, 5), (2, 2), (1, 2), (5, 2))
    ]
    terms = [math.log(1 + math.exp(a - b)) for a, b in zip((3, 3, 4, 4), near, strict=True)]
    weighted = weighted_regularised_triplet(features, labels)
    assert weighted.item() == pytest.approx(sum(terms) / 4, rel=1e-6)


def across_in_half(features: Tensor, labels: Tensor) -> Tensor:
    return cross_modality_top_ranking(
        features, labels, len(labels) // 2, margin=2.0, intra_weight=0.5, intra_margin=1.0
    )


LOSSES = [weighted_regularised_triplet, batch_hard_triplet, across_in_half]


@pytest.mark.parametrize("loss", LOSSES)
def test_ranking_gradients_agree_with_finite_differences(loss: object) -> None:
    features, labels = random_rows(3, rows=8, size=3)
    features.requires_grad_()
    loss(features, labels).backward()  # type: ignore[operator]
    step = 3e-3  # no row becomes nearest in between
    for row, column in ((0, 0), (3, 2), (7, 1)):
        up, down = features.detach().clone(), features.detach().clone()
        up[row, column] += step
        down[row, column] -= step
        slope = (loss(up, labels) - loss(down, labels)) / (2 * step)  # type: ignore[operator]
        assert features.grad[row, column].item() == pytest.approx(slope.item(), abs=2e-3)


@pytest.mark.parametrize("loss", LOSSES)
def test_equal_features_have_a_finite_gradient(loss: object) -> None:
    features = torch.ones(6, 4, requires_grad=True)
    loss(features, torch.tensor([0, 0, 1, 1, 2, 2])).backward()  # type: ignore[operator]
    assert features.grad.isfinite().all()


def test_a_batch_of_one_identity_is_finite() -> None:
    features, _ = random_rows(0)
    assert weighted_regularised_triplet(features, torch.zeros(12, dtype=torch.int64)).isfinite()


def test_distances_are_float32_under_autocast() -> None:
    features, labels = random_rows(1, size=200)
    expected = torch.cdist(features, features)
    with torch.autocast("cpu", torch.bfloat16):
        distances = euclidean_distances(features)
        loss = weighted_regularised_triplet(features, labels)
    assert distances.dtype == loss.dtype == torch.float32
    other = ~torch.eye(len(features), dtype=torch.bool)
    torch.testing.assert_close(distances[other], expected[other])
    # A row's distance to itself is the square root of rounding noise of 200 squares.
    assert distances.diagonal().max() < 0.05


LOGITS = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 3.0], [0.0, 0.0, 0.5]])
OUTPUT = HeadOutput(torch.zeros(3, 2), LOGITS, torch.tensor([0, 1, 2]))


def cross_entropy_by_hand(smoothing: float) -> float:
    total = 0.0
    for row, label in zip(LOGITS.tolist(), OUTPUT.labels.tolist(), strict=True):
        log_sum = math.log(sum(map(math.exp, row)))
        target = [smoothing / 3 + (1 - smoothing) * (m == label) for m in range(3)]
        total -= sum(t * (x - log_sum) for t, x in zip(target, row, strict=True))
    return total / 3


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_identity_loss_by_hand(smoothing: float) -> None:
    loss = identity_loss(OUTPUT, smoothing=smoothing).item()
    assert loss == pytest.approx(cross_entropy_by_hand(smoothing), rel=1e-6)


def test_identity_loss_of_bfloat16_logits_is_float32() -> None:
    rounded = HeadOutput(OUTPUT.features, LOGITS.bfloat16(), OUTPUT.labels)
    with torch.autocast("cpu", torch.bfloat16):
        loss = identity_loss(rounded)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(cross_entropy_by_hand(0.0), rel=1e-6)


def test_accuracy_by_hand() -> None:
    assert correct_rows(OUTPUT).item() == 2  # row 1 says identity 2, and is identity 1
    assert accuracy(OUTPUT).item() == pytest.approx(2 / 3)


def level_outputs() -> dict[str, HeadOutput]:
    outputs = {}
    for seed, name in enumerate(("main", "level5", "level4")):
        features, labels = random_rows(seed)
        outputs[name] = HeadOutput(features, features[:, :4], labels)
    return outputs


@pytest.mark.parametrize(
    ("ranking", "definition"),
    [
        (WeightedRegularisedTriplet(), weighted_by_definition),
        (BatchHardTriplet(margin=0.5), partial(batch_hard_by_definition, margin=0.5)),
    ],
)
def test_level_loss_is_main_plus_the_mean_of_the_levels(
    ranking: RankingLoss, definition: Callable[[Tensor, Tensor], float]
) -> None:
    outputs = level_outputs()
    loss = LevelLoss(ranking)(outputs)

    def one(name: str) -> float:
        o = outputs[name]
        cross_entropy = torch.nn.functional.cross_entropy(o.logits, o.labels).item()
        return definition(o.features, o.labels) + cross_entropy

    expected = one("main") + (one("level5") + one("level4")) / 2
    assert loss.total.item() == pytest.approx(expected, rel=1e-5)
    names = ("main", "level5", "level4")
    assert set(loss.terms) == {f"{p}{n}" for p in ("", "ranking_", "accuracy_") for n in names}
    assert not any(term.requires_grad for term in loss.terms.values())


def test_level_loss_weights() -> None:
    outputs = level_outputs()
    triplet = WeightedRegularisedTriplet()
    terms = LevelLoss(triplet)(outputs).terms
    loss = LevelLoss(triplet, ranking_weight=0.5, level_weight=0.25)(outputs).total.item()
    levels = [terms[n] + 0.5 * terms[f"ranking_{n}"] for n in ("level5", "level4")]
    main = terms["main"] + 0.5 * terms["ranking_main"]
    assert loss == pytest.approx((main + 0.25 * sum(levels) / 2).item(), rel=1e-6)


def test_without_levels_and_ranking_only_cross_entropy_is_left() -> None:
    main = level_outputs()["main"]
    loss = LevelLoss(ranking=None)({"main": main})
    assert loss.total.item() == identity_loss(main).item()
    assert set(loss.terms) == {"main", "accuracy_main"}


def test_level_loss_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ConfigError, match="label smoothing is 1"):
        LevelLoss(label_smoothing=1.0)
    outputs = level_outputs()
    del outputs["main"]
    with pytest.raises(ConfigError, match="needs a main head but got level5, level4"):
        LevelLoss()(outputs)


@pytest.mark.parametrize(
    ("loss", "fault"),
    [
        ("0.5", "returned 0.5, not a scalar tensor"),
        (torch.zeros(4), r"returned a tensor of shape \(4,\)"),
        (LossTerms(torch.zeros(()), {"mine": torch.zeros(2)}), r"term mine a tensor of shape \(2,"),
        (LossTerms(torch.zeros(()), {"mine": 0.5}), "term mine 0.5, not a scalar tensor"),
    ],
)
def test_what_is_no_loss_is_named(loss, fault):
    with pytest.raises(ConfigError, match=fault):
        as_terms(loss)


def test_modules_with_a_state_are_found_wherever_they_stand():
    centres, memory = nn.Embedding(3, 2), nn.BatchNorm1d(2)
    assert list(modules_in(centres)) == [centres]
    inside = partial(weighted_sum, losses={"a": centres, "b": memory, "c": centres})
    for loss in (LevelLoss(inside), AdversarialLoss(LevelLoss(inside), 0.1)):
        assert list(modules_in(loss)) == [centres, memory]


def test_losses_without_a_state_have_no_modules():
    for loss in (LevelLoss(BatchHardTriplet()), nn.TripletMarginLoss(), lambda outputs: 0):
        assert len(modules_in(loss)) == 0


def test_progress_worked_by_hand():
    progress = Progress(step=9, steps_per_epoch=6)
    assert (progress.epoch, progress.epochs) == (1, 1.5)


class Growing(nn.Module):
    """A loss whose weight follows the training; its memory stands inside another object."""

    def __init__(self, *parts: object) -> None:
        super().__init__()
        self.parts, self.told = parts, []

    def begin_step(self, progress):
        self.told.append(progress.step)

    def forward(self, output):
        return self.parts[0](output)


def test_parts_that_follow_the_training_are_found_wherever_they_stand():
    memory = nn.BatchNorm1d(2)
    inner = Growing(memory)
    outer = Growing(partial(weighted_sum, losses={"a": inner, "b": BatchHardTriplet()}), inner)
    loss = LevelLoss(outer)
    for tell in followers_in(loss):
        tell(Progress(step=4, steps_per_epoch=2))
    assert (outer.told, inner.told) == ([4], [4])
    assert list(modules_in(loss)) == [memory]
    assert followers_in(LevelLoss(BatchHardTriplet())) == []
