"""Images become distributions of brightness, contrast, colour and detail, to be set beside others.

Every image is taken at 128x64. Gray is 0 to 255.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fprnet.errors import DataError
from fprnet.plain_text import parse_json
from fprnet.text_table import text_table
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.worlds import CAMERAS
from fprnet_lab.people.writer import WRITERS

__all__ = ["QUANTILES", "Statistics", "image_statistics", "measured", "read_statistics"]

QUANTILES = (10, 25, 50, 75, 90)
HEIGHT, WIDTH = 128, 64
BORDER = 16  # pixels around the centre that are the border


@dataclass(frozen=True)
class Statistics:
    """Percentiles over images of each quantity.

    Attributes:
        images: How many were measured.
        quantiles: By quantity, the 10th, 25th, 50th, 75th and 90th percentile.
    """

    images: int
    quantiles: dict[str, tuple[float, ...]]

    def as_dict(self) -> dict[str, Any]:
        """Return the statistics for JSON."""
        return {"images": self.images} | {name: list(q) for name, q in self.quantiles.items()}

    def text(self, others: Mapping[str, Mapping[str, Any]]) -> str:
        """Return a table; of ``others``, quartiles of the same quantity stand beside."""
        head = ["quantity", *(f"{percent} %" for percent in QUANTILES), *others]
        rows = []
        for name, values in self.quantiles.items():
            beside = []
            for other in others.values():
                row = other.get(name)
                beside.append(f"{row[1]:.3g} to {row[3]:.3g}" if isinstance(row, list) else "-")
            rows.append([name, *(f"{value:.3g}" for value in values), *beside])
        return text_table(head, rows)


def image_statistics(pixels: NDArray[np.uint8]) -> dict[str, float]:
    """Return the quantities of an image (128, 64, 3)."""
    values = pixels.astype(np.float64)
    gray = values @ (0.299, 0.587, 0.114)
    centre = np.zeros(gray.shape, bool)
    centre[BORDER:-BORDER, BORDER:-BORDER] = True
    largest, smallest = values.max(2), values.min(2)
    down, across = np.gradient(gray)
    return {
        "mean": float(gray.mean()),
        "std": float(gray.std()),
        "p5": float(np.percentile(gray, 5)),
        "p50": float(np.median(gray)),
        "p95": float(np.percentile(gray, 95)),
        "saturation": float(((largest - smallest) / np.maximum(largest, 1)).mean()),
        "centre_minus_border": float(gray[centre].mean() - gray[~centre].mean()),
        "gradient": float(np.hypot(down, across).mean()),
        "spectrum_slope": _slope(gray),
    }


def _slope(gray: NDArray[np.float64]) -> float:
    """Return the slope of log power over log frequency, 2 to 31 periods in the width."""
    power = np.abs(np.fft.fft2(gray - gray.mean())) ** 2
    rows, columns = (np.fft.fftfreq(n) * WIDTH for n in gray.shape)
    frequency = np.hypot(rows[:, None], columns[None])
    bands = np.arange(2, 32)
    mean = [power[(frequency >= low) & (frequency < low + 1)].mean() + 1e-9 for low in bands]
    return float(np.polyfit(np.log(bands + 0.5), np.log(mean), 1)[0])


def measured(root: Path, options: PeopleOptions, number: int) -> dict[str, Statistics]:
    """Measure about as many images of each band as asked for, spread over the identities.

    Raises:
        DataError: An image is missing.
    """
    found: dict[str, list[dict[str, float]]] = {}
    shots = [
        shot
        for identity in range(1, options.total + 1)
        for shot in WRITERS[options.layout].shots(options, identity)
    ]
    for band in dict.fromkeys(CAMERAS[shot.camera].band for shot in shots):
        of_band = [shot for shot in shots if CAMERAS[shot.camera].band == band]
        step = max(1, len(of_band) // number)
        for shot in of_band[::step][:number]:
            try:
                with Image.open(root / shot.path) as image:
                    scaled = image.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
            except OSError as error:
                raise DataError(
                    f"cannot read {root / shot.path} ({error}); run the set's command again"
                ) from error
            found.setdefault(band, []).append(image_statistics(np.asarray(scaled)))
    return {band: _summary(rows) for band, rows in found.items()}


def _summary(rows: list[dict[str, float]]) -> Statistics:
    quantiles = {
        name: tuple(float(q) for q in np.percentile([row[name] for row in rows], QUANTILES))
        for name in rows[0]
    }
    return Statistics(len(rows), quantiles)


def read_statistics(file: Path) -> dict[str, dict[str, Any]]:
    """Read other images' statistics: by name of a set, by quantity, a list of five percentiles.

    Raises:
        DataError: The file is missing or no such JSON.
    """
    try:
        values = parse_json(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {file} ({error.strerror}); check the path") from error
    except ValueError as error:
        raise DataError(f"{file} is no JSON: {error}; give a file of statistics") from error
    if not isinstance(values, dict):
        raise DataError(f"{file} is no JSON object; give sets by name")
    return {name: value for name, value in values.items() if isinstance(value, dict)}
