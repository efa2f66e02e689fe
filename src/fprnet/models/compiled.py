"""A model's residual stages are compiled with ``torch.compile``, one by one, in place."""

from __future__ import annotations

from typing import Any

from fprnet.models.fprnet import Reidentifier

__all__ = ["compile_trunk"]


def compile_trunk(model: Reidentifier, **options: Any) -> None:  # noqa: ANN401 - torch.compile's
    """Compile layer1 to layer4 of the trunk; parameters, keys and checkpoints stay what they are.

    Stem, pyramid and heads stay eager: they are a few per cent of the work.

    Args:
        model: In training or evaluation mode.
        options: Of ``torch.compile``, e.g. ``mode="max-autotune-no-cudagraphs"``.
    """
    streams = model.streams
    for part in (streams.visible, streams.infrared, streams.shared):
        for name, stage in part.named_children():
            if name.startswith("layer"):
                stage.compile(**options)
