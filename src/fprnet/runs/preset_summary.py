"""Presets become their sizes: parameters, multiply-adds of one image, embedding size."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from fprnet.config import RunConfig, Scale, load_config, preset_names, preset_summary
from fprnet.methods.network import untrained

__all__ = ["PresetSummary", "summarise", "summarise_presets"]


@dataclass(frozen=True)
class PresetSummary:
    """What a preset costs and is for.

    Attributes:
        parameters: Number of parameters, with frozen ones and classifiers.
        multiply_adds: Multiply-adds of embedding one image (convolutions and matrix products).
        embedding_size: Numbers per embedding.
        input_size: (height, width), pixels.
        purpose: One sentence.
    """

    parameters: int
    multiply_adds: int
    embedding_size: int
    input_size: tuple[int, int]
    purpose: str

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``fprnet models --json``."""
        return asdict(self)


def summarise(config: RunConfig, *, identities: int) -> PresetSummary:
    """Count without computing: the model is built without memory behind it ("meta" device)."""
    size = (config.data.height, config.data.width)
    with torch.device("meta"):
        model = untrained(config.model).build(identities).eval()
        image = torch.zeros(1, 3, *size)
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            model.embed(image, "infrared")
    return PresetSummary(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        multiply_adds=counter.get_total_flops() // 2,
        embedding_size=model.embedding_size,
        input_size=size,
        purpose=preset_summary(config.preset),
    )


def summarise_presets(*, scale: Scale, identities: int) -> dict[str, PresetSummary]:
    """Summarise every preset at one scale."""
    return {
        name: summarise(load_config(name, scale=scale), identities=identities)
        for name in preset_names()
    }
