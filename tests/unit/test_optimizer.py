"""Parameter groups and learning rates, against rates worked out by hand."""

import pytest
import torch
from fprnet.models.builders import build_model
from torch import nn
from torch.optim import SGD

from fprnet.config import load_config, preset_names
from fprnet.config.schema import OptimizerConfig, ScheduleConfig
from fprnet.training.optimizer import (
    FusedSgd,
    learning_rate_factor,
    make_optimizers,
    make_scheduler,
    parameter_groups,
)


def factors(config: ScheduleConfig, *, steps_per_epoch: int, epochs: int) -> list[float]:
    steps = range(steps_per_epoch * epochs)
    options = {"steps_per_epoch": steps_per_epoch, "epochs": epochs, "config": config}
    return [learning_rate_factor(step, **options) for step in steps]


def test_step_schedule():
    config = ScheduleConfig(kind="step", milestones=(1, 2), gamma=0.1)
    assert factors(config, steps_per_epoch=2, epochs=3) == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01, 0.01]
    )


def test_cosine_after_warmup():
    config = ScheduleConfig(kind="cosine", warmup_epochs=1)
    # Warm-up 1/2, 1; then (1 + cos(pi t / 4)) / 2 at t = 0, 1, 2, 3.
    expected = [0.5, 1, 1, 0.8535534, 0.5, 0.1464466]
    assert factors(config, steps_per_epoch=2, epochs=3) == pytest.approx(expected)


def test_warmup_of_part_of_an_epoch_and_of_none():
    config = ScheduleConfig(kind="step", milestones=(), warmup_epochs=0.75)
    assert factors(config, steps_per_epoch=4, epochs=1) == pytest.approx([1 / 3, 2 / 3, 1, 1])
    assert factors(ScheduleConfig(), steps_per_epoch=2, epochs=1) == [1, 1]


@pytest.mark.parametrize("preset", preset_names())
def test_every_trainable_parameter_is_in_one_group(preset):
    model = build_model(load_config(preset, scale="tiny").model, identities=3)
    groups = parameter_groups(model)
    grouped = [id(p) for parameters in groups.values() for p in parameters]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(p) for p in model.parameters() if p.requires_grad}
    names = {
        "fprnet": ["trunk", "pyramid", "head"],
        "paper": ["trunk", "pyramid", "fusion", "head"],
    }
    names["cmgan"] = ["trunk", "head", "adversary"]
    expected = names.get("paper" if preset == "released" else preset, ["trunk", "head"])
    assert list(groups) == expected


def test_released_learns_its_new_layers_as_section_9_says():
    config = load_config("released")
    with torch.device("meta"):
        model = build_model(config.model, identities=5, weights=False)
    (optimizer,) = make_optimizers(model, config.optimizer).values()
    rates = {group["name"]: group["lr"] for group in optimizer.param_groups}
    assert rates == pytest.approx({"trunk": 0.001, "pyramid": 0.001, "fusion": 0.001, "head": 0.01})
    assert {group["weight_decay"] for group in optimizer.param_groups} == {5e-4}
    assert {group["nesterov"] for group in optimizer.param_groups} == {True}


def test_the_adversary_has_an_optimizer_of_its_own():
    config = load_config("cmgan")
    with torch.device("meta"):
        model = build_model(config.model, identities=5, weights=False)
    optimizers = make_optimizers(model, config.optimizer)
    assert list(optimizers) == ["model", "adversary"]
    rates = {g["name"]: g["lr"] for o in optimizers.values() for g in o.param_groups}
    assert rates == {"trunk": 1e-4, "head": 1e-4, "adversary": 1e-3}
    (group,) = optimizers["adversary"].param_groups
    assert {id(p) for p in group["params"]} == {id(p) for p in model.discriminator.parameters()}
    assert (group["momentum"], group["nesterov"]) == (0.9, False)


def test_scheduler_takes_each_group_along():
    model = nn.ModuleDict({"streams": nn.Linear(1, 1), "head": nn.Linear(1, 1)})
    optimizer = make_optimizers(
        model, OptimizerConfig(learning_rate=0.1, trunk_multiplier=0.5, momentum=0)
    )["model"]
    assert not optimizer.param_groups[0]["nesterov"]  # which needs momentum
    config = ScheduleConfig(milestones=(1,))
    scheduler = make_scheduler(optimizer, config, steps_per_epoch=1, epochs=2)
    rates = []
    for _ in range(2):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    assert rates == [pytest.approx([0.05, 0.1]), pytest.approx([0.005, 0.01])]


def plain_and_fused(parameters):
    options = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}
    copies = [nn.Parameter(p.detach().clone()) for p in parameters]
    return copies, SGD(parameters, **options), FusedSgd(copies, **options)


def test_fused_steps_are_sgds_when_parameters_join_late_and_momentum_is_dropped():
    torch.manual_seed(0)
    parameters = [nn.Parameter(torch.randn(4, 3)) for _ in range(3)]
    copies, plain, fused = plain_and_fused(parameters)
    for step in range(6):
        for number, (one, other) in enumerate(zip(parameters, copies, strict=True)):
            frozen = number == 1 and step < 2  # a restraint epoch at the start
            one.grad = None if frozen else torch.randn(4, 3)
            other.grad = None if frozen else one.grad.clone()
        if step == 4:  # decorrelated: the momentum belongs to the old basis
            plain.state.pop(parameters[2])
            fused.state.pop(copies[2])
        plain.step()
        fused.step()
        for one, other in zip(parameters, copies, strict=True):
            torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-6)


def test_fused_steps_do_not_mix_up_memory_layouts():
    torch.manual_seed(0)
    weight = torch.randn(4, 3, 3, 3).contiguous(memory_format=torch.channels_last)
    parameters = [nn.Parameter(weight)]
    copies, plain, fused = plain_and_fused(parameters)
    for step in range(3):
        parameters[0].grad = torch.randn(4, 3, 3, 3)
        copies[0].grad = parameters[0].grad.clone()
        if step == 1:  # a checkpoint that was written in the other layout
            state = fused.state[copies[0]]
            state["momentum_buffer"] = state["momentum_buffer"].contiguous()
        plain.step()
        fused.step()
    torch.testing.assert_close(copies[0], parameters[0], rtol=1e-6, atol=1e-6)
