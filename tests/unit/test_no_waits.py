"""Nothing in a training step asks the device for a value: the host never waits for a GPU.

Such questions are visible on the CPU too, as the operators that answer them.
"""

import pytest
import torch
from torch.nn.utils import clip_grad_norm_
from torch.utils._python_dispatch import TorchDispatchMode

from fprnet.config import load_config, preset_names
from fprnet.losses.builders import build_objective
from fprnet.losses.terms import LossTerms
from fprnet.models.builders import build_model
from fprnet.training.optimizer import make_optimizers
from fprnet.training.position import Position

# Their results' values or shapes are needed on the host.
ASKING = {"_local_scalar_dense", "equal", "is_nonzero", "masked_select", "nonzero", "unique"}


class Questions(TorchDispatchMode):
    """Lists the operators that a GPU would have to answer before the host goes on."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        selects = name in ("index", "index_put", "index_put_", "_index_put_impl_") and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
        if selects or name.removesuffix("2").removeprefix("_") in ASKING or name in ASKING:
            self.asked.append(name)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "ask",
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 1).any()),
        lambda x: torch.equal(x, x.clone()),
        lambda x: x[x > 1],
        lambda x: x.unique(),
        lambda x: x.nonzero(),
    ],
)
def test_questions_are_seen(ask):
    with Questions() as questions:
        ask(torch.arange(3.0))
    assert questions.asked


@pytest.mark.parametrize("preset", preset_names())
def test_a_step_asks_nothing(preset):
    narrow = ["--model.width", "8", "--model.weights", "none"]
    config = load_config(preset, scale="tiny", overrides=narrow)
    torch.manual_seed(0)
    model = build_model(config.model, identities=4)
    objective = build_objective(config.loss, config.model)
    optimizers = make_optimizers(model, config.optimizer)
    labels = torch.arange(4).repeat_interleave(2)
    visible, infrared = torch.randn(2, 8, 3, config.data.height, config.data.width)
    infrared_labels = labels  # the same tensor, as TrainingSet gives them
    if config.data.modalities == "visible":
        infrared, infrared_labels = infrared[:0], labels[:0]
    position = Position()

    def step() -> LossTerms:
        terms = objective(model(visible, infrared, labels, infrared_labels))
        for optimizer in optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        terms.of_all_players.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers.values():
            optimizer.step()
        position.add(terms)
        return terms

    step()  # what is made once for a size may wait
    with Questions() as questions:
        terms = step()
    assert questions.asked == []
    assert torch.isfinite(terms.total)
