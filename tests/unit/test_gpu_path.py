"""Training steps on a GPU that the CPU plays: nothing mixes or waits, losses are the same."""

import numpy as np
import pytest
import torch
from torch.nn.utils import clip_grad_norm_

from fprnet.config import load_config, preset_names
from fprnet.data.transfer import to_device
from fprnet.methods.network import untrained
from fprnet.training.optimizer import make_optimizers
from fprnet.training.train_state import TrainState
from fprnet.training.training_set import TrainingSet
from fprnet_lab.benchmarking.training_sides import random_images
from pretended_gpu import OnGpu, pretended_gpu

EVERY_CHANGE = (
    *("grayscale", "gray_projection", "infrared_changes", "channel_exchange"),
    *("linear_enhancement", "erasing"),
)


@pytest.mark.parametrize(
    "ask",
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 1).any()),
        lambda x: torch.equal(x, x.clone()),
        lambda x: x[x > 1],
        lambda x: x.index_put_((x > 1,), x[0]),
        lambda x: x.unique(),
        lambda x: x.nonzero(),
        lambda x: x.cpu(),
        lambda x: torch.zeros(3).copy_(x),
    ],
)
def test_what_waits_is_an_error(ask, monkeypatch):
    with pretended_gpu(monkeypatch) as gpu:
        x = torch.arange(3.0).to(gpu.device)
        with pytest.raises(AssertionError, match="wait"):
            ask(x)


@pytest.mark.parametrize(
    "mix",
    [
        lambda x: x + torch.ones(3),
        lambda x: x[torch.tensor([1, 2])],
        lambda x: torch.stack([x, torch.ones(3)]),
        lambda x: torch.ones(3).add_(x),
    ],
)
def test_what_mixes_is_an_error(mix, monkeypatch):
    with pretended_gpu(monkeypatch) as gpu:
        x = torch.arange(3.0).to(gpu.device)
        with pytest.raises(AssertionError, match="mixes"):
            mix(x)


def test_numbers_are_those_of_the_cpu(monkeypatch):
    with pretended_gpu(monkeypatch) as gpu:
        x = torch.tensor([1.0, 2.0]).to(gpu.device).requires_grad_()
        (x * torch.full((2,), 3.0, device=gpu.device)).square().sum().backward()
        assert x.device == x.grad.device == gpu.device
    assert x.grad.numbers.tolist() == [18.0, 36.0]  # 2 * 9 x


def test_what_is_sent_is_not_waited_for(monkeypatch):
    with pretended_gpu(monkeypatch) as gpu:
        assert to_device(torch.arange(3), gpu.device).numbers.tolist() == [0, 1, 2]
        assert gpu.waits == []
        torch.arange(3).to(gpu.device)
        torch.arange(3).to(gpu.device, non_blocking=True)  # from memory that is not pinned
        assert gpu.waits == ["_to_copy", "_to_copy"]


def losses(config, gpu, *, resident: bool) -> list[torch.Tensor]:
    """Train for three steps, on the CPU where ``gpu`` is None; returns the loss of each."""
    device = torch.device("cpu") if gpu is None else gpu.device
    records, images = random_images(8, 2, (config.data.height, config.data.width))
    data = TrainingSet(
        images,
        records,
        rows=np.arange(len(records)),
        batches=config.batches,
        changes=config.augmentation,
        seed=0,
        visible_only=config.data.modalities == "visible",
        resident=device if resident else None,
    )
    torch.manual_seed(0)
    model = untrained(config.model).build(len(data.identities))
    model = model.to(device, memory_format=torch.channels_last)
    objective = config.loss.build()
    optimizers = make_optimizers(model, config.optimizer)
    state, totals = TrainState(), []
    for step in range(3):
        batch = data.batch(step, device=device)
        terms = objective(
            model(batch.visible, batch.infrared, batch.visible_labels, batch.infrared_labels)
        )
        for optimizer in optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        terms.total_with_adversary.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers.values():
            optimizer.step()
        state.add(terms)
        totals.append(terms.total.detach())
        if gpu is not None and step == 0:
            gpu.waits.clear()  # what is made once for a size may wait
    return totals


QUICK = ("fprnet", "paper", "cmgan")  # a folder of methods each


@pytest.mark.parametrize(
    ("preset", "resident"),
    [
        *(
            pytest.param(name, True, marks=() if name in QUICK else pytest.mark.slow)
            for name in preset_names()
        ),
        ("fprnet", False),
    ],
)
@pytest.mark.filterwarnings("ignore:.*CUDA is not available")  # of autocast
def test_steps_on_a_gpu(preset, resident, monkeypatch):
    words = {
        "--model.backbone.width": 8,
        "--model.weights": "none",
        "--data.height": 64,
        "--data.width": 32,
    }
    words |= {"--batches.identities": 4, "--batches.images": 2}
    words |= {f"--augmentation.{change}": 0.5 for change in EVERY_CHANGE}
    overrides = [str(word) for pair in words.items() for word in pair]
    config = load_config(preset, scale="tiny", overrides=overrides)
    expected = losses(config, None, resident=False)
    with pretended_gpu(monkeypatch) as gpu:
        totals = losses(config, gpu, resident=resident)
    assert gpu.waits == []
    assert all(isinstance(total, OnGpu) for total in totals)
    assert [float(x.numbers) for x in totals] == pytest.approx([float(x) for x in expected])
