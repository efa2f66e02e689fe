"""Supervised contrastive loss: a case worked by hand, the definition as loops, and its ends."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fprnet.losses import RANKING_LOSSES
from fprnet.losses.ranking import supervised_contrastive
from fprnet.models.heads import HeadOutput


def slow(features, labels, temperature):
    """Eq. 2 of Khosla et al. on standardised rows, row by row."""
    rows = features.double()
    rows = (rows - rows.mean(0)) / (rows.var(0, unbiased=False) + 1e-5).sqrt()
    rows = [row / row.norm() for row in rows]
    costs = []
    for i, anchor in enumerate(rows):
        others = [j for j in range(len(rows)) if j != i]
        partners = [j for j in others if labels[j] == labels[i]]
        if not partners:
            continue
        whole = sum(math.exp(float(anchor @ rows[j]) / temperature) for j in others)
        terms = [math.log(whole) - float(anchor @ rows[j]) / temperature for j in partners]
        costs.append(sum(terms) / len(terms))
    return sum(costs) / len(costs) if costs else 0.0


def test_two_people_on_a_line():
    # Standardised, 1 1 -1 -1: every cosine is 1 within a person and -1 between the two. At
    # temperature 1 each row costs log(e + 2 / e) - 1 = 0.2395.
    features = torch.tensor([[5.0], [5.0], [3.0], [3.0]])
    labels = torch.tensor([0, 0, 1, 1])
    expected = math.log(math.e + 2 / math.e) - 1
    assert expected == pytest.approx(0.2395, abs=1e-4)
    loss = supervised_contrastive(features, labels, temperature=1.0)
    assert float(loss) == pytest.approx(expected, abs=1e-5)


def test_swapped_labels_cost_more():
    features = torch.tensor([[5.0], [5.0], [3.0], [3.0]])
    right = supervised_contrastive(features, torch.tensor([0, 0, 1, 1]))
    wrong = supervised_contrastive(features, torch.tensor([0, 1, 0, 1]))
    assert float(wrong) > float(right) + 1


@given(st.integers(2, 12), st.integers(1, 6), st.integers(0, 10**6), st.floats(0.05, 2))
def test_equals_the_definition(rows, size, seed, temperature):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(rows, size, generator=generator)
    labels = torch.randint(0, 3, (rows,), generator=generator)
    loss = supervised_contrastive(features, labels, temperature=temperature)
    assert float(loss) == pytest.approx(slow(features, labels, temperature), abs=1e-3, rel=1e-3)


def test_nobody_with_a_partner_costs_nothing_and_equal_rows_have_a_gradient():
    features = torch.ones(3, 4, requires_grad=True)
    loss = supervised_contrastive(features, torch.tensor([0, 1, 2]))
    assert float(loss.detach()) == 0
    loss = supervised_contrastive(features, torch.tensor([0, 0, 2]))
    loss.backward()
    assert bool(features.grad.isfinite().all())


def test_component_takes_a_heads_output():
    features = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    output = HeadOutput(features, torch.zeros(6, 3), labels, 3)
    loss = RANKING_LOSSES["supervised-contrastive"](temperature=0.5)(output)
    assert float(loss) == float(supervised_contrastive(features, labels, temperature=0.5))
