"""CMC curves and training histories become figures, for a light and for a dark page.

Nothing here touches pyplot: a figure is a value, drawn without a display.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fprnet.evaluation.scores import Trials
from fprnet.fonts import give_fonts

__all__ = [
    "DARK",
    "LIGHT",
    "MARKERS",
    "Theme",
    "cmc_figure",
    "convergence_figure",
    "legend",
    "panels",
    "png",
]

DOTS_PER_INCH = 144
MARKERS = "osD^vPX*"


@dataclass(frozen=True)
class Theme:
    """Colours of a plot: the page behind it, its text and axes, its grid, and one per curve.

    The curves' colours are those of Okabe and Ito (2008), told apart by the colour-blind; the two
    that vanish on a page of that brightness are left out.
    """

    page: str
    ink: str
    grid: str
    curves: tuple[str, ...]


LIGHT = Theme(
    page="#ffffff",
    ink="#222222",
    grid="#dddddd",
    curves=("#999999", "#cc79a7", "#e69f00", "#0072b2", "#d55e00", "#009e73", "#000000"),
)
DARK = Theme(
    page="#1b1d21",
    ink="#dddddd",
    grid="#3a3d44",
    curves=("#8a8a8a", "#cc79a7", "#e69f00", "#56b4e9", "#ff7f3f", "#2fbf95", "#ffffff"),
)


def cmc_figure(curves: Mapping[str, Sequence[Trials]], theme: Theme = LIGHT) -> Figure:
    """Draw CMC curves: the share of queries answered within the first r identities.

    Args:
        curves: Label -> the CMC at ranks 1, 2, ...; fractions. The band around a curve is one
            standard deviation over the trials.
        theme: Colours.
    """
    figure, (axes,) = panels(1, theme)
    for number, (label, curve) in enumerate(curves.items()):
        ranks = range(1, len(curve) + 1)
        mean = [100 * trials.mean for trials in curve]
        spread = [100 * trials.std for trials in curve]
        colour = _colour(theme, number)
        marker = MARKERS[number % len(MARKERS)]
        axes.plot(ranks, mean, color=colour, marker=marker, markersize=4, label=label)
        low = [m - s for m, s in zip(mean, spread, strict=True)]
        high = [m + s for m, s in zip(mean, spread, strict=True)]
        axes.fill_between(ranks, low, high, color=colour, alpha=0.2, linewidth=0)
    most = max(len(curve) for curve in curves.values())
    axes.set_xticks([1, *range(5, most + 1, 5)])
    axes.set(xlabel="rank", ylabel="queries answered, %", ylim=(0, 100))
    legend(axes, theme)
    return figure


def convergence_figure(
    histories: Mapping[str, Sequence[Mapping[str, Any]]],
    theme: Theme = LIGHT,
    *,
    first_colour: int = 0,
) -> Figure:
    """Draw validation mAP and the main head's cross entropy over the epochs.

    Only the cross entropy of the main head is a term that all models share; their totals sum
    different terms.

    Args:
        histories: Label -> the records of a run's ``metrics.jsonl``.
        theme: Colours.
        first_colour: Number of the first run's colour, so that it has the one of its CMC curve.
    """
    figure, (scores, losses) = panels(2, theme)
    for number, (label, history) in enumerate(histories.items(), start=first_colour):
        style: dict[str, Any] = {
            "color": _colour(theme, number),
            "marker": MARKERS[number % len(MARKERS)],
            "markersize": 4,
            "label": label,
        }
        validated = [record for record in history if "mAP" in record.get("validation", {})]
        scores.plot(
            [record["epoch"] for record in validated],
            [100 * record["validation"]["mAP"] for record in validated],
            **style,
        )
        losses.plot(
            [record["epoch"] for record in history],
            [record["losses"]["main"] for record in history],
            **style,
        )
    scores.set(ylabel="validation mAP, %")
    losses.set(xlabel="epoch", ylabel="cross entropy, nats")
    longest = max(len(history) for history in histories.values())
    every = math.ceil(longest / 10)
    for axes in (scores, losses):
        axes.set_xticks(range(every, longest + 1, every))
        axes.set_ylim(bottom=0)
    legend(scores, theme)
    return figure


def png(figure: Figure) -> bytes:
    """Return the figure as a PNG file."""
    content = io.BytesIO()
    FigureCanvasAgg(figure)  # the figure is drawn by this canvas from now on
    give_fonts(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # `give_fonts` has said it in full
        figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def panels(
    number: int, theme: Theme, *, height: float = 3.2, extra: float = 0.8, columns: int = 1
) -> tuple[Figure, list[Axes]]:
    """Return a figure of plots, narrow enough for a small screen.

    Args:
        number: Number of plots.
        theme: Colours.
        height: Height of a plot, inches.
        extra: Height of what stands beside them, e.g. a legend.
        columns: Plots beside each other.
    """
    rows = -(-number // columns)
    figure = Figure(
        figsize=(7.0, extra + height * rows),
        dpi=DOTS_PER_INCH,
        layout="constrained",
        facecolor=theme.page,
    )
    plots: list[Axes] = list(figure.subplots(rows, columns, squeeze=False).flat[:number])
    for axes in plots:
        axes.set_facecolor(theme.page)
        axes.grid(color=theme.grid, linewidth=0.8)
        axes.tick_params(colors=theme.ink)
        axes.xaxis.label.set_color(theme.ink)
        axes.yaxis.label.set_color(theme.ink)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(theme.ink)
    return figure, plots


def legend(axes: Axes, theme: Theme) -> None:
    """Name the curves, the last on top: rows are ordered from worst to best."""
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles[::-1],
        labels[::-1],
        facecolor=theme.page,
        edgecolor=theme.grid,
        labelcolor=theme.ink,
    )


def _colour(theme: Theme, number: int) -> str:
    return theme.curves[number % len(theme.curves)]
