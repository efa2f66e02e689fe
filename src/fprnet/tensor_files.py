"""Files of tensors that anybody may have written: read without running their code."""

from __future__ import annotations

import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import torch

from fprnet.file_kinds import BEGINNING, kind_of

__all__ = ["load_tensors", "reason_of"]

COLOUR_CODE = re.compile(r"\x1b\[[0-9;]*m")


def load_tensors(path: Path) -> Any:  # noqa: ANN401 - whatever somebody saved
    """Return what ``torch.save`` has written, tensors on the CPU; no code of the file is run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of files that it then refuses
        return torch.load(path, map_location="cpu", weights_only=True)


def reason_of(error: Exception, path: Path) -> str:
    """Return why a file cannot be read, in our words: torch advises to read it unsafely."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    with path.open("rb") as file:
        kind = kind_of(file.read(BEGINNING))
    if kind is not None and kind != "a ZIP file":  # which is torch's own container
        return f"it is {kind}"
    if isinstance(error, pickle.UnpicklingError):
        return "it is no file of plain values and tensors"
    lines = COLOUR_CODE.sub("", str(error)).strip().splitlines()
    return lines[0] if lines else type(error).__name__
