"""What makes scores better than those of people never seen before is found, named and counted.

Shapes: Q queries, G gallery images of one trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fprnet.data.data_set import DataSet
from fprnet.data.protocols.protocol import Protocol, Trial
from fprnet.embeddings.store import Features
from fprnet.errors import UsageError
from fprnet.evaluation.searches import Comparable, comparable, similarity_blocks

__all__ = ["Leaks", "check_training", "find_leaks", "provenance_of"]

SAME_IMAGE = 0.9999  # cosine of a query and a gallery image from which they are near-duplicates


@dataclass(frozen=True)
class Leaks:
    """What was found, as counts; all are 0 in a sound test.

    Attributes:
        trained_identities: Tested identity numbers that the model was trained on, in another folder
            of the same layout, which may or may not be the same people.
        near_duplicates: Queries that see, in any trial, a gallery image which is nearly the same
            image: the cosine of their embeddings is above 0.9999.
        same_instant: Queries that see, in any trial, a gallery image of their person taken at the
            same instant, where file names or a manifest say when.
        distractors: Gallery identities whom nobody searches for. No leak, but without any the
            gallery is easier than a real one; official protocols have none.
    """

    trained_identities: int
    near_duplicates: int
    same_instant: int
    distractors: int

    @property
    def found(self) -> list[str]:
        """One warning for each leak."""
        warnings = []
        if self.trained_identities:
            warnings.append(
                f"warning: {self.trained_identities} tested identity numbers were trained on in "
                "another folder; if these are the same people, this is no test"
            )
        if self.near_duplicates:
            warnings.append(
                f"warning: {self.near_duplicates} queries see a gallery image that is nearly the "
                "same; remove duplicates from the gallery, or train on where the network embeds "
                "all images alike"
            )
        if self.same_instant:
            warnings.append(
                f"warning: {self.same_instant} queries see an image of their person from the "
                "same instant; use images of different times"
            )
        return warnings

    def as_dict(self) -> dict[str, Any]:
        """Return the counts for JSON."""
        return asdict(self)


def find_leaks(features: Features, protocol: Protocol, data_set: DataSet) -> Leaks:
    """Look for leaks in what a protocol compares.

    Args:
        features: The table whose rows the protocol names; ``meta`` says what the model was trained
            on, where that is known.
        protocol: Trials and rules.
        data_set: What is tested on.
    """
    tested = {int(i) for t in protocol.trials for i in np.unique(features.identity[t.query])}
    shown = {int(i) for t in protocol.trials for i in np.unique(features.identity[t.gallery])}
    instants = _instants(features, data_set)
    vectors = comparable(features, protocol, "euclidean")
    unit = vectors if vectors.kind == "cosine" else None
    unions = _unions(protocol)
    return Leaks(
        trained_identities=len(tested & set(_trained(features.meta, data_set.layout))),
        near_duplicates=sum(_duplicates(features, protocol, trial, unit) for trial in unions),
        same_instant=sum(_same_instant(features, protocol, trial, instants) for trial in unions),
        distractors=len(shown - tested),
    )


def provenance_of(meta: Mapping[str, Any], data_set: DataSet) -> dict[str, Any]:
    """Return what a result says about its model's training and its test.

    Args:
        meta: Metadata of the features: ``model`` and ``config``, where they are known.
        data_set: What is tested on.

    Returns:
        ``trained_on`` (null where it is not known), ``tested_on`` (``reader`` says whose code
        reads it; null is fprnet's), and ``cross_data_set``: whether
        the two differ in layout or folder (null where it is not known).
    """
    data = meta.get("config", {}).get("data", {})
    trained = None
    if data.get("root"):
        trained = {
            "data": Path(data["root"]).name,
            "layout": data.get("layout"),
            "split": data.get("split"),
            "identities": meta.get("model", {}).get("trained_identities"),
        }
    tested = {
        "data": data_set.root.resolve().name,
        "layout": data_set.layout,
        "split": data_set.number,
        "reader": data_set.source,
        "identities": len(data_set.test),
    }
    cross = None
    if trained is not None:
        other_folder = not _same_folder(Path(data["root"]), data_set.root)
        cross = trained["layout"] != tested["layout"] or (
            other_folder and trained["data"] != tested["data"]
        )
    return {"trained_on": trained, "tested_on": tested, "cross_data_set": cross}


def check_training(meta: Mapping[str, Any], data_set: DataSet, tested: Sequence[int]) -> None:
    """Refuse to call it a test when people of the same folder were trained on.

    Args:
        meta: Metadata of the features.
        data_set: What is tested on.
        tested: Identities that are tested.

    Raises:
        UsageError: The model has seen some of them.
    """
    root = meta.get("config", {}).get("data", {}).get("root")
    if not root or not _same_folder(Path(root), data_set.root):
        return
    seen = sorted(set(tested) & set(_trained(meta, data_set.layout)))
    if seen:
        raise UsageError(
            f"the model was trained on {len(seen)} of the {len(tested)} identities to test in "
            f"{data_set.root}, the first is {seen[0]}; test on people it has not seen"
        )


def _trained(meta: Mapping[str, Any], layout: str) -> Sequence[int]:
    """Return the identity numbers that the model was trained on in data of this layout."""
    if meta.get("config", {}).get("data", {}).get("layout") != layout:
        return ()
    return tuple(meta.get("trained_on", ()))


def _same_folder(trained: Path, tested: Path) -> bool:
    """Return whether both are one data set; split files may be named alone, in its folder exp."""
    one, other = trained.resolve(), tested.resolve()
    return one == other or one in other.parents or other in one.parents


def _unions(protocol: Protocol) -> list[Trial]:
    """Return one trial for each set of queries, with all that any trial shows them."""
    galleries: dict[bytes, list[Trial]] = {}
    for trial in protocol.trials:
        galleries.setdefault(trial.query.tobytes(), []).append(trial)
    return [
        Trial(trials[0].query, np.unique(np.concatenate([t.gallery for t in trials])))
        for trials in galleries.values()
    ]


def _duplicates(
    features: Features, protocol: Protocol, trial: Trial, vectors: Comparable | None
) -> int:
    """Count queries with a near-duplicate among the images that they see."""
    if vectors is None:  # vectors of any length: only equal ones are the same image
        rows = features.features
        held = {rows[row].tobytes() for row in trial.gallery.tolist()}
        return sum(rows[row].tobytes() in held for row in trial.query.tolist())
    found = 0
    for _, alike in similarity_blocks(protocol, trial.query, trial.gallery, vectors):
        found += int((alike.max(axis=1) > SAME_IMAGE).sum())
    return found


def _instants(features: Features, data_set: DataSet) -> Sequence[str]:
    instants = data_set.reader.instants(data_set.split, features.path.tolist())
    if len(instants) not in (0, len(features)):
        raise ValueError(f"{len(instants)} instants for {len(features)} images")
    return instants


def _same_instant(
    features: Features, protocol: Protocol, trial: Trial, instants: Sequence[str]
) -> int:
    """Count queries that see an image of their person, taken elsewhere at the same instant."""
    if not instants:
        return 0
    group = protocol.exclusion_group
    held: dict[tuple[int, str], list[int]] = {}
    for row in trial.gallery.tolist():
        if instants[row]:
            held.setdefault((int(features.identity[row]), instants[row]), []).append(row)
    found = 0
    for row in trial.query.tolist():
        others = held.get((int(features.identity[row]), instants[row]), [])
        found += any(group[row] < 0 or group[row] != group[other] for other in others)
    return found
