"""A model to measure with: the weights of a trained one would take the same time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from fprnet.config import config_as_dict, load_config
from fprnet.config.schema import Scale
from fprnet.methods.network import untrained
from fprnet.runs.trained_model import REIDENTIFICATION

__all__ = ["write_untrained"]


def write_untrained(folder: Path, scale: Scale, overrides: Sequence[str] = ()) -> Path:
    """Write a checkpoint of preset fprnet with random weights; needs no ImageNet weights.

    Args:
        folder: Is made where there is none.
        scale: Scale of the preset.
        overrides: As of the command line, e.g. ``["--model.backbone.width", "32"]``.

    Raises:
        CheckpointError: The folder cannot be written.
    """
    config = load_config("fprnet", scale=scale, overrides=overrides)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = untrained(config.model).build(1)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "untrained.pt"
    REIDENTIFICATION.write(
        path,
        {
            "config": config_as_dict(config),
            "identities": [0],
            "model": model.state_dict(),
            "selection": "last",
            "step": 0,
        },
    )
    return path
