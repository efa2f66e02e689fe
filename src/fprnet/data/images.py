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
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from fprnet.errors import DataError, ImageFileError

__all__ = [
    "MOST_PIXELS",
    "UPLOAD_FORMATS",
    "ImageFacts",
    "decode_image",
    "fit_image",
    "inspect_image",
    "map_in_order",
    "map_with_bar",
    "read_image",
]

MOST_PIXELS = 64_000_000  # of one image; a crop of a pedestrian has a few thousand
# What Pillow may try on bytes from elsewhere: its other decoders are rare, old, or start programs.
UPLOAD_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
QUARTER_TURNS = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
DRAFT_FACTOR = 2  # JPEGs may be decoded at reduced size, but at least this many times too large
CHUNK = 32  # images per task of a thread

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ImageFacts:
    """What an image file holds, before anything is converted.

    Attributes:
        width: Pixels, after the rotation that the file asks for.
        height: Pixels.
        mode: Pillow's name of the pixel format: "RGB", "L" (gray), "P" (palette), "RGBA", ...
        frames: 1, more for animations.
    """

    width: int
    height: int
    mode: str
    frames: int


def read_image(path: Path, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Read an image as R, G, B, whatever its file format and pixel format.

    Gray becomes three equal channels (what the field does with infrared images), 16-bit gray keeps
    its upper 8 bits, palettes, CMYK and others are converted, transparent pixels lie on black, the
    rotation in a camera's EXIF block is applied, of an animation the first frame is taken.

    Args:
        path: The file.
        size: (H, W) to resize to, bilinear with antialiasing; None keeps the image's own size.

    Returns:
        ``(H, W, 3)`` uint8.

    Raises:
        DataError: The file is missing, empty, truncated, no image, of 32-bit pixels, or has more
            than ``MOST_PIXELS``.
    """
    with _opened(path) as image:
        return _drafted(image, size, str(path))


def decode_image(
    content: bytes,
    size: tuple[int, int] | None = None,
    *,
    name: str = "the image",
    most_pixels: int = MOST_PIXELS,
) -> tuple[NDArray[np.uint8], ImageFacts]:
    """Do as `read_image` with an image file's bytes, which may come from anybody.

    Only the formats of ``UPLOAD_FORMATS`` are tried. Nothing is decoded before width and height are
    known to be small enough.

    Args:
        content: Of the file.
        size: (H, W) to resize to; None keeps the image's own size.
        name: What a complaint calls it.
        most_pixels: Width times height.

    Returns:
        ``(H, W, 3)`` uint8, and what the file holds; its size is that before resizing.

    Raises:
        ImageFileError: As `read_image`.
    """
    if not content:
        raise ImageFileError(f"{name} is empty; send it again", "empty")
    with _sentences(name), Image.open(io.BytesIO(content), formats=UPLOAD_FORMATS) as image:
        _check_pixels(image, name, most_pixels)
        frames = int(getattr(image, "n_frames", 1))
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) in QUARTER_TURNS
        width, height = image.size[::-1] if turned else image.size
        facts = ImageFacts(width, height, image.mode, frames)
        return _drafted(image, size, name), facts


def fit_image(
    image: Image.Image, size: tuple[int, int] | None = None, *, name: str = "the image"
) -> NDArray[np.uint8]:
    """Return an opened image as R, G, B, upright and resized, as `read_image` does.

    Args:
        image: Of any pixel format.
        size: (H, W); None keeps the image's own size.
        name: What a complaint calls it.

    Raises:
        DataError: The pixels have 32 bits.
    """
    upright = _upright(_to_rgb(image, name))
    if size is not None and upright.size != (size[1], size[0]):
        upright = upright.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(upright, dtype=np.uint8)


def inspect_image(path: Path) -> ImageFacts:
    """Decode an image completely and say what it is.

    Raises:
        DataError: As `read_image`.
    """
    with _opened(path) as image:
        frames = int(getattr(image, "n_frames", 1))
        mode = image.mode
        upright = _upright(_to_rgb(image, str(path)))
        return ImageFacts(upright.width, upright.height, mode, frames)


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


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image; whatever goes wrong inside the block becomes one sentence."""
    with _sentences(str(path)):
        if path.stat().st_size == 0:
            raise ImageFileError(f"{path} is empty; copy it again or remove it", "empty")
        with Image.open(path) as image:
            _check_pixels(image, str(path), MOST_PIXELS)
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
    except UnidentifiedImageError as error:
        raise ImageFileError(
            f"{name} is no image of a known format; replace it or remove it", "format"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageFileError(
            f"{name} has more than {MOST_PIXELS // 1_000_000} million pixels; "
            "crop it to the person",
            "pixels",
        ) from error
    except Exception as error:  # a damaged file makes Pillow's decoders raise nearly anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageFileError(
            f"{name} is damaged ({reason}); copy it again or remove it", "damaged"
        ) from error


def _check_pixels(image: Image.Image, name: str, most: int) -> None:
    if image.width * image.height > most:
        raise ImageFileError(
            f"{name} has {image.width} x {image.height} pixels, more than "
            f"{most // 1_000_000} million; crop it to the person",
            "pixels",
        )


def _drafted(image: Image.Image, size: tuple[int, int] | None, name: str) -> NDArray[np.uint8]:
    """Decode an opened image, where it is a JPEG at a reduced size, and fit it."""
    if size is not None:
        # Only JPEGs have a reduced size; a rotated one may need its height as width.
        longer = DRAFT_FACTOR * max(size)
        image.draft(image.mode, (longer, longer))
    return fit_image(image, size, name=name)


def _upright(image: Image.Image) -> Image.Image:
    """Turn the image as the camera's EXIF block says; most have none and are not copied."""
    turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
    return ImageOps.exif_transpose(image) if turned else image


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    """Convert any pixel format to R, G, B; the docstring of `read_image` says how."""
    if image.mode == "RGB":
        image.load()
        return image
    if image.mode.startswith("I;16"):
        upper = np.asarray(image).astype(np.int64) >> 8
        return Image.fromarray(upper.clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ImageFileError(
            f"{name} has 32-bit pixels, whose black and white are not known; save it with 8 bits",
            "bits",
        )
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        black = Image.new("RGBA", layer.size, "black")
        return Image.alpha_composite(black, layer).convert("RGB")
    return image.convert("RGB")
