"""People of a site whom a model has never seen become tracklets, and grouping them becomes scores.

Every image of a person in a camera is a crop of one tracklet. Who is who is known, so each pair of
tracklets that grouping put together is right or wrong.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fprnet.data.data_set import open_data_set
from fprnet.data.records import Records
from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.from_disk import extract_data_set
from fprnet.embeddings.loading import load_model
from fprnet.errors import UsageError
from fprnet.evaluation.pairwise import PairwiseScores, pairwise_scores
from fprnet.gallery.calibrating import calibrate_features
from fprnet.gallery.calibration import Calibration
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.opening import find_calibration
from fprnet.gallery.people import undo_step
from fprnet.gallery.records import ModelIdentity
from fprnet.gallery.tracklets import TrackletRecord, add_tracklet, get_tracklets
from fprnet.gallery.unknown_people import group_unknown
from fprnet.pretrained import DEFAULT_MODEL
from fprnet.tracklets import PathPoint, Tracklet, TrackletCrop

__all__ = ["RATES", "GroupingScore", "measure_grouping", "score_groups", "tracklets_of_people"]

RATES = (0.001, 0.01, 0.05, 0.1, 0.2, 0.3)
MORNING = datetime(2026, 11, 25, 8, tzinfo=UTC)
PERIOD = 3600  # seconds in which everybody appears
STAY = 8  # seconds in front of a camera
WALK = 45  # seconds from one camera to the next


@dataclass(frozen=True)
class GroupingScore:
    """How well tracklets were grouped.

    Attributes:
        rate: False-link rate that was asked for.
        thresholds: Kinds of both sides -> similarity.
        people: Groups, of one tracklet or more.
        seconds: How long grouping took, on this machine.
        pairs: Pairwise scores of all pairs, and of those by day, by night, and of one of each.
        false_links: Share of the tracklets that are in a group with somebody else.
    """

    rate: float
    thresholds: Mapping[str, float]
    people: int
    seconds: float
    pairs: Mapping[str, PairwiseScores]
    false_links: float

    def as_dict(self) -> dict[str, object]:
        """Return what JSON can hold."""
        pairs = {
            kind: {**asdict(one), "precision": one.precision, "recall": one.recall, "f1": one.f1}
            for kind, one in self.pairs.items()
        }
        return {**vars(self), "thresholds": dict(self.thresholds), "pairs": pairs}


def measure_grouping(
    root: Path,
    *,
    model: str | Path | None = None,
    rates: Sequence[float] = RATES,
    calibrate_on: Path | None = None,
    parts: int = 1,
    seed: int = 0,
) -> dict[str, object]:
    """Group the test people of a data set in a gallery of its own, at several false-link rates.

    Args:
        root: Folder of the data set.
        model: Checkpoint, run folder or shipped model; None is the shipped one.
        rates: False-link rates.
        calibrate_on: Data set whose test people the calibration is made on; None takes the
            model's own calibration.
        parts: The tracklets come in so many parts, and are grouped after each.
        seed: Decides the order of people and times.

    Returns:
        What was grouped, and a score for each rate.

    Raises:
        FprnetError: The data set or the model cannot be used, or there is no calibration.
    """
    source = DEFAULT_MODEL if model is None else model
    full = load_model(source, device="cpu", precision="float32")
    embedder = full if full.projection is None else full.compact(full.projection)
    if calibrate_on is None:
        calibration = find_calibration(source, embedder)
    else:
        calibration = _calibrated(full, calibrate_on)
    if calibration is None:
        raise UsageError(f"model {source} has no calibration; give --calibrate-on")
    tracklets, identity = tracklets_of_people(embedder, root, seed)
    with tempfile.TemporaryDirectory() as folder:
        address = str(Path(folder) / "people.db")
        identity_of_model = ModelIdentity.of(embedder)
        with Gallery.create(address, identity_of_model, projection=embedder.projection) as gallery:
            scores = [
                _grouped(gallery, tracklets, identity, calibration, rate, parts) for rate in rates
            ]
    return {
        "data": root.name,
        "people": len(set(identity)),
        "tracklets": len(tracklets),
        "crops": sum(len(one.crops) for one in tracklets),
        "parts": parts,
        "calibrated_on": "the model's own site" if calibrate_on is None else calibrate_on.name,
        "scores": [score.as_dict() for score in scores],
    }


def _calibrated(embedder: Embedder, root: Path) -> Calibration:
    """Calibrate a model, whose embeddings are full, on the test people of a data set."""
    data_set = open_data_set(root, needed=("test",))
    records = data_set.records()
    features = extract_data_set(embedder, records, identities=data_set.test)
    location = records.of(data_set.test).location
    digest = embedder.about["checkpoint_sha256"]
    calibration, _ = calibrate_features(features, location, embedder.projection, digest)
    return calibration


def tracklets_of_people(
    embedder: Embedder, root: Path, seed: int
) -> tuple[list[Tracklet], list[int]]:
    """Return a tracklet for each test person in each camera, in the order of time, and who it is.

    Everybody comes once in an hour and walks from camera to camera, so that people meet.
    """
    data_set = open_data_set(root, needed=("test",))
    records = data_set.records().of(data_set.test)
    features = extract_data_set(embedder, data_set.records(), identities=data_set.test)
    generator = np.random.default_rng(seed)
    made = []
    for person in data_set.test:
        cameras = generator.permutation(np.unique(records.camera[records.identity == person]))
        arrival = generator.uniform(0, PERIOD)
        for step, camera in enumerate(cameras.tolist()):
            rows = np.flatnonzero((records.identity == person) & (records.camera == camera))
            start = MORNING + timedelta(seconds=round(arrival + step * WALK, 3))
            made.append((start, person, _tracklet(records, features.features, rows, start)))
    made.sort(key=lambda one: (one[0], one[1]))
    return [tracklet for _, _, tracklet in made], [person for _, person, _ in made]


def _tracklet(
    records: Records, embeddings: NDArray[np.float32], rows: NDArray[np.int64], start: datetime
) -> Tracklet:
    camera, modality = int(records.camera[rows[0]]), str(records.modality[rows[0]])
    end = start + timedelta(seconds=STAY)
    crops = tuple(
        TrackletCrop(
            image=records.files()[row].read_bytes(),
            time=start + timedelta(seconds=STAY * place / len(rows)),
            box=(0, 0, 64, 128),
            embedding=embeddings[row],
            quality=1.0,
        )
        for place, row in enumerate(rows.tolist())
    )
    return Tracklet(
        camera=str(camera),
        modality="visible" if modality == "visible" else "infrared",
        start=start,
        end=end,
        path=(PathPoint(start, 0.1, 0.2, 0.1, 0.5), PathPoint(end, 0.8, 0.2, 0.1, 0.5)),
        crops=crops,
        source=f"camera-{camera}.mp4",
        number=int(rows[0]) + 1,
    )


def _grouped(
    gallery: Gallery,
    tracklets: Sequence[Tracklet],
    identity: Sequence[int],
    calibration: Calibration,
    rate: float,
    parts: int,
) -> GroupingScore:
    """Add the tracklets part by part, group after each, score, and undo all of it."""
    numbers: list[int] = []
    steps = []
    seconds = 0.0
    thresholds: Mapping[str, float] = {}
    for part in range(parts):
        first, last = (len(tracklets) * place // parts for place in (part, part + 1))
        numbers += [add_tracklet(gallery, one).id for one in tracklets[first:last]]
        started = time.perf_counter()
        grouped = group_unknown(gallery, calibration, false_link_rate=rate, by="benchmark")
        seconds += time.perf_counter() - started
        steps.append(grouped.step)
        thresholds = grouped.thresholds
    found = get_tracklets(gallery, numbers)
    score = score_groups(found, identity)
    if parts == 1:
        for step in steps:
            if step is not None:
                undo_step(gallery, step.id, by="benchmark")
    else:
        gallery.erase([crop.id for one in found for crop in one.crops])
    groups = {one.person for one in found}
    return GroupingScore(rate, thresholds, len(groups), seconds, *score)


def score_groups(
    tracklets: Sequence[TrackletRecord], identity: Sequence[int]
) -> tuple[dict[str, PairwiseScores], float]:
    """Compare the people of n tracklets with who they are.

    Args:
        tracklets: With the people that they were grouped into.
        identity: ``(n,)`` who they show.

    Returns:
        Pairwise scores of all pairs, of those by day, of those by night, and of one of each; and
        the share of the tracklets that are together with somebody else.
    """
    groups = np.array([-1 if one.person is None else one.person for one in tracklets])
    truth = np.array(identity)
    day = np.array([one.modality == "visible" for one in tracklets])
    whole = pairwise_scores(groups, truth)
    by_day, by_night = (pairwise_scores(groups[side], truth[side]) for side in (day, ~day))
    mixed = PairwiseScores(
        *(
            getattr(whole, name) - getattr(by_day, name) - getattr(by_night, name)
            for name in ("together", "same", "right")
        )
    )
    pairs = {"all": whole, "day": by_day, "night": by_night, "day and night": mixed}
    wrong = (groups[:, None] == groups) & (truth[:, None] != truth)
    return pairs, float(wrong.any(axis=1).mean())
