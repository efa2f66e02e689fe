"""The bytes of an upload become pixels for the model, with what an operator should know of them.

Shapes: H x W pixels of the network's input.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fprnet.data.image_doubts import doubts_about
from fprnet.data.image_formats import FORMATS, format_of
from fprnet.data.images import ImageFacts
from fprnet.data.records import Modality
from fprnet.errors import ImageFileError
from fprnet.serving.answers import Warning
from fprnet.serving.problems import ProblemError

__all__ = ["Upload", "decode_upload", "suffix_of"]

Decode = Callable[[bytes, str], tuple[NDArray[np.uint8], ImageFacts]]
CODES = {
    "empty": (422, "image_empty"),
    "format": (422, "image_format"),
    "pixels": (413, "too_many_pixels"),
    "bits": (422, "image_bits"),
    "damaged": (422, "image_damaged"),
}


@dataclass(frozen=True)
class Upload:
    """An image that somebody sent.

    Attributes:
        name: Name of the file, as sent.
        content: Its bytes.
        sha256: Of them.
        pixels: ``(H, W, 3)`` uint8.
        width: Width of the image before resizing.
        height: Height of the image before resizing.
        warnings: For the operator.
    """

    name: str
    content: bytes
    sha256: str
    pixels: NDArray[np.uint8]
    width: int
    height: int
    warnings: tuple[Warning, ...]

    @property
    def file_name(self) -> str:
        """Name for a copy: the SHA-256, and the ending of the file's format."""
        return f"{self.sha256}{suffix_of(self.content)}"


def suffix_of(content: bytes) -> str:
    """Return the usual ending of an image file's name, by its content.

    Args:
        content: An image that was decoded before.
    """
    image_format = format_of(content)
    assert image_format is not None
    return FORMATS[image_format][0]


def decode_upload(content: bytes, name: str, modality: Modality, decode: Decode) -> Upload:
    """Decode an image and look whether it is of the modality that it is said to be.

    Args:
        content: Content of the file.
        name: Name of the file, for complaints.
        modality: As declared.
        decode: Content and name -> pixels of the network's input, and what the file holds.

    Raises:
        ProblemError: It is no image that can be used.
    """
    try:
        pixels, facts = decode(content, name)
    except ImageFileError as error:
        status, code = CODES[error.reason]
        raise ProblemError.of(error, status, code) from error
    warnings = [
        Warning(code=doubt.code, message=f"{name} {doubt.what}; {doubt.next_step}")
        for doubt in doubts_about(facts, modality)
    ]
    return Upload(
        name=name,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        pixels=pixels,
        width=facts.width,
        height=facts.height,
        warnings=tuple(warnings),
    )
