"""Many methods in one picture: points for each, or a curve for each that stays recognisable.

A curve has a colour, a line and a marker, so that it is told apart without its colour, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fprnet.reporting.plots import LIGHT, MARKERS, Theme, panels

__all__ = ["Curve", "curves_figure", "methods_figure"]

STRONG_COLOUR = 4  # of the theme: the reddish one, which no other curve has
STRONG_LINES = ("-", "--", ":")
LINES = ("-", "--", "-.", ":")
SERIES = (("o", "none"), ("o", "full"), ("x", "full"))  # marker, and whether it is filled


@dataclass(frozen=True)
class Curve:
    """A label and its points."""

    label: str
    x: Sequence[float]
    y: Sequence[float]


def curves_figure(
    plots: Mapping[str, Sequence[Curve]],
    xlabel: str,
    ticks: Sequence[int],
    *,
    strong: str,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw plots one above the other, with one legend below them all.

    Args:
        plots: Label of the y axis -> curves, the same labels in each; percent.
        xlabel: Label of the x axis.
        ticks: On it.
        strong: Curves whose label begins so are thick and of one colour of their own.
        theme: Colours.
    """
    labels = [curve.label for curve in next(iter(plots.values()))]
    styles = _styles(labels, strong, theme)
    rows = -(-len(labels) // 2)
    figure, all_axes = panels(len(plots), theme, extra=0.4 + 0.26 * rows)
    for axes, (ylabel, curves) in zip(all_axes, plots.items(), strict=True):
        for curve in curves:
            axes.plot(curve.x, curve.y, label=curve.label, **styles[curve.label])
        axes.set(ylabel=ylabel, xticks=ticks)
        axes.set_ylim(bottom=0)
    all_axes[-1].set_xlabel(xlabel)
    _legend_below(figure, all_axes[0], theme)
    return figure


def methods_figure(
    series: Mapping[str, Mapping[str, Mapping[str, float]]],
    metrics: Sequence[str],
    theme: Theme = LIGHT,
) -> Figure:
    """Draw every method as a line of points, a plot for each metric.

    Args:
        series: Name of a series (at most three) -> method -> metric -> percent.
        metrics: Which are drawn, a plot each.
        theme: Colours.
    """
    methods = list(dict.fromkeys(method for of_series in series.values() for method in of_series))
    places = {method: place for place, method in enumerate(reversed(methods))}
    height = 0.6 + 0.27 * len(methods)
    colours = (theme.curves[3], theme.curves[4], theme.ink)
    figure, all_axes = panels(len(metrics), theme, height=height, extra=0.5, columns=2)
    for number, (axes, metric) in enumerate(zip(all_axes, metrics, strict=True)):
        for (name, of_series), (marker, fill), colour in zip(
            series.items(), SERIES[: len(series)], colours[: len(series)], strict=True
        ):
            axes.plot(
                [scores[metric] for scores in of_series.values()],
                [places[method] for method in of_series],
                linestyle="none",
                marker=marker,
                markersize=7,
                markerfacecolor=colour if fill == "full" else "none",
                color=colour,
                label=name,
            )
        axes.set_title(f"{metric}, %", color=theme.ink, fontsize=11)
        names = list(places) if number % 2 == 0 else [""] * len(places)
        axes.set_yticks(list(places.values()), names)
        axes.set_ylim(-0.6, len(methods) - 0.4)
        axes.set_xlim(0, 1.05 * axes.get_xlim()[1])
    _legend_below(figure, all_axes[0], theme)
    return figure


def _styles(labels: Sequence[str], strong: str, theme: Theme) -> dict[str, dict[str, Any]]:
    """Return how each curve is drawn; no two look alike."""
    colours = [c for number, c in enumerate(theme.curves) if number != STRONG_COLOUR]
    styles: dict[str, dict[str, Any]] = {}
    family = [label for label in labels if label.startswith(strong)]
    others = [label for label in labels if label not in family]
    for number, label in enumerate(family):
        styles[label] = {
            "color": theme.curves[STRONG_COLOUR],
            "linestyle": STRONG_LINES[number % len(STRONG_LINES)],
            "linewidth": 2.6,
            "marker": MARKERS[number % len(MARKERS)],
            "markersize": 6,
            "zorder": 3,
        }
    for number, label in enumerate(others):
        styles[label] = {
            "color": colours[number % len(colours)],
            "linestyle": LINES[number // len(colours) % len(LINES)],
            "linewidth": 1.5,
            "marker": MARKERS[number % len(MARKERS)],
            "markersize": 4,
        }
    return styles


def _legend_below(figure: Figure, axes: Axes, theme: Theme) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=2,
        facecolor=theme.page,
        edgecolor=theme.grid,
        labelcolor=theme.ink,
        handlelength=3.5,
    )
