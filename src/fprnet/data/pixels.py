"""An opened image of any pixel format becomes upright R, G, B of a given size.

Shapes: an image is H x W pixels with channels R, G, B.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops
from PIL.TiffImagePlugin import TiffImageFile

from fprnet.errors import ImageFileError

__all__ = [
    "DepthRange",
    "colour_of",
    "contrast_of",
    "fit_image",
    "resized",
    "upright",
    "upright_size",
]

ORIENTATION = 274  # EXIF tag
MAX_ENTRIES = 512  # of an EXIF directory that are looked through
# EXIF orientation -> what makes the image upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
QUARTER_TURNS = (5, 6, 7, 8)  # orientations that exchange width and height
# Of 16-bit gray pixels: "own" spreads each image's own range over black to white, as the 10 to 14
# bits of an infrared sensor need; "full" keeps the upper 8 bits.
DepthRange = Literal["own", "full"]
OWN_RANGE = (0.001, 0.999)  # quantiles that become black and white: a hot pixel must not decide
LEVELS = 65536
MIN_RANGE = 256  # levels; less is noise, and is not enlarged to an image


def fit_image(
    image: Image.Image,
    size: tuple[int, int] | None = None,
    *,
    name: str = "the image",
    depth_range: DepthRange = "own",
) -> NDArray[np.uint8]:
    """Return an opened image as R, G, B, upright and resized, as `fprnet.data.images` reads it.

    Args:
        image: Image of any pixel format.
        size: (H, W); None keeps the image's own size.
        name: What a complaint calls it.
        depth_range: Which 16-bit values become black and white.

    Raises:
        ImageFileError: The pixels have 32 bits.
    """
    picture, _ = upright(image, name=name, depth_range=depth_range)
    return np.asarray(resized(picture, size), dtype=np.uint8)


def upright(
    image: Image.Image, *, name: str = "the image", depth_range: DepthRange = "own"
) -> tuple[Image.Image, bool]:
    """Return an opened image as R, G, B, turned as the camera was held.

    Args:
        image: Image of any pixel format.
        name: What a complaint calls it.
        depth_range: Which 16-bit values become black and white.

    Returns:
        The RGB image, and whether turning it has exchanged width and height.

    Raises:
        ImageFileError: The pixels have 32 bits.
    """
    image.load()  # here Pillow turns a TIFF file, whose tag and size are upright afterwards
    orientation = _orientation(image)
    picture = _to_rgb(image, name, depth_range)
    if orientation in UPRIGHT:
        picture = picture.transpose(UPRIGHT[orientation])
    return picture, orientation in QUARTER_TURNS


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return width and height of an opened image once it is upright, without decoding it."""
    turned = not isinstance(image, TiffImageFile) and _orientation(image) in QUARTER_TURNS
    return image.size[::-1] if turned else image.size


def resized(picture: Image.Image, size: tuple[int, int] | None) -> Image.Image:
    """Resize to (H, W), bilinear with antialiasing; None keeps the size."""
    if size is None or picture.size == (size[1], size[0]):
        return picture
    return picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)


def _orientation(image: Image.Image) -> int:
    """Return how the camera was held, 1 (upright) to 8, by the EXIF block.

    Pillow's own way loads all of the block, which may refer to far more bytes than it has.
    """
    if isinstance(image, TiffImageFile):
        return int(image.tag_v2.get(ORIENTATION, 1))
    exif = image.info.get("exif", b"").removeprefix(b"Exif\0\0")
    order: Literal["little", "big"] = "little" if exif[:2] == b"II" else "big"
    if exif[:2] not in (b"II", b"MM"):
        return 1
    start = int.from_bytes(exif[4:8], order)
    entries = int.from_bytes(exif[start : start + 2], order)
    for number in range(min(entries, MAX_ENTRIES)):
        entry = exif[start + 2 + 12 * number : start + 14 + 12 * number]
        if int.from_bytes(entry[:2], order) == ORIENTATION:
            return int.from_bytes(entry[8:10], order)
    return 1


def _to_rgb(image: Image.Image, name: str, depth_range: DepthRange) -> Image.Image:
    """Convert any pixel format to R, G, B; the docstring of `read_image` says how."""
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I;16"):
        return Image.fromarray(_eight_bits(np.asarray(image), depth_range)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ImageFileError(
            f"{name} has 32-bit pixels, whose black and white are not known; save it with 8 bits",
            "bits",
        )
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        picture = Image.new("RGB", layer.size, "black")
        picture.paste(layer, mask=layer.getchannel("A"))
        return picture
    return image.convert("RGB")


def _eight_bits(values: NDArray[np.uint16], depth_range: DepthRange) -> NDArray[np.uint8]:
    """Reduce 16-bit gray to 8 bits."""
    if depth_range == "full":
        return (values >> 8).astype(np.uint8)
    counts = np.cumsum(np.bincount(values.ravel(), minlength=LEVELS))
    low, high = np.searchsorted(counts, counts[-1] * np.array(OWN_RANGE))
    scale = 255 / max(high - low, MIN_RANGE)
    shades = ((np.arange(LEVELS) - low) * scale).round().clip(0, 255).astype(np.uint8)
    reduced: NDArray[np.uint8] = shades[values]
    return reduced


def contrast_of(picture: Image.Image) -> int:
    """Return the gray values between the first and the last hundredth of an RGB image's pixels."""
    counts = np.cumsum(picture.convert("L").histogram())
    low, high = np.searchsorted(counts, counts[-1] * np.array([0.01, 0.99]))
    return int(high - low)


def colour_of(picture: Image.Image) -> int:
    """Return the largest minus the smallest channel that a tenth of an RGB image's pixels reach."""
    red, green, blue = picture.split()
    largest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    smallest = ImageChops.darker(ImageChops.darker(red, green), blue)
    counts = np.cumsum(ImageChops.subtract(largest, smallest).histogram())
    return int(np.searchsorted(counts, counts[-1] * 0.9, side="right"))
