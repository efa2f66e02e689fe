"""A rendered site becomes a measure of adapting: before, after, and with the site's labels.

The training people of the site are the crops without labels; its test people, whom nothing here
learns from or chooses by, are scored. Adapting with labels is the same recipe, whose clusters are
then the people.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fprnet.adaptation.adapting import ADAPTATION, FOLDER, RUN, Adaptation, adapt_network
from fprnet.adaptation.config import AdaptationConfig
from fprnet.adaptation.site import Site, labelled_crops, together
from fprnet.adaptation.teacher import StudentAndTeacher
from fprnet.data.cache import open_cache
from fprnet.data.data_set import DataSet, open_data_set
from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.extract import extract_features
from fprnet.embeddings.loading import load_model
from fprnet.embeddings.pytorch_backend import PyTorchBackend
from fprnet.evaluation.data_set_protocol import make_protocol
from fprnet.evaluation.pairwise import pairwise_scores
from fprnet.evaluation.scores import score
from fprnet.runs.run_folder import RunFolder

__all__ = ["CASES", "VARIANTS", "measure_adaptation"]

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "whole": {},
    "no matching": {"match_limit": 0.0},
    "neighbours as they come": {"balanced": False},
    "proxies of modalities": {"camera_aware": False},
    "all others pushed apart": {"unsure": 0.0},
    "no teacher": {"teacher": False},
}
"""Recipe without one ingredient, by name -> changes of the config."""

CASES = ("plain", "tracklets", "one modality", "distractors", "unequal")
"""Crops: as they are; in tracklets; 30 % of people by day or night only; 10 % more of no person;
any share of each person's."""

MISSED, STRANGE = 0.3, 0.1


@dataclass(frozen=True)
class _Site:
    data_set: DataSet
    crops: Site
    person: NDArray[np.int64]


def measure_adaptation(
    root: Path,
    out: Path,
    *,
    model: str | None = None,
    people: int | None = None,
    case: str = "plain",
    variant: str = "whole",
    labels: bool = False,
    config: AdaptationConfig | None = None,
) -> dict[str, Any]:
    """Adapt to a site and score the model on its test people.

    Args:
        root: Data set.
        out: Folder of the run; a run of the same there is continued.
        model: Start; None takes the shipped one.
        people: Training people that are used; None is all.
        case: One of `CASES`.
        variant: One of `VARIANTS`.
        labels: Learn from the people and not from clusters: the most that crops can give.
        config: How; None takes the defaults.

    Returns:
        Rank-1 and mAP, percent, of the model before, of the one that the command would give, and
        of the last epoch's whether it is kept or not; the agreement; pairwise precision and recall
        of the clusters; and how long it took.
    """
    embedder = load_model(model, runtime="pytorch", precision="float32")
    config = config or AdaptationConfig()
    found = _site(root, out, people, case, config.seed)
    crops, config = found.crops, replace(config, **VARIANTS[variant])
    if labels:
        crops = replace(crops, tracklet=found.person)
        config = replace(config, limit=0.0, match_limit=0.0, unsure=0.0, held_out=0.05)
    config = replace(config, crops_sha256=crops.sha256)
    started = time.monotonic()
    folder = out / FOLDER
    outcome = adapt_network(embedder, crops, folder, config)
    seconds = time.monotonic() - started
    before = _scores(embedder, embedder.model, found.data_set)
    after = _scores(embedder, outcome.network, found.data_set) if outcome.kept else before
    last = _scores(embedder, _last_teacher(embedder, folder, config), found.data_set)
    return {
        "site": root.name,
        "people": len(np.unique(found.person)),
        "crops": len(crops),
        "case": case,
        "variant": variant,
        "labels": labels,
        "seed": config.seed,
        "before": before,
        "after": after,
        "last": last,
        "kept": outcome.kept,
        "reason": outcome.reason,
        "epoch": outcome.epoch,
        "agreement": _agreement(outcome),
        "clusters": _clusters(outcome, found),
        "seconds": round(seconds, 1),
    }


def _site(root: Path, out: Path, people: int | None, case: str, seed: int) -> _Site:
    data_set = open_data_set(root)
    crops = labelled_crops(root)
    random = np.random.default_rng(seed)
    rows = np.flatnonzero(np.isin(crops.person, data_set.train[:people]))
    crops = crops.where(rows)
    if case == "one modality":
        names = np.unique(crops.person)
        missed = random.permutation(names)[: round(MISSED * len(names))]
        by_day = np.isin(crops.person, missed[::2]) & crops.infrared
        by_night = np.isin(crops.person, missed[1::2]) & ~crops.infrared
        crops = crops.where(np.flatnonzero(~by_day & ~by_night))
    if case == "unequal":  # of each person in each camera any number of the images there are
        keep = random.random(len(crops)) < random.random(crops.person.max() + 1)[crops.person]
        crops = crops.where(np.flatnonzero(keep))
    if case == "distractors":
        crops = together(crops, _distractors(crops, out / "distractors", random))
    person = crops.person
    crops = replace(crops, person=np.full(len(crops), -1))
    if case == "tracklets":
        keys = np.stack([person, crops.camera])
        tracklet = np.unique(keys, axis=1, return_inverse=True)[1].ravel()
        crops = replace(crops, tracklet=tracklet)
    return _Site(data_set, crops, person)


def _distractors(crops: Site, folder: Path, random: np.random.Generator) -> Site:
    """Return crops of no person: corners of the site's images, each somebody of its own."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    chosen = random.permutation(len(crops))[: round(STRANGE * len(crops))]
    paths = []
    for number, row in enumerate(chosen.tolist()):
        file = folder / f"{number:05d}.png"
        with Image.open(str(crops.path[row])) as image:
            width, height = image.size
            image.crop((0, 0, width // 3, height // 3)).resize((width, height)).save(file)
        paths.append(str(file.resolve()))
    some = crops.where(chosen)
    return replace(
        some,
        path=np.array(paths),
        person=crops.person.max() + 1 + np.arange(len(some)),
    )


def _last_teacher(embedder: Embedder, folder: Path, config: AdaptationConfig) -> nn.Module:
    networks = StudentAndTeacher(embedder.model)
    networks.load_state_dict(ADAPTATION.read(RunFolder(folder, config, RUN).last)["model"])
    return networks.teacher


def _scores(embedder: Embedder, network: Any, data_set: DataSet) -> dict[str, float]:  # noqa: ANN401 - a Network
    records = data_set.records()
    images = open_cache(records, embedder.size, depth_range=embedder.depth_range)
    rows = np.flatnonzero(np.isin(records.identity, data_set.test))
    backend = PyTorchBackend(network.eval(), precision="float32", fold=False)
    features = extract_features(backend, images, records.where(rows), rows=rows, meta={})
    protocol = make_protocol(features, data_set, identities=data_set.test)
    metrics = score(features, protocol).rows["plain"].metrics
    return {name: round(100 * metrics[name].mean, 2) for name in ("rank-1", "mAP")}


def _agreement(outcome: Adaptation) -> dict[str, float | None]:
    after = None if outcome.after is None else round(outcome.after.share, 4)
    return {"before": round(outcome.before.share, 4), "after": after}


def _clusters(outcome: Adaptation, found: _Site) -> dict[str, float]:
    label = outcome.clusters.label
    alone = np.where(label < 0, label.max() + 1 + np.arange(len(label)), label)
    pairs = pairwise_scores(alone, found.person)
    return {
        "count": outcome.clusters.count,
        "both": outcome.clusters.both,
        "precision": round(pairs.precision, 4),
        "recall": round(pairs.recall, 4),
    }
