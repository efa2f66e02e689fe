"""The models inside the package, by name; each is a folder as `fprnet.runs.pretrained` reads it.

This module imports nothing heavy, so that a help text can name the default.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["DEFAULT_MODEL", "SHIPPED", "shipped_models"]

DEFAULT_MODEL = "fprnet-people"
"""Name of the model that commands and `fprnet.load_model` take when none is given."""

SHIPPED = Path(__file__).parent
"""Folder of the shipped models' folders."""


def shipped_models() -> list[str]:
    """Return the names of the shipped models, sorted."""
    return sorted(file.parent.name for file in SHIPPED.glob("*/config.json"))
