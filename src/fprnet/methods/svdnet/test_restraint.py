"""Restraint and relaxation: which epochs decorrelate, freeze and train."""

import pytest
import torch
from torch import nn
from torch.optim import SGD

from fprnet.config import load_config
from fprnet.methods.network import untrained
from fprnet.methods.svdnet.restraint import Restraint
from fprnet.models.svd_layer import SvdLayer


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), SvdLayer(5, 4), nn.Linear(4, 3))


def train_step(model, optimizer, schedule, *, epoch):
    optimizer.zero_grad()
    model(torch.randn(7, 6, generator=torch.Generator().manual_seed(1))).square().sum().backward()
    schedule.after_backward(epoch)
    optimizer.step()


def test_rounds_of_two_frozen_epochs_and_one_free(model):
    schedule = Restraint(model, restraint_epochs=2)
    assert [schedule.frozen(epoch) for epoch in range(7)] == [True, True, False] * 2 + [True]


def test_rounds_begin_after_the_base_training(model):
    schedule, optimizer = (
        Restraint(model, restraint_epochs=2, base_epochs=2),
        SGD(model.parameters(), 0.1),
    )
    frozen = [schedule.frozen(epoch) for epoch in range(9)]
    assert frozen == [False, False, True, True, False, True, True, False, True]
    layer, before = model[1], model[1].weight.detach().clone()
    for epoch in (0, 1):
        schedule.begin_epoch(epoch, {"model": optimizer})
        assert torch.equal(layer.weight, before)
    schedule.begin_epoch(2, {"model": optimizer})
    assert layer.correlation() == pytest.approx(1, abs=1e-5)


def with_batch_norm():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), SvdLayer(5, 4), nn.BatchNorm1d(4))


def test_statistics_are_frozen_in_restraint_epochs_only():
    model = with_batch_norm()
    schedule = Restraint(model, base_epochs=1, freeze_statistics=True)
    x = 3 + torch.randn(8, 6)
    for epoch, moves in enumerate((True, False, True, False)):
        model.train()
        schedule.set_modes(epoch)
        before = {name: value.clone() for name, value in model.named_buffers()}
        weights = [p.detach().clone() for p in model[1].parameters()]
        optimizer = SGD(model.parameters(), 0.1)
        optimizer.zero_grad()
        model(x).cos().sum().backward()
        optimizer.step()
        for name, value in model.named_buffers():
            assert torch.equal(value, before[name]) is not moves, (epoch, name)
        for old, new in zip(weights, model[1].parameters(), strict=True):
            assert not torch.equal(old, new)  # scale and shift learn on
        # What a frozen layer does to a batch does not depend on the batch.
        alone, together = (model[:2](rows)[:2] for rows in (x[:2], x))
        assert torch.allclose(alone, together, atol=1e-5) is not moves


def test_statistics_are_left_alone_unless_asked():
    model = with_batch_norm().train()
    Restraint(model).set_modes(0)
    assert all(module.training for module in model.modules())


def test_whole_model_keeps_its_distances_when_a_round_begins():
    config = load_config("svdnet", scale="tiny")
    torch.manual_seed(0)
    network = untrained(config.model).build(3).eval()
    layer, images = network.head.main.embedding, torch.randn(6, 3, 96, 48)
    gram, before = layer.weight.T @ layer.weight, network.embed(images, "visible")
    optimizer = SGD(network.parameters(), 0.1)
    spread = layer.correlation()
    Restraint(network).begin_epoch(0, {"model": optimizer})
    after = network.embed(images, "visible")
    assert not torch.allclose(before, after, atol=1e-3)  # another basis ...
    torch.testing.assert_close(layer.weight.T @ layer.weight, gram, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        torch.cdist(after, after), torch.cdist(before, before), atol=1e-3, rtol=1e-3
    )
    assert layer.correlation() > spread + 0.1


def test_round_begins_with_orthogonal_weights_and_without_momentum(model):
    schedule, optimizer = Restraint(model), SGD(model.parameters(), 0.1, momentum=0.9)
    train_step(model, optimizer, schedule, epoch=1)
    layer, weight = model[1], model[1].weight.detach().clone()
    assert layer.correlation() < 0.99
    schedule.begin_epoch(1, {"model": optimizer})  # the middle of a round
    assert torch.equal(layer.weight, weight)
    schedule.begin_epoch(2, {"model": optimizer})
    assert layer.correlation() == pytest.approx(1, abs=1e-5)
    assert schedule.record() == {"correlation": {"1": layer.correlation()}}
    assert layer.weight not in optimizer.state
    assert model[0].weight in optimizer.state


def test_frozen_layers_keep_every_bit_and_the_rest_learns(model):
    schedule = Restraint(model)
    optimizer = SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    schedule.begin_epoch(0, {"model": optimizer})
    frozen, free = (model[i].weight.detach().clone() for i in (1, 2))
    for _ in range(3):
        train_step(model, optimizer, schedule, epoch=0)
    assert torch.equal(model[1].weight, frozen)
    assert not torch.equal(model[2].weight, free)
    train_step(model, optimizer, schedule, epoch=1)
    assert not torch.equal(model[1].weight, frozen)
