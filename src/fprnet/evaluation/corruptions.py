"""Clean images become corrupted ones: twenty corruptions at five severities, and occlusion.

Corruptions and their strengths are those of ImageNet-C (Hendrycks and Dietterich, ICLR 2019) and,
with rain, those of the corruption benchmarks of person re-identification (Chen et al., NeurIPS
2021: SYSU-C, RegDB-C); lengths, which are published for images of 224 x 224 pixels, are scaled by
sqrt(H W) / 224. Frost and snow are drawn, where ImageNet-C overlays photographs. An image's
corruption depends on seed, draw and path alone. What a version stands for never changes.
Shapes: images of H x W pixels.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from fprnet.data.records import Modality
from fprnet.embeddings.backend import Pixels
from fprnet.errors import UsageError
from fprnet.evaluation.corruption_effects import CORRUPTIONS, SEVERITIES

__all__ = ["CHOICES", "VERSION", "Corruption"]

VERSION = "corruptions@1"
MIXED = "mixed"  # every image has one of the twenty, drawn for it
OCCLUSION = "occlusion"
CHOICES = (MIXED, OCCLUSION, *(name for name in CORRUPTIONS if name != OCCLUSION))


@dataclass(frozen=True)
class Corruption:
    """What is done to the images of a data set.

    Attributes:
        name: One of CHOICES.
        modality: Whose images are corrupted.
        severity: 1 to 5; None draws one for every image.
        seed: Seed of all random numbers.
        draw: Number of the draw, from 1; each has its own random numbers.

    Raises:
        UsageError: There is no such corruption, modality or severity.
    """

    name: str = MIXED
    modality: Literal["visible", "infrared", "both"] = "both"
    severity: int | None = None
    seed: int = 0
    draw: int = 1

    def __post_init__(self) -> None:
        if self.name not in CHOICES:
            raise UsageError(
                f"corruption {self.name!r} is unknown; choose one of {', '.join(CHOICES)}"
            )
        if self.modality not in ("visible", "infrared", "both"):
            raise UsageError(f"modality {self.modality!r} is none; choose visible, infrared, both")
        if self.severity is not None and self.severity not in SEVERITIES:
            raise UsageError(f"severity {self.severity} is none; choose 1 to 5")

    def __call__(self, image: Pixels, path: str, modality: Modality) -> Pixels:
        """Return the corrupted image ``(H, W, 3)`` uint8; one of another modality as it is."""
        if self.modality not in ("both", modality):
            return image
        word = f"{VERSION}:{self.seed}:{self.draw}:{path}"
        digest = hashlib.sha256(word.encode()).digest()
        random = np.random.default_rng(int.from_bytes(digest[:16], "little"))
        mixed = [name for name in CORRUPTIONS if name != OCCLUSION]
        kind, level = int(random.integers(len(mixed))), int(random.integers(len(SEVERITIES)))
        name = mixed[kind] if self.name == MIXED else self.name
        severity = SEVERITIES[level] if self.severity is None else self.severity
        changed = CORRUPTIONS[name](image.astype(np.float64) / 255, severity, random)
        if modality == "infrared":  # stays gray; green is nearest to the lightness of a colour
            changed = np.repeat(changed[..., 1:2], 3, axis=2)
        return np.rint(np.clip(changed, 0, 1) * 255).astype(np.uint8)

    def as_dict(self) -> dict[str, Any]:
        """Return what results and features files say about it."""
        severity = "random" if self.severity is None else self.severity
        return {**asdict(self), "severity": severity, "version": VERSION}
