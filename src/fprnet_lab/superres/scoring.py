"""A network and images become PSNR and SSIM on luma, beside those of bicubic enlargement.

As the literature measures: the original is cut to a multiple of F, made F times smaller with
antialiasing, made as large again, rounded to 8 bits, and compared where at least F pixels from the
border. Shapes: an image is H x W.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray

from fprnet.errors import DataError
from fprnet_lab.superres.bicubic import crop_to_multiple, resize
from fprnet_lab.superres.colour import to_bytes
from fprnet_lab.superres.networks import SuperResolution
from fprnet_lab.superres.pairs import shrink
from fprnet_lab.superres.quality import SSIM_WINDOW, psnr, shave, ssim

__all__ = ["Quality", "enlarge_luma", "mean_quality", "score_image"]

Luma = NDArray[np.uint8]


@dataclass(frozen=True)
class Quality:
    """Of one image, or the mean over several.

    Attributes:
        psnr: PSNR of the network, dB.
        ssim: SSIM of the network, at most 1.
        bicubic_psnr: PSNR of bicubic enlargement.
        bicubic_ssim: SSIM of bicubic enlargement, at most 1.
    """

    psnr: float
    ssim: float
    bicubic_psnr: float
    bicubic_ssim: float

    @property
    def gain(self) -> float:
        """PSNR of the network above bicubic enlargement, dB."""
        return self.psnr - self.bicubic_psnr


def mean_quality(qualities: Sequence[Quality]) -> Quality:
    """Return the mean over images of each number.

    Raises:
        ValueError: There are none.
    """
    if not qualities:
        raise ValueError("no image was scored")
    return Quality(
        **{f.name: float(np.mean([getattr(q, f.name) for q in qualities])) for f in fields(Quality)}
    )


def enlarge_luma(network: SuperResolution, small: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a small image ``(h, w)`` in [0, 1] enlarged by the network, in about [0, 255]."""
    weight = network.conv1.weight
    with torch.inference_mode():
        tensor = torch.from_numpy(small[None, None].astype(np.float32)).to(weight.device)
        large: NDArray[np.float64] = network(tensor)[0, 0].double().cpu().numpy() * 255
    return large


def score_image(network: SuperResolution, image: Luma, *, name: str = "the image") -> Quality:
    """Degrade an image, restore it, and compare.

    Args:
        network: In evaluation mode; ``network.factor`` is F.
        image: ``(H, W)`` luma.
        name: What a complaint calls it.

    Raises:
        DataError: The image is too small for what SSIM needs beside the borders.
    """
    factor = network.factor
    original = crop_to_multiple(image, factor)
    needed = SSIM_WINDOW + 2 * factor
    if min(original.shape) < needed:
        raise DataError(
            f"{name} has {image.shape[0]} x {image.shape[1]} pixels, but a border of {factor} and "
            f"SSIM's window need {needed + -needed % factor}; leave it out"
        )
    small = shrink(original, factor)
    restored = to_bytes(enlarge_luma(network, small))
    bicubic = to_bytes(resize(small, original.shape) * 255)
    kept, restored, bicubic = (shave(i, factor) for i in (original, restored, bicubic))
    return Quality(
        psnr=psnr(restored, kept),
        ssim=ssim(restored, kept),
        bicubic_psnr=psnr(bicubic, kept),
        bicubic_ssim=ssim(bicubic, kept),
    )
