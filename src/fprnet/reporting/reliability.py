"""What was measured of a calibration becomes a reliability diagram."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from fprnet.evaluation.reliability import Reliability
from fprnet.gallery.calibrating import Measured
from fprnet.reporting.plots import LIGHT, Theme, legend, panels

__all__ = ["reliability_figure"]

SIZE = 40.0  # area of the dot for the bin with the most matches, points squared
SMALLEST = 6.0


def reliability_figure(
    measured: Mapping[str, Measured | Reliability], theme: Theme = LIGHT
) -> Figure:
    """Draw the share of right matches against the stated probability; the diagonal is honesty.

    Args:
        measured: Method -> its bins; a dot's area is the number of matches.
        theme: Colours.
    """
    figure, (axes,) = panels(1, theme)
    axes.plot((0, 100), (0, 100), color=theme.grid, linewidth=2, label="honest")
    colours = theme.curves[-len(measured) - 1 : -1]
    for colour, (method, result) in zip(colours, measured.items(), strict=True):
        most = max((one.matches for one in result.bins), default=1)
        stated = [100 * one.stated for one in result.bins]
        found = [100 * one.found for one in result.bins]
        areas = [max(SMALLEST, SIZE * one.matches / most) for one in result.bins]
        label = f"{method}, calibration error {100 * result.expected_calibration_error:.1f} %"
        axes.plot(stated, found, color=colour, label=label)
        axes.scatter(stated, found, areas, color=colour)
    axes.set(
        xlabel="stated probability, %",
        ylabel="matches that are the same person, %",
        xlim=(0, 100),
        ylim=(0, 100),
    )
    legend(axes, theme)
    return figure
