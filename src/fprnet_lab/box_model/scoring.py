"""A model and a rendered site become scores: of everybody, and of groups of people.

The people of a site are its test identities, whom no model has seen; groups are those that their
maker knows, because it drew them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fprnet.data.data_set import open_data_set
from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.from_disk import extract_data_set
from fprnet.embeddings.store import Features
from fprnet.evaluation.data_set_protocol import make_protocol
from fprnet.evaluation.open_set import score_open_set
from fprnet.evaluation.scores import score
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.person import Person
from fprnet_lab.people.render import person_of

__all__ = ["GroupScore", "SiteScore", "features_of_site", "group_scores", "groups_of", "score_site"]

METRICS = ("rank-1", "rank-10", "mAP", "mINP")
RESAMPLES = 200  # of the bootstrap behind the intervals of open-set rates
LEAST_PEOPLE = 5  # of a group that is shown
DARK = 0.08  # mean reflectance of a cloth that looks black or navy


@dataclass(frozen=True)
class SiteScore:
    """How well a model does at one site.

    Attributes:
        world: Seed of the site.
        people: Number of people with queries.
        metrics: Metric -> mean over the trials, 0 to 1; official all-search, single-shot.
        open_set: Operating point -> TPIR and FPIR, or why it is not reported.
        per_identity: Identity -> valid queries, and sums of "rank-1" and "mAP" over them.
    """

    world: int
    people: int
    metrics: Mapping[str, float]
    open_set: Mapping[str, Any]
    per_identity: Mapping[int, tuple[int, float, float]]


@dataclass(frozen=True)
class GroupScore:
    """How well a model does for one group of people, as queries in galleries of everybody.

    Attributes:
        kind: What tells the groups apart, e.g. "sex".
        group: Name of the group, e.g. "women".
        people: Number of its people.
        rank_1: Share of their queries whose first match is right, 0 to 1.
        mean_average_precision: Mean over their queries, 0 to 1.
    """

    kind: str
    group: str
    people: int
    rank_1: float
    mean_average_precision: float


def features_of_site(embedder: Embedder, root: Path) -> Features:
    """Embed the test people of a site's folder."""
    data_set = open_data_set(root, needed=("test",))
    return extract_data_set(embedder, data_set.records(), identities=data_set.test)


def score_site(
    features: Features, root: Path, world: int, *, threshold: Callable[[int], float] | None = None
) -> SiteScore:
    """Score the embeddings of a site's test people by the protocol of its layout.

    Args:
        features: From `features_of_site`.
        root: Folder of the site.
        world: Seed of the site.
        threshold: Number of enrolled people -> the threshold that the model comes with.
    """
    data_set = open_data_set(root, needed=("test",))
    protocol = make_protocol(features, data_set, identities=data_set.test)
    row = score(features, protocol).rows["plain"]
    open_set = score_open_set(
        features, protocol, metric="cosine", rates=(0.1,), shipped=threshold, resamples=RESAMPLES
    )
    each = row.per_identity
    per_identity: dict[int, tuple[int, float, float]] = {}
    if each is not None:
        columns = zip(
            each.identity, each.valid, each.metrics["rank-1"], each.metrics["mAP"], strict=True
        )
        per_identity = {
            int(identity): (int(valid), float(first), float(precision))
            for identity, valid, first, precision in columns
            if valid
        }
    return SiteScore(
        world=world,
        people=len(per_identity),
        metrics={name: row.metrics[name].mean for name in METRICS},
        open_set={point.name: point.as_dict() for point in open_set.points},
        per_identity=per_identity,
    )


def groups_of(person: Person) -> dict[str, str]:
    """Return the group of a drawn person by kind: sex, age, ancestry, clothing."""
    shape, outfit = person.shape, person.outfit
    ancestry = ("African", "Asian", "European")[int(np.argmax(shape.ancestry))]
    bottom = outfit.bottom.kind
    outer = outfit.tops[-1]
    dark = float(outer.cloth.ground[:3].mean()) < DARK
    return {
        "sex": "men" if shape.male > 0.5 else "women",
        "age": "younger" if shape.old < 0.2 else "middle" if shape.old < 0.4 else "older",
        "ancestry": f"mostly {ancestry}",
        "build": "slight" if shape.weight < 0.35 else "heavy" if shape.weight > 0.6 else "medium",
        "upper clothing": "dark" if dark else "not dark",
        "outer garment": "jacket or coat over a top" if len(outfit.tops) > 1 else "one layer",
        "lower clothing": "skirt or dress" if bottom in ("skirt", "none") else "trousers",
        "bag": "carries one" if outfit.bag is not None else "carries none",
    }


def group_scores(scored: Iterable[tuple[SiteScore, PeopleOptions]]) -> list[GroupScore]:
    """Return the scores of every group, over all sites, of groups that are large enough.

    Args:
        scored: Scores of each site, with the options that made its people.
    """
    sums: dict[tuple[str, str], list[tuple[int, float, float]]] = {}
    for site, options in scored:
        for identity, row in site.per_identity.items():
            person = person_of(options.setting, identity, "coarse")
            for kind, group in groups_of(person).items():
                sums.setdefault((kind, group), []).append(row)
    return [
        GroupScore(
            kind,
            group,
            len(rows),
            sum(row[1] for row in rows) / sum(row[0] for row in rows),
            sum(row[2] for row in rows) / sum(row[0] for row in rows),
        )
        for (kind, group), rows in sorted(sums.items())
        if len(rows) >= LEAST_PEOPLE
    ]
