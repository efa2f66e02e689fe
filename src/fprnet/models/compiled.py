"""A model's residual stages are compiled with ``torch.compile``, one by one, in place."""

from __future__ import annotations

import importlib.util
import os
import shutil
from typing import Any

import torch

from fprnet.errors import ConfigError
from fprnet.models.reidentifier import Reidentifier
from fprnet.models.streams import Streams

__all__ = ["check_compiler", "compile_trunk"]


def check_compiler(device: torch.device) -> None:
    """Make sure that ``torch.compile`` finds what it writes code for.

    Raises:
        ConfigError: There is no C++ compiler, or no Triton for a GPU.
    """
    advice = "or use --training.compile false"
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise ConfigError(
            f"training.compile needs a C++ compiler but {compiler} is not there; install it, "
            f"name one in CXX, {advice}"
        )
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        raise ConfigError(
            f"training.compile needs Triton on a GPU; run pip install triton, {advice}"
        )


def compile_trunk(model: Reidentifier, **options: Any) -> None:  # noqa: ANN401 - torch.compile's
    """Compile stages 2 to 5 of the trunk; parameters, keys and checkpoints stay what they are.

    Stem, pyramid and heads stay eager: they are a few per cent of the work.

    Args:
        model: In training or evaluation mode.
        options: Options of ``torch.compile``, e.g. ``mode="max-autotune-no-cudagraphs"``.

    Raises:
        ConfigError: The network is not made of stages.
    """
    if not isinstance(getattr(model, "streams", None), Streams):
        raise ConfigError(
            "training.compile compiles the stages of network streams, and this network is "
            f"{type(model).__name__}; use --training.compile false"
        )
    streams = model.streams
    for part in (streams.visible, streams.infrared, streams.shared):
        for name, stage in part.named_children():
            if streams.stage_ends.get(name, 1) > 1:
                stage.compile(**options)
