"""What became of a model becomes a folder to look at: contact sheets, histograms, numbers, a page.

Shapes: N crops of H x W pixels.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fprnet.adaptation.adapting import Adaptation
from fprnet.adaptation.site import Site
from fprnet.files import replacing, write_text
from fprnet.gallery.calibration import Calibration
from fprnet.reporting.plots import LIGHT, Theme, legend, panels, png

__all__ = ["contact_sheet", "similarity_figure", "summary_of", "write_report"]

SHOWN = 24  # clusters of a sheet
SIDE = 6  # crops of each modality in a row
GAP, LABEL = 3, 14  # pixels
PAGE, INK = (255, 255, 255), (34, 34, 34)
BINS = 80
RATE = 0.01  # false-match rate of the threshold that is named
MOST_PAIRS = 4000  # crops of a modality that the histograms look at


def write_report(
    folder: Path,
    site: Site,
    images: NDArray[np.uint8],
    outcome: Adaptation,
    calibration: Calibration | None,
) -> dict[str, Any]:
    """Write the report; returns what its ``report.json`` says.

    Args:
        folder: Made if it is not there.
        site: N crops.
        images: ``(N, H, W, 3)`` uint8.
        outcome: What became of the model.
        calibration: The model's, for the threshold; None where there is none.
    """
    summary = summary_of(site, outcome, calibration)
    sheets = {
        "both": "Clusters with crops of both modalities: day on the left, night on the right",
        "one": "Clusters of one modality",
    }
    shown = {}
    for name, title in sheets.items():
        chosen = _largest(outcome.clusters.label, site, both=name == "both")
        if chosen:
            sheet = contact_sheet(images, outcome.clusters.label, site.infrared, chosen)
            with replacing(folder / f"clusters-{name}.png") as temporary:
                sheet.save(temporary, format="PNG")
            shown[f"clusters-{name}.png"] = title
    with replacing(folder / "similarities.png") as temporary:
        temporary.write_bytes(png(similarity_figure(site, outcome)))
    shown["similarities.png"] = "Similarities of visible and infrared crops, before and after"
    write_text(folder / "report.json", json.dumps(summary, indent=1) + "\n")
    write_text(folder / "index.html", _page(summary, shown))
    return summary


def summary_of(site: Site, outcome: Adaptation, calibration: Calibration | None) -> dict[str, Any]:
    """Return the numbers of the report, plain values."""
    label = outcome.clusters.label[site.person < 0]
    after = outcome.after
    summary: dict[str, Any] = {
        "adapted": outcome.kept,
        "reason": outcome.reason,
        "crops": {
            "visible": int((~site.infrared[site.person < 0]).sum()),
            "infrared": int(site.infrared[site.person < 0].sum()),
            "in_no_cluster": int((label < 0).sum()),
            "labelled": int((site.person >= 0).sum()),
        },
        "clusters": len(np.unique(label[label >= 0])),
        "clusters_of_both_modalities": outcome.clusters.both,
        "agreement": {
            "before": round(outcome.before.share, 4),
            "after": None if after is None else round(after.share, 4),
            "by_chance": round(outcome.before.chance, 4),
            "held_out_crops": outcome.before.ways,
        },
        "epoch": outcome.epoch,
        "epochs": outcome.history,
    }
    if calibration is not None:
        visible = summary["crops"]["visible"]
        summary["threshold"] = {
            "similarity": round(calibration.threshold(RATE, visible), 4),
            "false_match_rate": RATE,
            "candidates": visible,
            "strangers": calibration.measured["strangers"],
            "stranger_pairs": calibration.measured["stranger_pairs"],
        }
    return summary


def contact_sheet(
    images: NDArray[np.uint8],
    label: NDArray[np.int64],
    infrared: NDArray[np.bool_],
    clusters: Sequence[int],
) -> Image.Image:
    """Return a picture with a row for each cluster: visible crops left, infrared ones right."""
    height, width = images.shape[1:3]
    row_height = height + LABEL + GAP
    left = SIDE * (width + GAP) + 4 * GAP
    size = (left + SIDE * (width + GAP) + GAP, row_height * len(clusters) + GAP)
    sheet = Image.new("RGB", size, PAGE)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=11)
    for number, cluster in enumerate(clusters):
        top = GAP + number * row_height
        sides = [np.flatnonzero((label == cluster) & (infrared == dark)) for dark in (False, True)]
        text = f"cluster {cluster}: {len(sides[0])} by day, {len(sides[1])} by night"
        pen.text((GAP, top), text, INK, font)
        for rows, begin in zip(sides, (GAP, left), strict=True):
            some = rows[np.linspace(0, len(rows) - 1, min(SIDE, len(rows))).astype(np.int64)]
            for place, row in enumerate(some.tolist()):
                where = (begin + place * (width + GAP), top + LABEL)
                sheet.paste(Image.fromarray(np.asarray(images[row])), where)
    return sheet


def similarity_figure(site: Site, outcome: Adaptation, theme: Theme = LIGHT) -> Figure:
    """Draw how alike visible and infrared crops of one cluster, and of two, are before and after.

    Both panels are of the clusters of the model that is kept.
    """
    figure, axes = panels(2, theme)
    label = outcome.clusters.label
    random = np.random.default_rng(0)
    sides = []
    for dark in (True, False):
        rows = np.flatnonzero((site.infrared == dark) & (label >= 0))
        sides.append(np.sort(random.permutation(rows)[:MOST_PAIRS]))
    night, day = sides
    same = label[night][:, None] == label[day][None]
    bins = np.linspace(-0.5, 1, BINS + 1).tolist()
    for axis, title, found in zip(
        axes, ("before", "after"), (outcome.embeddings_before, outcome.embeddings), strict=True
    ):
        similarity = found[night] @ found[day].T
        for name, pairs, colour in (
            ("two clusters", similarity[~same], theme.curves[0]),
            ("one cluster", similarity[same], theme.curves[3]),
        ):
            if pairs.size:
                axis.hist(pairs, bins, density=True, alpha=0.6, color=colour, label=name)
        axis.set(xlabel=f"cosine similarity {title}", ylabel="density", xlim=(-0.5, 1))
        legend(axis, theme)
    return figure


def _largest(label: NDArray[np.int64], site: Site, *, both: bool) -> list[int]:
    own = site.person < 0
    names, size = np.unique(label[own & (label >= 0)], return_counts=True)
    mixed = np.intersect1d(label[own & site.infrared], label[own & ~site.infrared])
    chosen = np.isin(names, mixed) == both
    order = np.argsort(-size[chosen], kind="stable")[:SHOWN]
    found: list[int] = names[chosen][order].tolist()
    return found


def _page(summary: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    rows = "".join(
        f"<tr><th>{html.escape(name.replace('_', ' '))}</th><td>{html.escape(_said(value))}</td>"
        "</tr>"
        for name, value in summary.items()
        if name != "epochs"
    )
    parts = "".join(
        f'<h2>{html.escape(title)}</h2><img src="{name}" alt="{html.escape(title)}">'
        for name, title in pictures.items()
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Adaptation</title>'
        "<style>body{font:16px system-ui,sans-serif;margin:2em auto;max-width:60em;"
        "padding:0 1em}th{text-align:left;padding-right:2em;vertical-align:top}"
        "img{max-width:100%}</style>"
        f"<h1>Adaptation</h1><table>{rows}</table>{parts}</html>\n"
    )


def _said(value: Any) -> str:  # noqa: ANN401 - plain values
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {_said(one)}" for name, one in value.items())
    return "-" if value in (None, "") else str(value)
