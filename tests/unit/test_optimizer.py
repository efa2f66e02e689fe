"""Parameter groups and learning rates, against rates worked out by hand."""

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW

from fprnet.config import load_config, preset_names
from fprnet.errors import ConfigError
from fprnet.filling import parse_component
from fprnet.kinds import OPTIMIZER, SCHEDULE
from fprnet.methods.network import players_of, untrained
from fprnet.training.optimizer import FusedSgd, make_optimizers
from fprnet.training.schedule import make_scheduler


def optimizer_of(name="sgd", **options):
    return parse_component(OPTIMIZER, {"class_path": name, "init_args": options}, key="optimizer")


def shares(name, *, steps_per_epoch, epochs, **options):
    words = {"class_path": name, "init_args": options}
    schedule = parse_component(SCHEDULE, words, key="schedule").build(steps_per_epoch, epochs)
    return [schedule(step) for step in range(steps_per_epoch * epochs)]


def test_step_schedule():
    made = shares("step", steps_per_epoch=2, epochs=3, milestones=[1, 2], gamma=0.1)
    assert made == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_cosine_after_warmup():
    # Warm-up 1/2, 1; then (1 + cos(pi t / 4)) / 2 at t = 0, 1, 2, 3.
    expected = [0.5, 1, 1, 0.8535534, 0.5, 0.1464466]
    assert shares("cosine", steps_per_epoch=2, epochs=3, warmup_epochs=1) == pytest.approx(expected)


def test_warmup_of_part_of_an_epoch_and_of_none():
    made = shares("step", steps_per_epoch=4, epochs=1, milestones=[], warmup_epochs=0.75)
    assert made == pytest.approx([1 / 3, 2 / 3, 1, 1])
    assert shares("step", steps_per_epoch=2, epochs=1) == [1, 1]


@pytest.mark.parametrize("preset", preset_names())
def test_every_trainable_parameter_is_in_one_group(preset):
    config = load_config(preset, scale="tiny")
    with torch.device("meta"):
        model = untrained(config.model).build(3)
    optimizers = make_optimizers(model, config.optimizer)
    groups = [group for optimizer in optimizers.values() for group in optimizer.param_groups]
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(p) for p in model.parameters() if p.requires_grad}
    names = {
        "fprnet": ["trunk", "pyramid", "head"],
        "paper": ["trunk", "pyramid", "fusion", "head"],
        "released": ["trunk", "pyramid", "fusion", "head"],
        "cmgan": ["trunk", "head", "discriminator"],
    }
    assert [group["name"] for group in groups] == names.get(preset, ["trunk", "head"])


def test_released_learns_its_new_layers_as_section_9_says():
    config = load_config("released")
    with torch.device("meta"):
        model = untrained(config.model).build(5)
    (optimizer,) = make_optimizers(model, config.optimizer).values()
    rates = {group["name"]: group["lr"] for group in optimizer.param_groups}
    assert rates == pytest.approx({"trunk": 0.001, "pyramid": 0.001, "fusion": 0.001, "head": 0.01})
    assert {group["weight_decay"] for group in optimizer.param_groups} == {5e-4}
    assert {group["nesterov"] for group in optimizer.param_groups} == {True}


def test_the_adversary_has_an_optimizer_of_its_own():
    config = load_config("cmgan")
    with torch.device("meta"):
        model = untrained(config.model).build(5)
    optimizers = make_optimizers(model, config.optimizer)
    assert list(optimizers) == ["model", "adversary"]
    rates = {g["name"]: g["lr"] for o in optimizers.values() for g in o.param_groups}
    assert rates == {"trunk": 1e-4, "head": 1e-4, "discriminator": 1e-3}
    (group,) = optimizers["adversary"].param_groups
    adversary = model.auxiliaries["discriminator"]
    assert {id(p) for p in group["params"]} == {id(p) for p in adversary.parameters()}
    assert (group["momentum"], group["nesterov"]) == (0.9, False)


class TwoParts(nn.Module):
    """A network that names its groups, as `Reidentifier` does."""

    def __init__(self):
        super().__init__()
        self.trunk, self.head = nn.Linear(1, 1), nn.Linear(1, 1)

    def players(self):
        parts = {name: list(part.parameters()) for name, part in self.named_children()}
        return {"model": parts}


@pytest.mark.parametrize(
    ("name", "options", "kind"), [("sgd", {"momentum": 0}, SGD), ("adamw", {}, AdamW)]
)
def test_scheduler_takes_each_group_along(name, options, kind):
    words = optimizer_of(name, learning_rate=0.1, multipliers={"trunk": 0.5}, **options)
    optimizer = make_optimizers(TwoParts(), words)["model"]
    assert isinstance(optimizer, kind)
    assert not optimizer.param_groups[0].get("nesterov")  # which needs momentum
    step = parse_component(SCHEDULE, {"milestones": [1]}, key="schedule", default="step")
    scheduler = make_scheduler(optimizer, step, steps_per_epoch=1, epochs=2)
    rates = []
    for _ in range(2):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    assert rates == [pytest.approx([0.05, 0.1]), pytest.approx([0.005, 0.01])]


def test_adamw_takes_a_step_of_the_learning_rate():
    # Its first step is the rate times the gradient's sign, whatever the gradient's size, after the
    # weight has lost rate times decay of itself (Loshchilov and Hutter, algorithm 2).
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(2.0)
    words = optimizer_of("adamw", learning_rate=0.1, weight_decay=0.5, betas=[0.8, 0.9])
    (optimizer,) = make_optimizers(model, words).values()
    assert optimizer.param_groups[0]["betas"] == (0.8, 0.9)
    model.weight.grad = torch.full((1, 1), 7.0)
    optimizer.step()
    assert model.weight.item() == pytest.approx(2.0 * (1 - 0.1 * 0.5) - 0.1)


def test_a_multiplier_of_no_group_is_refused_with_the_groups_that_there_are():
    with pytest.raises(ConfigError) as error:
        make_optimizers(TwoParts(), optimizer_of(multipliers={"trunc": 0.5}))
    for part in ("multipliers", "'trunc'", "head, trunk", "did you mean trunk?"):
        assert part in str(error.value)


def test_a_network_without_players_is_one_group():
    model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    model[0].requires_grad_(False)
    assert players_of(model) == {"model": {"network": list(model[1].parameters())}}


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
