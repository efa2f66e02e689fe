"""An image file becomes pixels, or one line that says what is wrong with it.

Shapes: an image is H x W pixels with channels R, G, B.
"""

from __future__ import annotations

import io
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from fprnet.data.image_formats import format_of, formats_in_words
from fprnet.data.image_headers import StructureError, check_structure, scans_of
from fprnet.data.pixels import DepthRange, colour_of, contrast_of, resized, upright, upright_size
from fprnet.errors import DataError, ImageFileError
from fprnet.file_kinds import kind_of

__all__ = [
    "MAX_PIXELS",
    "MAX_SIDE",
    "ImageFacts",
    "decode_image",
    "facts_of_pixels",
    "inspect_image",
    "map_in_order",
    "map_with_bar",
    "read_image",
    "read_with_facts",
]

MAX_PIXELS = 64_000_000  # of one image; a crop of a pedestrian has a few thousand
MAX_SIDE = 16_000  # pixels; what WebP and most viewers can show
MAX_SCANNED = 16 * 25_000_000  # pixels times scans of a JPEG; progressive ones have about 10 scans
MAX_BYTES = 500_000_000  # of a file: 64 million pixels of 16 bits in three channels, and a rest
DRAFT_FACTOR = 2  # JPEGs may be decoded at reduced size, but at least this many times too large
CHUNK = 32  # images per task of a thread
MAX_REASON = 200  # letters of what a decoder says

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ImageFacts:
    """What an image file holds.

    Attributes:
        width: Pixels, after the rotation that the file asks for.
        height: Pixels.
        mode: Pillow's name of the pixel format before any conversion: "RGB", "L" (gray), "P"
            (palette), "RGBA", "I;16" (16-bit gray), ...
        has_frames: Whether the file has further images, which are not read.
        contrast: Gray values, 0 to 255, between the darkest and the brightest hundredth.
        colour: Largest minus smallest channel that a tenth of the pixels reach, 0 to 255.
    """

    width: int
    height: int
    mode: str
    has_frames: bool
    contrast: int
    colour: int


def read_image(
    path: Path, size: tuple[int, int] | None = None, *, depth_range: DepthRange = "own"
) -> NDArray[np.uint8]:
    """Read an image as R, G, B, whatever its file format and pixel format.

    Gray becomes three equal channels (what the field does with infrared images), 16-bit gray is
    reduced to 8 bits, palettes, CMYK and others are converted, transparent pixels lie on black, the
    rotation in a camera's EXIF block is applied, of several frames the first is taken.

    Args:
        path: The file.
        size: (H, W) to resize to, bilinear with antialiasing; None keeps the image's own size.
        depth_range: Which 16-bit values become black and white: "own" spreads the image's own
            range, "full" keeps the upper 8 bits.

    Returns:
        ``(H, W, 3)`` uint8.

    Raises:
        ImageFileError: The file is missing, empty, truncated, no image of the formats in
            `fprnet.data.image_formats`, of 32-bit pixels, or too large: more than ``MAX_PIXELS``
            or a side of more than ``MAX_SIDE`` pixels.
    """
    pixels, _ = read_with_facts(path, size, depth_range=depth_range)
    return pixels


def read_with_facts(
    path: Path, size: tuple[int, int] | None = None, *, depth_range: DepthRange = "own"
) -> tuple[NDArray[np.uint8], ImageFacts]:
    """Do as `read_image`, and say what the file holds; its size is that before resizing."""
    return decode_image(_content(path), size, name=str(path), depth_range=depth_range)


def decode_image(
    content: bytes,
    size: tuple[int, int] | None = None,
    *,
    name: str = "the image",
    max_pixels: int = MAX_PIXELS,
    depth_range: DepthRange = "own",
) -> tuple[NDArray[np.uint8], ImageFacts]:
    """Do as `read_image` with an image file's bytes, which may come from anybody.

    Format, structure, width and height are looked at before anything is decoded, so that time and
    memory are bounded by the size of the file and by ``max_pixels``.

    Args:
        content: Bytes of the file.
        size: (H, W) to resize to; None keeps the image's own size.
        name: What a complaint calls it.
        max_pixels: Width times height.
        depth_range: As `read_image`.

    Returns:
        ``(H, W, 3)`` uint8, and what the file holds; its size is that before resizing.

    Raises:
        ImageFileError: As `read_image`.
    """
    with _opened(content, name, max_pixels) as image:
        width, height = image.size
        mode, has_frames = image.mode, bool(getattr(image, "is_animated", False))
        if size is not None:
            # Only JPEGs have a reduced size; a rotated one may need its height as width.
            longer = DRAFT_FACTOR * max(size)
            image.draft(image.mode, (longer, longer))
        picture, is_turned = upright(image, name=name, depth_range=depth_range)
        if is_turned:
            width, height = height, width
        picture = resized(picture, size)
        facts = ImageFacts(
            width, height, mode, has_frames, contrast_of(picture), colour_of(picture)
        )
        return np.asarray(picture, dtype=np.uint8), facts


def inspect_image(path: Path, *, depth_range: DepthRange = "own") -> ImageFacts:
    """Decode an image completely and say what it is.

    Raises:
        ImageFileError: As `read_image`.
    """
    return read_with_facts(path, depth_range=depth_range)[1]


def facts_of_pixels(
    pixels: NDArray[np.uint8], original: Path | Image.Image | NDArray[np.uint8]
) -> ImageFacts:
    """Say what an image holds whose pixels were read already.

    Args:
        pixels: ``(H, W, 3)``, resized.
        original: What they were read from, for its size.

    Raises:
        ImageFileError: As `read_image`, of a file.
    """
    if isinstance(original, np.ndarray):
        height, width = original.shape[:2]
    elif isinstance(original, Image.Image):
        width, height = original.size
    else:
        with _opened(_content(original), str(original), MAX_PIXELS) as image:
            width, height = upright_size(image)
    picture = Image.fromarray(pixels)
    return ImageFacts(width, height, "RGB", False, contrast_of(picture), colour_of(picture))


def map_in_order(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Iterator[Result]:
    """Yield ``function(item)`` in order, computed by threads, never far ahead of what is taken.

    Pillow decodes and resizes without holding Python's lock. Threads are given short lists of
    items, because a task per small image costs more than it gains.
    """
    if workers <= 1:
        yield from map(function, items)
        return
    lists = iter([items[start : start + CHUNK] for start in range(0, len(items), CHUNK)])
    running: deque[Future[list[Result]]] = deque()
    with ThreadPoolExecutor(workers) as pool:

        def submit(number: int) -> None:
            running.extend(
                pool.submit(lambda part: [function(item) for item in part], part)
                for part in islice(lists, number)
            )

        submit(2 * workers)
        try:
            while running:
                yield from running.popleft().result()
                submit(1)
        finally:
            for future in running:
                future.cancel()


def map_with_bar(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    description: str,
    *,
    progress: bool = True,
) -> Iterator[Result]:
    """Do as ``map_in_order``, with a bar on stderr that counts images; ``progress`` shows it."""
    return iter(
        tqdm(
            map_in_order(function, items, workers),
            desc=description,
            total=len(items),
            unit=" images",
            file=sys.stderr,
            disable=not progress,
        )
    )


def _content(path: Path) -> bytes:
    """Read a file that is not too large to be an image."""
    with _sentences(str(path)):
        size = path.stat().st_size
        if size == 0 and path.is_file():
            raise ImageFileError(f"{path} is empty; copy it again or remove it", "empty")
        if size > MAX_BYTES:
            raise ImageFileError(
                f"{path} has {size / 1e6:.0f} MB, more than {MAX_BYTES // 1_000_000}; "
                "save it as PNG or crop it to the person",
                "pixels",
            )
        return path.read_bytes()


@contextmanager
def _opened(content: bytes, name: str, max_pixels: int) -> Iterator[Image.Image]:
    """Open an image; whatever goes wrong inside the block becomes one sentence."""
    if not content:
        raise ImageFileError(f"{name} is empty; send it again", "empty")
    image_format = format_of(content)
    if image_format is None:
        what = kind_of(content) or "no image of a known format"
        raise ImageFileError(f"{name} is {what}; give {formats_in_words()}, or remove it", "format")
    with _sentences(name):
        check_structure(content, image_format)
        with Image.open(io.BytesIO(content), formats=(image_format,)) as image:
            _check_size(image, name, max_pixels)
            if scans_of(content) * image.width * image.height > MAX_SCANNED and (
                image_format == "JPEG"
            ):
                raise StructureError(f"a progressive JPEG of {scans_of(content)} scans")
            yield image


@contextmanager
def _sentences(name: str) -> Iterator[None]:
    """Turn whatever goes wrong with an image inside the block into one sentence."""
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError as error:
        raise ImageFileError(f"{name} does not exist; correct the path", "missing") from error
    except IsADirectoryError as error:
        raise ImageFileError(f"{name} is a folder; give an image file", "missing") from error
    except PermissionError as error:
        raise ImageFileError(
            f"{name} may not be read; change its permissions", "missing"
        ) from error
    except MemoryError as error:
        raise ImageFileError(
            f"{name} needs more memory than there is; crop it to the person", "pixels"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageFileError(
            f"{name} has more than {MAX_PIXELS // 1_000_000} million pixels; crop it to the person",
            "pixels",
        ) from error
    except Exception as error:  # a damaged file makes Pillow's decoders raise nearly anything
        reason = " ".join(str(error).split())[:MAX_REASON] or type(error).__name__
        raise ImageFileError(
            f"{name} is damaged ({reason}); copy it again or remove it", "damaged"
        ) from error


def _check_size(image: Image.Image, name: str, max_pixels: int) -> None:
    size = f"{image.width} x {image.height} pixels"
    if image.width * image.height > max_pixels:
        limit = f"more than {max_pixels // 1_000_000} million"
    elif max(image.size) > MAX_SIDE:
        limit = f"a side of more than {MAX_SIDE}"
    else:
        return
    raise ImageFileError(f"{name} has {size}, {limit}; crop it to the person", "pixels")
