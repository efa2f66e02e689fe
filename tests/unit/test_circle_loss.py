"""Circle loss and the squared weighted triplet: cases worked by hand, and definitions as loops."""

import math

import pytest
import torch

from fprnet.losses import RANKING_LOSSES
from fprnet.losses.ranking import circle_loss, weighted_regularised_triplet
from fprnet.models.heads import HeadOutput


def circle_by_definition(features, labels, margin, scale):
    """Eq. 6 of Sun et al. on standardised rows, row by row; a mean over the rows."""
    rows = features.double()
    rows = (rows - rows.mean(0)) / (rows.var(0, unbiased=False) + 1e-5).sqrt()
    rows = [row / row.norm() for row in rows]
    total = 0.0
    for i, anchor in enumerate(rows):
        near = [float(anchor @ rows[j]) for j in range(len(rows)) if j != i]
        alike = [bool(labels[j] == labels[i]) for j in range(len(rows)) if j != i]
        positives = [s for s, same in zip(near, alike, strict=True) if same]
        negatives = [s for s, same in zip(near, alike, strict=True) if not same]
        push = sum(math.exp(scale * max(0, s + margin) * (s - margin)) for s in negatives)
        pull = sum(math.exp(-scale * max(0, 1 + margin - s) * (s - 1 + margin)) for s in positives)
        total += math.log(1 + push * pull)
    return total / len(rows)


def test_two_people_on_a_line():
    # Standardised, 1 1 -1 -1: s_p = 1 and s_n = -1, so a_n = 0 and each of the two strangers is
    # e^0; the partner has a_p = m: exp(-gamma m m). With m 1/4 and gamma 8 that is exp(-8 / 16).
    features = torch.tensor([[5.0], [5.0], [3.0], [3.0]])
    loss = circle_loss(features, torch.tensor([0, 0, 1, 1]), margin=0.25, scale=8.0)
    assert float(loss) == pytest.approx(math.log(1 + 2 * math.exp(-0.5)), abs=1e-4)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("margin", "scale"), [(0.25, 16.0), (0.0, 4.0), (0.4, 64.0)])
def test_equals_the_definition(seed, margin, scale):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(9, 5, generator=generator)
    labels = torch.randint(0, 3, (9,), generator=generator)
    expected = circle_by_definition(features, labels, margin, scale)
    loss = circle_loss(features, labels, margin=margin, scale=scale)
    assert float(loss) == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_weights_have_no_gradient():
    # With s_p the one cosine between two partners, dL/ds_p = -p gamma a_p with p the logistic of
    # the exponent; were a_p differentiated too, gamma (s_p - 1 + m) p would be added.
    features = torch.randn(6, 4, generator=torch.Generator().manual_seed(2)).requires_grad_()
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    circle_loss(features, labels, margin=0.25, scale=8.0).backward()
    rows = features.detach().clone().requires_grad_()
    standard = (rows - rows.mean(0)) / (rows.var(0, unbiased=False) + 1e-5).sqrt()
    unit = standard / standard.norm(dim=1, keepdim=True)
    cosine = unit @ unit.T
    total = torch.zeros(())
    for i in range(6):
        partner = i ^ 1
        strangers = [j for j in range(6) if j // 2 != i // 2]
        pull = -8 * (1.25 - cosine[i, partner].item()) * (cosine[i, partner] - 0.75)
        pushes = [8 * max(0, cosine[i, j].item() + 0.25) * (cosine[i, j] - 0.25) for j in strangers]
        total = total + torch.log1p(torch.exp(pull) * torch.exp(torch.stack(pushes)).sum())
    (total / 6).backward()
    torch.testing.assert_close(features.grad, rows.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, 0, 0]])
def test_without_a_partner_or_without_a_stranger_it_costs_nothing(labels):
    features = torch.randn(3, 4, requires_grad=True)
    loss = circle_loss(features, torch.tensor(labels))
    loss.backward()
    assert float(loss.detach()) == 0
    assert bool(features.grad.isfinite().all())


def test_large_scale_does_not_overflow():
    features = torch.randn(8, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = circle_loss(features, torch.arange(8) // 2, scale=1e4)
    loss.backward()
    assert bool(loss.isfinite())
    assert bool(features.grad.isfinite().all())


def test_squared_gap_keeps_its_sign():
    # As in the worked case of the weighted triplet: a = 3, 3, 4, 4.
    features = torch.tensor([[0.0], [3.0], [1.0], [5.0]])
    labels = torch.tensor([0, 0, 1, 1])
    near = [
        sum(math.exp(-d) * d for d in pair) / sum(math.exp(-d) for d in pair)
        for pair in ((1, 5), (2, 2), (1, 2), (5, 2))
    ]
    gaps = [a - b for a, b in zip((3, 3, 4, 4), near, strict=True)]
    expected = sum(math.log(1 + math.exp(gap * abs(gap))) for gap in gaps) / 4
    loss = weighted_regularised_triplet(features, labels, squared=True)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    far = torch.tensor([[0.0], [0.0], [2.0], [2.0]])  # every gap is 0 - 2
    loss = weighted_regularised_triplet(far, labels, squared=True)
    assert float(loss) == pytest.approx(math.log(1 + math.exp(-4)), rel=1e-4)


def test_components_take_a_heads_output():
    features = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    output = HeadOutput(features, torch.zeros(6, 3), labels, 3)
    circle = RANKING_LOSSES["circle"](margin=0.3, scale=20.0)(output)
    assert float(circle) == float(circle_loss(features, labels, margin=0.3, scale=20.0))
    triplet = RANKING_LOSSES["weighted-regularised-triplet"](squared=True)(output)
    assert float(triplet) == float(weighted_regularised_triplet(features, labels, squared=True))
