"""A config's loss and a network become the loss of a batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from fprnet.components import Component
from fprnet.errors import ConfigError
from fprnet.losses.state import Sizes, beginners_in, modules_in
from fprnet.losses.terms import LossTerms, Objective, as_terms
from fprnet.models.distributed import gather_rows
from fprnet.models.heads import HeadOutput
from fprnet.training.training_set import TensorBatch

__all__ = ["build_objective", "loss_of"]


def build_objective(
    loss: Component,
    network: nn.Module,
    *,
    identities: int,
    size: tuple[int, int],
    visible_only: bool = False,
) -> Objective:
    """Return the objective of a training; its parts with ``begin_training`` were told the sizes.

    Args:
        loss: Component of a config.
        network: As it is trained; it is left as it is.
        identities: M, people that are trained on.
        size: Height and width of the images in pixels.
        visible_only: Whether no infrared images are shown.

    Raises:
        ConfigError: The network returns no outputs by head.
    """
    objective: Objective = loss.build()
    beginners = beginners_in(objective)
    if beginners:
        with torch.random.fork_rng(devices=[]):
            features = _feature_sizes(network, identities, size, visible_only=visible_only)
        for begin in beginners:
            begin(Sizes(identities, features))
    return objective


def loss_of(objective: Objective) -> Callable[[nn.Module, TensorBatch, int], LossTerms]:
    """Return the loss of a batch: what the objective makes of the network's outputs.

    Args:
        objective: As built.

    Returns:
        A function of network, batch and number of processes. It raises a ConfigError where network
        or objective return something else than they should.
    """
    known = modules_in(objective).state_dict().keys()

    def loss(network: nn.Module, batch: TensorBatch, processes: int) -> LossTerms:
        terms = as_terms(objective(_outputs(network, batch, processes)))
        late = [key for key in modules_in(objective).state_dict() if key not in known]
        if late:
            raise ConfigError(
                f"the loss has made {late[0].partition('.')[2]} in a training step, too late to be "
                "learnt and kept; make weights and buffers in its __init__ or begin_training"
            )
        if not terms.total_with_adversary.requires_grad:
            raise ConfigError(
                "the loss depends on no weight of the network, so nothing is learnt; compute it "
                "from the outputs' features and logits, without detach()"
            )
        return terms

    return loss


def _outputs(network: nn.Module, batch: TensorBatch, processes: int = 1) -> dict[str, Any]:
    """Return a network's outputs of a batch by head; each knows its head's name."""
    outputs = network(
        batch.visible,
        batch.infrared,
        batch.visible_labels,
        batch.infrared_labels,
        **({"gather": gather_rows} if processes > 1 else {}),
    )
    if not isinstance(outputs, Mapping):
        raise ConfigError(
            f"the network returned a {type(outputs).__name__} for a training batch; return "
            "outputs by head, such as {'main': HeadOutput(features, logits, labels, rows)}"
        )
    return {
        head: output._replace(head=head) if isinstance(output, HeadOutput) else output
        for head, output in outputs.items()
    }


def _feature_sizes(
    network: nn.Module, identities: int, size: tuple[int, int], *, visible_only: bool
) -> dict[str, int]:
    """Return head -> D, as a copy of the network says of two black images of each of two people."""
    labels = torch.tensor([0, 0, 1, 1]) % identities
    images = torch.zeros(len(labels), 3, *size)
    infrared = 0 if visible_only else len(labels)
    batch = TensorBatch(images, images[:infrared], labels, labels if infrared else labels[:0])
    with torch.no_grad():
        outputs = _outputs(copy.deepcopy(network).train(), batch)
    return {
        head: output.features.shape[1]
        for head, output in outputs.items()
        if isinstance(output, HeadOutput)
    }
