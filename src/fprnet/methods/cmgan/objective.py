"""Any objective becomes a game against a modality discriminator (cmGAN, Dai et al., IJCAI 2018)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fprnet.kinds import LOSS
from fprnet.losses.identity import accuracy, identity_loss
from fprnet.losses.terms import LossTerms, Objective, as_terms
from fprnet.methods.cmgan.discriminator import CONFUSION, MODALITY
from fprnet.models.heads import HeadOutput
from fprnet.ranges import NonNegative

__all__ = ["AdversarialLoss"]


@dataclass(frozen=True)
class AdversarialLoss:
    """theta_G, theta_id = argmin L - gamma L_mod and theta_D = argmin L_mod.

    L_mod is the discriminator's cross entropy on the modality. Both players see the same batch and
    the same weights, and step at once; cmGAN's alternating steps differ from that by one step.

    Attributes:
        loss: L, the loss on all other heads.
        confusion_weight: gamma; 0 lets the discriminator watch only.
    """

    loss: Annotated[Objective, LOSS]
    confusion_weight: NonNegative = 0.05

    def __call__(self, outputs: Mapping[str, HeadOutput]) -> LossTerms:
        """Return L - gamma L_mod, and L_mod as the adversary's loss."""
        players = (MODALITY, CONFUSION)
        others = {head: o for head, o in outputs.items() if head not in players}
        loss = as_terms(self.loss(others))
        of_discriminator = identity_loss(outputs[MODALITY])
        terms = {
            MODALITY: of_discriminator.detach(),
            f"accuracy_{MODALITY}": accuracy(outputs[MODALITY]),
        }
        return LossTerms(
            total=loss.total - self.confusion_weight * identity_loss(outputs[CONFUSION]),
            terms=loss.terms | terms,
            adversary=of_discriminator,
        )

    @staticmethod
    def faults(options: Mapping[str, Any], config: Any) -> Iterable[str]:  # noqa: ANN401
        """Yield what the game lacks: a discriminator, and both modalities."""
        del options
        auxiliaries = config.model.options.get("auxiliaries", {})
        if not any(one.name == "modality-discriminator" for one in auxiliaries.values()):
            yield (
                "loss adversarial needs a discriminator; set "
                "model.auxiliaries.discriminator modality-discriminator"
            )
        if config.data.modalities == "visible":
            yield "data.modalities is visible but the discriminator tells both modalities apart"
