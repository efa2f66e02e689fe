"""Scores of clean and of corrupted images become one table: what is lost, over several draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fprnet.text_table import text_table

__all__ = ["Corrupted"]


@dataclass(frozen=True)
class Corrupted:
    """What a corruption costs.

    Attributes:
        settings: Corruption, version, severity, modality and seed, as the result names them.
        clean: Metric -> score of the clean images, a fraction.
        draws: Metric -> score of each draw of corruptions, fractions.
    """

    settings: Mapping[str, Any]
    clean: Mapping[str, float]
    draws: Mapping[str, tuple[float, ...]]

    @staticmethod
    def of(
        settings: Mapping[str, Any],
        clean: Mapping[str, float],
        draws: Sequence[Mapping[str, float]],
    ) -> Corrupted:
        """Gather the scores of each draw, one mapping of metrics each."""
        return Corrupted(
            settings, clean, {name: tuple(draw[name] for draw in draws) for name in clean}
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the object for JSON; ``loss`` is clean minus the mean over the draws."""
        scores = {}
        for name, values in self.draws.items():
            mean, std = _mean(values)
            scores[name] = {
                "clean": self.clean[name],
                "mean": mean,
                "std": std,
                "loss": self.clean[name] - mean,
                "per_draw": list(values),
            }
        return {**self.settings, "scores": scores}

    def table(self) -> str:
        """Return the scores as text, in percent."""
        title = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        rows = []
        for name, values in self.draws.items():
            mean, std = _mean(values)
            clean = self.clean[name]
            spread = f"{100 * mean:.2f} ± {100 * std:.2f}"
            rows.append([name, f"{100 * clean:.2f}", spread, f"{100 * (clean - mean):.2f}"])
        table = text_table(["", "clean", "corrupted", "loss"], rows)
        note = "percent: mean ± sample standard deviation over the draws of corruptions"
        return "\n".join([f"corrupted: {title}", table, note])


def _mean(values: Sequence[float]) -> tuple[float, float]:
    std = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return float(np.mean(values)), std
