"""Any objective becomes a game against a modality discriminator (cmGAN, Dai et al., IJCAI 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fprnet.losses.identity import accuracy, identity_loss
from fprnet.losses.terms import LossTerms, Objective
from fprnet.models.discriminator import CONFUSION, MODALITY
from fprnet.models.heads import HeadOutput

__all__ = ["AdversarialLoss"]


@dataclass(frozen=True)
class AdversarialLoss:
    """theta_G, theta_id = argmin L - gamma L_mod and theta_D = argmin L_mod, L of ``inner``.

    L_mod is the discriminator's cross entropy on the modality. Both players see the same batch and
    the same weights, and step at once; cmGAN's alternating steps differ from that by one step.

    Attributes:
        inner: On all other heads.
        weight: gamma; 0 lets the discriminator watch only.
    """

    inner: Objective
    weight: float

    def __call__(self, outputs: Mapping[str, HeadOutput]) -> LossTerms:
        """Return L - gamma L_mod, and L_mod as the adversary's loss."""
        players = (MODALITY, CONFUSION)
        loss = self.inner({head: o for head, o in outputs.items() if head not in players})
        of_discriminator = identity_loss(outputs[MODALITY])
        terms = {
            MODALITY: of_discriminator.detach(),
            f"accuracy_{MODALITY}": accuracy(outputs[MODALITY]),
        }
        return LossTerms(
            total=loss.total - self.weight * identity_loss(outputs[CONFUSION]),
            terms=loss.terms | terms,
            adversary=of_discriminator,
        )
