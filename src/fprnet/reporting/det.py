"""Open-set results become DET curves: missed people against strangers who find somebody."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from fprnet.evaluation.open_set import OpenSet
from fprnet.reporting.plots import LIGHT, Theme, legend, panels

__all__ = ["det_figure"]

SMALLEST = 1e-4  # share that a logarithmic axis shows instead of 0


def det_figure(results: Mapping[str, OpenSet], theme: Theme = LIGHT) -> Figure:
    """Draw FNIR against FPIR, both on a logarithmic scale; lower is better.

    Args:
        results: Label -> the open-set result of a model.
        theme: Colours.
    """
    figure, (axes,) = panels(1, theme)
    for number, (label, result) in enumerate(results.items()):
        fpir, fnir = zip(*result.det, strict=True)
        title = label or f"rank {result.rank}, template {result.template}"
        axes.plot(
            [100 * rate for rate in fpir],
            [100 * max(rate, SMALLEST) for rate in fnir],
            color=theme.curves[-1 - number % len(theme.curves)],
            label=title,
        )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="strangers who find somebody (FPIR), %",
        ylabel="people not found (FNIR), %",
    )
    axes.set_ylim(top=100)
    legend(axes, theme)
    return figure
