"""What does not fit together in a config: each fault with its key, its value and the next step.

Ranges stand beside the fields, and what a component needs of the rest it says itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from fprnet.components import components_in
from fprnet.config.schema import RunConfig

__all__ = ["faults_of"]


def faults_of(config: RunConfig) -> Iterable[str]:
    """Yield what does not fit together, each with the key, the value and the next step."""
    training = config.training
    if config.seed >= 2**63:
        yield f"seed is {config.seed}, give one below 2**63"
    if training.selection == "validation" and config.data.identities == "train+validation":
        yield (
            "training.selection is validation but data.identities is train+validation, which "
            "trains on them; set data.identities to train or training.selection to last"
        )
    if training.selection != "last" and training.validate_every == 0:
        yield (
            f"training.selection is {training.selection} but training.validate_every is 0; "
            "set it to 1 or training.selection to last"
        )
    if config.data.modalities == "visible" and training.validate_every:
        yield (
            "data.modalities is visible, which leaves nothing to validate; "
            "set training.validate_every to 0"
        )
    for component in components_in(config):
        yield from component.faults(config)
