"""The open-set part of ``fprnet evaluate``: rates, the model's calibration, and their pictures."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fprnet.data.protocols.protocol import Protocol
    from fprnet.embeddings.store import Features
    from fprnet.evaluation.open_set import OpenSet
    from fprnet.evaluation.reliability import Reliability
    from fprnet.gallery.calibration import Calibration

__all__ = ["calibration_file", "open_set_parts"]

RATE = 0.01  # false-match rate at which the calibration's threshold is taken


def open_set_parts(
    args: argparse.Namespace, features: Features, protocol: Protocol
) -> tuple[OpenSet, Reliability | None]:
    """Return the open-set rates, and how far the model's probabilities can be trusted.

    Raises:
        UsageError: The calibration is another model's, or a picture needs one.
    """
    from fprnet.evaluation.open_set import RATES, score_open_set
    from fprnet.evaluation.reliability import measure_reliability
    from fprnet.files import replacing

    calibration = _calibration(args, features)
    shipped: Callable[[int], float] | None = None
    if args.threshold is not None:
        shipped = lambda _images: float(args.threshold)  # noqa: E731
    elif calibration is not None:
        shipped = lambda images: calibration.threshold(RATE, images)  # noqa: E731
    found = score_open_set(
        features,
        protocol,
        metric=args.metric,
        template=args.template or "best",
        rank=args.open_set_rank or 1,
        rates=args.fpir or RATES,
        shipped=shipped,
    )
    if calibration is not None and args.threshold is None and found.similarity != "cosine":
        raise UsageError("the calibration's threshold is a cosine; add --metric cosine")
    reliable = None
    if calibration is not None:
        reliable = measure_reliability(features, protocol, _probabilities(calibration))
    if args.det is not None:
        from fprnet.reporting.det import det_figure
        from fprnet.reporting.plots import png

        with replacing(args.det) as temporary:
            temporary.write_bytes(png(det_figure({"": found})))
    if args.reliability is not None:
        from fprnet.reporting.plots import png
        from fprnet.reporting.reliability import reliability_figure

        assert reliable is not None  # said before the first image was read
        with replacing(args.reliability) as temporary:
            temporary.write_bytes(png(reliability_figure({"calibration": reliable})))
    return found, reliable


def calibration_file(args: argparse.Namespace) -> Path | None:
    """Return the calibration that was named, or the one beside the model; None: there is none."""
    from fprnet.gallery.calibration import calibration_path
    from fprnet.runs.pretrained import weights_file

    if args.calibration is not None:
        return Path(args.calibration)
    beside = calibration_path(weights_file(args.model))
    return beside if beside.is_file() else None


def _calibration(args: argparse.Namespace, features: Features) -> Calibration | None:
    """Return the calibration, if it is this model's."""
    from fprnet.gallery.calibration import read_calibration

    file = calibration_file(args)
    if file is None:
        return None
    calibration = read_calibration(file)
    digest = features.meta.get("model", {}).get("checkpoint_sha256")
    if digest is not None and calibration.checkpoint_sha256 not in ("", digest):
        raise UsageError(f"{file} is the calibration of another model; run 'fprnet calibrate'")
    return calibration


def _probabilities(calibration: Calibration) -> Callable[..., NDArray[np.float64]]:
    """Return `Calibration.probability` for arrays that are broadcast against each other."""
    import numpy as np

    vectorised = np.vectorize(calibration.probability, otypes=[np.float64])

    def probabilities(
        similarity: NDArray[np.float64],
        candidates: NDArray[np.float64],
        images: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        result: NDArray[np.float64] = vectorised(similarity, candidates, images)
        return result

    return probabilities
