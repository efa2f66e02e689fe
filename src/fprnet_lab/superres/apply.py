"""A data set and a network become a data set whose training images of some cameras are sharper.

Only training identities are touched, so whatever is validated or tested on the result is the
original. Shapes: an image is H x W pixels with channels R, G, B; the network enlarges F times.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from fprnet.data.data_set import DataSet, open_data_set
from fprnet.data.images import map_with_bar, read_image
from fprnet.data.records import Records
from fprnet.errors import DataError
from fprnet.files import replacing
from fprnet_lab.superres.bicubic import resize
from fprnet_lab.superres.colour import rgb_to_ycbcr, ycbcr_to_rgb
from fprnet_lab.superres.networks import SuperResolution
from fprnet_lab.superres.pairs import select_camera
from fprnet_lab.superres.rewritten_set import RewrittenSet, Settings, files_below, link_or_copy
from fprnet_lab.superres.scoring import enlarge_luma
from fprnet_lab.superres.weights import LoadedNetwork

__all__ = ["Applied", "apply_superres", "sharpen"]

Size = tuple[int, int]

JPEG_QUALITY = 95


@dataclass(frozen=True)
class Applied:
    """What a call of ``apply_superres`` left.

    Attributes:
        rewritten: Images of the chosen cameras that the network has written.
        linked: Files that are the original's.
        unreadable: Images that could not be read and are the original's, too.
    """

    rewritten: int
    linked: int
    unreadable: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object that ``fprnet superres apply --json`` prints."""
        return {
            "rewritten": self.rewritten,
            "linked": self.linked,
            "unreadable": [*self.unreadable],
        }


def sharpen(
    network: SuperResolution,
    rgb: NDArray[np.uint8],
    *,
    input_size: Size | None = None,
    size: Size | None = None,
) -> NDArray[np.uint8]:
    """Enlarge an image F times, Y by the network, Cb and Cr bicubic; then bring it to a size.

    Args:
        network: In evaluation mode.
        rgb: ``(H, W, 3)``.
        input_size: (H, W) that the image is resized to first, bicubic; None keeps its own.
        size: (H, W) of the result, bicubic with antialiasing; None is the image's own.

    Returns:
        ``(size, 3)``.
    """
    size = (rgb.shape[0], rgb.shape[1]) if size is None else size
    ycbcr = rgb_to_ycbcr(rgb)
    if input_size is not None:
        ycbcr = resize(ycbcr, input_size)
    large = enlarge_luma(network, ycbcr[..., 0] / 255)
    # Cb and Cr go to the final size at once: smooth as they are, that differs by less than a level.
    return ycbcr_to_rgb(np.dstack([resize(large, size), resize(ycbcr[..., 1:], size)]))


def apply_superres(
    root: Path,
    out: Path,
    loaded: LoadedNetwork,
    *,
    cameras: Sequence[int],
    split: int | None = None,
    input_size: Size | None = None,
    size: Size | None = (256, 256),
    transposed: bool = False,
    copy: bool = False,
    skip_unreadable: bool = False,
    workers: int = 1,
    progress: bool = True,
) -> Applied:
    """Write a data set whose training images of some visible cameras went through the network.

    All other files are hard links (or copies) of the original's, names and folders are kept.
    Images that are there already are not made again.

    Args:
        root: Data set.
        out: Folder to write, beside it.
        loaded: The network.
        cameras: Visible ones; the paper takes one.
        split: Split of RegDB, whose training identities depend on it.
        input_size: See ``sharpen``; the paper has 128 x 128.
        size: See ``sharpen``; the paper has 256 x 256, None is each image's own size.
        transposed: Whether the classic weights were transposed, for the marker.
        copy: Copy instead of linking.
        skip_unreadable: Leave images that cannot be read as they are, and name them.
        workers: Threads.
        progress: Show a bar on stderr.

    Raises:
        DataError: An image cannot be read, a camera is not a visible one, or the disk is full.
        UsageError: The output folder holds something else.
    """
    data_set = open_data_set(root, split=split, needed=("train",))
    source = data_set.folder.resolve()
    target = RewrittenSet(
        out,
        Settings(
            source=str(source),
            split=split,
            cameras=tuple(sorted(set(cameras))),
            weights=loaded.sha256,
            scale=loaded.network.factor,
            transpose=transposed,
            input_size=input_size,
            size=size,
        ),
    )
    paths = _paths_to_rewrite(data_set, cameras)
    torch.set_num_threads(1)  # the workers are the parallel part
    network = loaded.network

    def rewrite(path: str) -> str | None:
        """Return the path of an image that cannot be read, else None."""
        if path not in left_before and (out / path).exists():
            return None
        try:
            rgb = read_image(source / path)
        except DataError as error:
            if not skip_unreadable:
                raise
            print(f"left as it is: {error}", file=sys.stderr)
            return path
        _write(out / path, sharpen(network, rgb, input_size=input_size, size=size))
        return None

    with target.opened():
        left_before = target.unreadable()
        done = map_with_bar(rewrite, paths, workers, "super-resolution", progress=progress)
        unreadable = tuple(path for path in done if path is not None)
        rewritten = set(paths) - set(unreadable)
        target.write_marker(complete=False, skipped=unreadable)
        linked = [path for path in files_below(source) if path.as_posix() not in rewritten]
        for path in tqdm(linked, "linking the rest", file=sys.stderr, disable=not progress):
            link_or_copy(source / path, out / path, copy=copy)
        target.write_marker(complete=True, rewritten=len(rewritten), skipped=unreadable)
    return Applied(len(rewritten), len(linked), unreadable)


def _paths_to_rewrite(data_set: DataSet, cameras: Sequence[int]) -> list[str]:
    records: Records = data_set.records(visible_only=True)
    paths = [
        str(path)
        for camera in sorted(set(cameras))
        for path in select_camera(records, camera, data_set.train).path
    ]
    outside = [path for path in paths if Path(path).is_absolute() or ".." in Path(path).parts]
    if outside:
        raise DataError(f"{outside[0]} lies outside {data_set.folder}; move the images into it")
    if not paths:
        raise DataError(
            f"camera {cameras[0]} of {data_set.root} has no training images; choose another one"
        )
    return paths


def _write(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Write in the format of the file's name, so that the sorted folder stays as it was.

    Raises:
        DataError: The disk is full or the folder cannot be written.
    """
    try:
        with replacing(path) as temporary:
            # Formats without a quality ignore both.
            Image.fromarray(rgb).save(temporary, quality=JPEG_QUALITY, subsampling=0)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror or error}); make room and start the same "
            "command again: it goes on"
        ) from error
