"""A section of one preset's config becomes overrides for another preset."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Literal

from fprnet.config.loading import load_config
from fprnet.config.schema import Scale

__all__ = ["augmentation_overrides"]


@cache
def augmentation_overrides(preset: str, *, wanted: str, scale: Scale) -> tuple[str, ...]:
    """Return the overrides that give a preset the augmentation of another one.

    Models that were trained with different augmentations cannot be compared.

    Args:
        preset: The preset that they are for.
        wanted: The preset whose augmentation it gets.
        scale: Scale of both presets.
    """
    section: Literal["augmentation"] = "augmentation"
    target, present = (
        dataclasses.asdict(getattr(load_config(name, scale=scale), section))
        for name in (wanted, preset)
    )
    changed = [name for name in target if target[name] != present[name]]
    return tuple(word for name in changed for word in (f"--{section}.{name}", str(target[name])))
