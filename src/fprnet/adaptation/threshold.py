"""Unlabelled crops become a calibration: probabilities by clusters, thresholds by time and place.

Nobody is at two places at one time. Pairs of a visible and an infrared crop that were taken then
are two people for certain, and their similarities say from which similarity on a match is to be
believed at this site. Probabilities need pairs of one person, too: the clusters stand for those.

Shapes: N crops, V visible and I infrared ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fprnet.adaptation.site import Site
from fprnet.embeddings.extract import features_of
from fprnet.embeddings.projection import Projection
from fprnet.errors import DataError, FeaturesError
from fprnet.gallery.calibrating import calibrate_features
from fprnet.gallery.calibration import Calibration
from fprnet.gallery.strangers import fit_strangers

__all__ = ["LEAST_PAIRS", "apart_pairs", "calibrate_crops"]

LEAST_PAIRS = 200  # that time and place guarantee: the tail is a twentieth of them

LEAST_PEOPLE = 4

Mask = NDArray[np.bool_]


def apart_pairs(site: Site, seconds: float) -> Mask:
    """Return ``(I, V)``, True for crops that time and place say are two people.

    Both were taken at different known locations, and their tracklets, or the crops themselves where
    they are of none, are at most ``seconds`` apart: less than anybody needs for the way.
    """
    begin, end = _spans(site)
    dark, light = np.flatnonzero(site.infrared), np.flatnonzero(~site.infrared)
    gap = np.maximum(
        begin[dark][:, None] - end[light][None], begin[light][None] - end[dark][:, None]
    )
    place = site.location
    known = (place[dark] >= 0)[:, None] & (place[light] >= 0)[None]
    apart: Mask = known & (place[dark][:, None] != place[light][None]) & (gap <= seconds)
    return apart


def calibrate_crops(
    embeddings: NDArray[np.float32],
    site: Site,
    cluster: NDArray[np.int64],
    checkpoint_sha256: str,
    *,
    seconds: float = 0.0,
    guaranteed: bool = False,
    projection: Projection | None = None,
) -> Calibration:
    """Fit a calibration on crops without labels.

    Args:
        embeddings: ``(N, D)``, rows of unit length.
        site: N crops.
        cluster: ``(N,)``; -1 is noise.
        checkpoint_sha256: Digest of the model's file.
        seconds: See `apart_pairs`.
        guaranteed: Whether pairs that time and place guarantee are needed; where there are too few
            of them, pairs of different clusters stand for strangers otherwise. Such may be one
            person whom the clusters have split, which makes the threshold higher.
        projection: Makes the embeddings compact, as a gallery holds them; None compares full ones.

    Returns:
        The calibration; ``measured`` says what stood for strangers, ``strangers``, and how many
        pairs, ``stranger_pairs``.

    Raises:
        DataError: There are too few pairs that time and place guarantee.
        FeaturesError: There are too few clusters with crops in both modalities.
    """
    apart = apart_pairs(site, seconds)
    count = int(apart.sum())
    if guaranteed and count < LEAST_PAIRS:
        raise DataError(
            f"time and place guarantee {count} pairs of a visible and an infrared crop to be two "
            f"people; a threshold needs {LEAST_PAIRS}: give crops with location and time of places "
            "seen at the same time, or a longer --apart"
        )
    rows = np.flatnonzero(cluster >= 0)
    both = np.intersect1d(cluster[rows][site.infrared[rows]], cluster[rows][~site.infrared[rows]])
    if len(both) < LEAST_PEOPLE:
        raise FeaturesError(
            f"{len(both)} clusters have crops of both modalities; a calibration needs "
            f"{LEAST_PEOPLE} at least, and a hundred to be good: give crops of more people"
        )
    records = site.where(rows).records(cluster[rows])
    features = features_of(records, embeddings[rows], {})
    calibration, _ = calibrate_features(features, records.location, projection, checkpoint_sha256)
    about: dict[str, Any] = {"labels": "clusters", "strangers": "clusters", "people": len(both)}
    if count >= LEAST_PAIRS:
        held = embeddings if projection is None else projection(embeddings)
        similarity = held[site.infrared] @ held[~site.infrared].T
        strangers = fit_strangers(similarity[apart].astype(np.float64))
        calibration = replace(
            calibration,
            stranger_quantiles=strangers.quantiles,
            tail_scale=strangers.tail_scale,
            tail_shape=strangers.tail_shape,
        )
        about |= {"strangers": "time and place", "stranger_pairs": count}
    else:
        about |= {"stranger_pairs": calibration.measured["pairs"]}
    return replace(calibration, measured={**calibration.measured, **about})


def _spans(site: Site) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return when the tracklet of each crop begins and ends ``(N,)``; NaN where not known."""
    names, unit = np.unique(site.units, return_inverse=True)
    begin, end = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    known = ~np.isnan(site.time)
    np.minimum.at(begin, unit[known], site.time[known])
    np.maximum.at(end, unit[known], site.time[known])
    begin[np.isinf(begin)] = end[np.isinf(end)] = np.nan
    return begin[unit], end[unit]
