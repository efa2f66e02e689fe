"""A folder of images and a network become a table of PSNR and SSIM, as the literature has them."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fprnet.data.image_formats import SUFFIXES
from fprnet.data.images import map_with_bar
from fprnet.errors import DataError
from fprnet.text_table import text_table
from fprnet_lab.superres.pairs import read_luma
from fprnet_lab.superres.scoring import Quality, mean_quality, score_image
from fprnet_lab.superres.weights import LoadedNetwork

__all__ = ["SuperresScores", "evaluate_folder"]

FORMAT = 1


@dataclass(frozen=True)
class SuperresScores:
    """PSNR and SSIM on luma.

    Attributes:
        network: Its name.
        sha256: Of its weights.
        scale: How many times the images were made smaller and larger again.
        images: File name -> numbers.
        unreadable: Files that were skipped.
    """

    network: str
    sha256: str
    scale: int
    images: dict[str, Quality]
    unreadable: tuple[str, ...]

    @property
    def mean(self) -> Quality:
        """The mean over the images."""
        return mean_quality(list(self.images.values()))

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object that ``fprnet superres evaluate --json`` prints."""
        return {
            "format": FORMAT,
            "network": self.network,
            "weights_sha256": self.sha256,
            "scale": self.scale,
            "mean": dataclasses.asdict(self.mean),
            "images": {name: dataclasses.asdict(quality) for name, quality in self.images.items()},
            "unreadable": list(self.unreadable),
        }

    def table(self) -> str:
        """Return a line for each image and one for the mean."""
        head = [f"x{self.scale}", "bicubic", "SSIM", self.network, "SSIM", "gain"]
        rows = [
            [
                name,
                f"{q.bicubic_psnr:.2f}",
                f"{q.bicubic_ssim:.4f}",
                f"{q.psnr:.2f}",
                f"{q.ssim:.4f}",
                f"{q.gain:+.2f}",
            ]
            for name, q in {**self.images, "mean": self.mean}.items()
        ]
        return text_table(head, rows)


def evaluate_folder(
    loaded: LoadedNetwork,
    folder: Path,
    *,
    skip_unreadable: bool = False,
    workers: int = 1,
    progress: bool = True,
) -> SuperresScores:
    """Score every image of a folder.

    Args:
        loaded: The network; its factor is the scale.
        folder: Images, e.g. those of Set5.
        skip_unreadable: Leave out images that cannot be read or are too small, and name them.
        workers: Threads.
        progress: Show a bar on stderr.

    Raises:
        DataError: There are no images, or one cannot be read or scored.
    """
    files = sorted(
        file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.name[0] != "."
    )
    if not files:
        raise DataError(f"{folder} holds no images; they end in {', '.join(SUFFIXES)}")

    def measure(file: Path) -> Quality | DataError:
        try:
            return score_image(loaded.network, read_luma(file), name=str(file))
        except DataError as error:
            if not skip_unreadable:
                raise
            return error

    results = map_with_bar(measure, files, workers, "scoring", progress=progress)
    images: dict[str, Quality] = {}
    unreadable = []
    for file, result in zip(files, results, strict=True):
        if isinstance(result, Quality):
            images[file.name] = result
        else:
            unreadable.append(file.name)
            print(f"skipped: {result}", file=sys.stderr)
    if not images:
        raise DataError(f"no image of {folder} can be scored; give larger or undamaged ones")
    return SuperresScores(
        loaded.name, loaded.sha256, loaded.network.factor, images, tuple(unreadable)
    )
