"""Restraint and relaxation: which epochs decorrelate, freeze and train."""

import pytest
import torch
from torch import nn
from torch.optim import SGD

from fprnet.models.svd_layer import SvdLayer
from fprnet.training.restraint import RestraintSchedule


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), SvdLayer(5, 4), nn.Linear(4, 3))


def train_step(model, optimizer, schedule, *, frozen):
    optimizer.zero_grad()
    model(torch.randn(7, 6, generator=torch.Generator().manual_seed(1))).square().sum().backward()
    if frozen:
        schedule.drop_gradients()
    optimizer.step()


def test_rounds_of_two_frozen_epochs_and_one_free(model):
    schedule = RestraintSchedule(model, 2, 1)
    assert [schedule.frozen(epoch) for epoch in range(7)] == [True, True, False] * 2 + [True]


def test_round_begins_with_orthogonal_weights_and_without_momentum(model):
    schedule, optimizer = RestraintSchedule(model, 1, 1), SGD(model.parameters(), 0.1, momentum=0.9)
    train_step(model, optimizer, schedule, frozen=False)
    layer, weight = model[1], model[1].weight.detach().clone()
    assert layer.correlation() < 0.99
    schedule.begin(1, optimizer)  # the middle of a round
    assert torch.equal(layer.weight, weight)
    schedule.begin(2, optimizer)
    assert layer.correlation() == pytest.approx(1, abs=1e-5)
    assert schedule.diagnostics() == {"correlation": {"1": layer.correlation()}}
    assert layer.weight not in optimizer.state
    assert model[0].weight in optimizer.state


def test_frozen_layers_keep_every_bit_and_the_rest_learns(model):
    schedule = RestraintSchedule(model, 1, 1)
    optimizer = SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    schedule.begin(0, optimizer)
    frozen, free = (model[i].weight.detach().clone() for i in (1, 2))
    for _ in range(3):
        train_step(model, optimizer, schedule, frozen=schedule.frozen(0))
    assert torch.equal(model[1].weight, frozen)
    assert not torch.equal(model[2].weight, free)
    train_step(model, optimizer, schedule, frozen=schedule.frozen(1))
    assert not torch.equal(model[1].weight, frozen)


def test_switched_off(model):
    schedule, before = RestraintSchedule(model, 0, 0), model[1].weight.detach().clone()
    schedule.begin(0, SGD(model.parameters(), 0.1))
    assert torch.equal(model[1].weight, before)
    assert not schedule.frozen(0)
    assert schedule.diagnostics() == {}
