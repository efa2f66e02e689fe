"""Features and a protocol become open-set searches: how alike queries are to enrolled people.

A person is enrolled with a template, the gallery images that the protocol draws in a trial. Images
that a query must not see are removed before templates are compared.
Shapes: Q queries, G gallery images of one trial, I identities in it, D numbers per embedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from fprnet.data.protocols.protocol import NEVER_EXCLUDED, Protocol, Rows, Trial
from fprnet.embeddings.store import Features
from fprnet.errors import FeaturesError, UsageError
from fprnet.evaluation.ranking import Distance, vectors_of

__all__ = [
    "Comparable",
    "Enrolment",
    "Searches",
    "Similarity",
    "Template",
    "comparable",
    "compare_trials",
    "enrol",
    "similarity_blocks",
]

Template = Literal["best", "mean"]
Similarity = Literal["cosine", "negative distance"]

BLOCK = 2**21  # similarities in one block
DIGITS = 40  # binary digits of a similarity that are kept: noise of the summation becomes a tie
UNIT = 1e-4  # how far from 1 a length may be for the cosine to be taken


@dataclass(frozen=True)
class Searches:
    """How alike each query of one trial is to each person of its gallery.

    Attributes:
        score: ``(Q, I)`` float64, higher is more alike; -inf where the query may see no image.
        identity: ``(I,)`` sorted identities of the gallery.
        query_identity: ``(Q,)`` who each query shows.
        images: ``(I,)`` images that each template is made of or chosen from; 1 for a mean.
    """

    score: NDArray[np.float64]
    identity: Rows
    query_identity: Rows
    images: Rows


@dataclass(frozen=True)
class Enrolment:
    """Searches of one enrolment: some people are known, and the others are strangers.

    Attributes:
        similarity: ``(M,)`` s(p, g_p) of each mated search.
        rank: ``(M,)`` rank of the right person among the enrolled, from 1; ties count against it.
        identity: ``(M,)`` who is searched for in the mated searches.
        stranger_similarity: ``(N,)`` largest similarity of each non-mated search; -inf where it may
            see nobody.
        stranger_identity: ``(N,)`` who is searched for in the non-mated searches.
        enrolled: G, number of enrolled identities.
        images: Gallery images of these that a query is compared with.
        skipped: Searches for people who are to be enrolled but of whom the query may see no image.
    """

    similarity: NDArray[np.float64]
    rank: Rows
    identity: Rows
    stranger_similarity: NDArray[np.float64]
    stranger_identity: Rows
    enrolled: int
    images: int
    skipped: int = 0


def enrol(searches: Searches, enrolled: Sequence[int], strangers: Sequence[int]) -> Enrolment:
    """Enrol some identities; searches for others than these and the strangers are left out.

    Args:
        searches: Those of one trial.
        enrolled: Identities that are to be enrolled; those without gallery images cannot be.
        strangers: Identities that are searched for and not enrolled.
    """
    columns = np.isin(searches.identity, enrolled)
    people, score = searches.identity[columns], searches.score[:, columns]
    mated = np.flatnonzero(np.isin(searches.query_identity, enrolled))
    foreign = np.flatnonzero(np.isin(searches.query_identity, strangers))
    similarity = np.full(len(mated), -np.inf)
    if len(people):
        at = np.searchsorted(people, searches.query_identity[mated]).clip(max=len(people) - 1)
        known = people[at] == searches.query_identity[mated]
        similarity[known] = score[mated[known], at[known]]
        maximum = score[foreign].max(axis=1)
    else:
        maximum = np.full(len(foreign), -np.inf)
    seen = similarity > -np.inf
    rank = (score[mated[seen]] >= similarity[seen, None]).sum(axis=1)
    return Enrolment(
        similarity=similarity[seen],
        rank=rank,
        identity=searches.query_identity[mated[seen]],
        stranger_similarity=maximum,
        stranger_identity=searches.query_identity[foreign],
        enrolled=len(people),
        images=int(searches.images[columns].sum()),
        skipped=int((~seen).sum()),
    )


def compare_trials(
    features: Features,
    protocol: Protocol,
    *,
    metric: Distance = "euclidean",
    template: Template = "best",
) -> tuple[Similarity, list[Searches]]:
    """Return what the similarity is, and the searches of each trial.

    Args:
        features: The table whose rows the protocol names.
        protocol: Trials and rules.
        metric: "cosine", or "euclidean": the negative distance, or the cosine, which orders
            equally, where all vectors have length 1.
        template: "best" is the most similar of the person's images, "mean" the similarity to their
            mean, scaled to length 1 for the cosine.

    Raises:
        UsageError: Metric or template are unknown.
        FeaturesError: A trial has no queries or no gallery.
    """
    if template not in get_args(Template):
        raise UsageError(f"template {template!r} is unknown; choose best or mean")
    vectors = comparable(features, protocol, metric)
    compare = _best if template == "best" else _mean
    return vectors.kind, [compare(features, protocol, t, vectors) for t in protocol.trials]


@dataclass(frozen=True)
class Comparable:
    """Vectors whose products give similarities.

    Attributes:
        kind: What the similarity is.
        vector: ``(N, D)`` float64; rows that the protocol does not name are zero.
        largest: No product of two of them, or squared distance, is larger.
    """

    kind: Similarity
    vector: NDArray[np.float64]
    largest: float

    def similarity(
        self, left: NDArray[np.float64], right: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return ``(Q, G)``, rounded so that equal pairs tie whatever the order of summation."""
        transposed = torch.from_numpy(np.ascontiguousarray(right)).T
        product: NDArray[np.float64] = torch.mm(torch.from_numpy(left), transposed).numpy()
        if self.kind == "negative distance":
            product *= -2
            product += (left**2).sum(axis=1)[:, None]
            product += (right**2).sum(axis=1)
        magic = 1.5 * 2.0 ** float(52 - DIGITS + np.frexp(self.largest)[1])
        product += magic  # adding and taking away leaves a whole number of units
        product -= magic
        if self.kind == "negative distance":
            np.maximum(product, 0, out=product)
            np.negative(np.sqrt(product, out=product), out=product)
        return product


def comparable(features: Features, protocol: Protocol, metric: Distance) -> Comparable:
    """Return the vectors of the images that a protocol names, ready to be compared.

    Raises:
        UsageError: The metric is unknown.
        FeaturesError: A trial has no queries or no gallery.
    """
    for trial in protocol.trials:
        if not len(trial.query) or not len(trial.gallery):
            raise FeaturesError(
                f"a trial has {len(trial.query)} queries and {len(trial.gallery)} gallery images; "
                "it needs both, so check identities, cameras and modality of the features"
            )
    sides = [side for trial in protocol.trials for side in (trial.query, trial.gallery)]
    used = np.unique(np.concatenate(sides))
    vector = np.zeros((len(features), features.features.shape[1]))
    rows = vectors_of(features, used, metric, "cpu").numpy()
    length = np.linalg.norm(rows, axis=1)
    if metric == "cosine" or (np.abs(length - 1) < UNIT).all():
        vector[used] = rows / length[:, None]
        return Comparable("cosine", vector, 1.0)
    vector[used] = rows - rows.mean(axis=0)
    largest = 4 * float((vector[used] ** 2).sum(axis=1).max())
    return Comparable("negative distance", vector, largest)


def similarity_blocks(
    protocol: Protocol, query: Rows, gallery: Rows, vectors: Comparable
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield which queries, and how alike they are to the gallery ``(B, G)``; -inf: excluded."""
    group = protocol.exclusion_group
    size = max(1, BLOCK // len(gallery))
    for start in range(0, len(query), size):
        part = slice(start, min(start + size, len(query)))
        alike = vectors.similarity(vectors.vector[query[part]], vectors.vector[gallery])
        excluded = (group[query[part], None] == group[gallery]) & (group[gallery] != NEVER_EXCLUDED)
        alike[excluded] = -np.inf
        yield part, alike


def _best(features: Features, protocol: Protocol, trial: Trial, vectors: Comparable) -> Searches:
    gallery = trial.gallery[np.argsort(features.identity[trial.gallery], kind="stable")]
    identity, start, images = np.unique(
        features.identity[gallery], return_index=True, return_counts=True
    )
    score = np.empty((len(trial.query), len(identity)))
    for part, alike in similarity_blocks(protocol, trial.query, gallery, vectors):
        score[part] = np.maximum.reduceat(alike, start, axis=1)
    return Searches(score, identity, features.identity[trial.query], images)


def _mean(features: Features, protocol: Protocol, trial: Trial, vectors: Comparable) -> Searches:
    gallery, group = trial.gallery, protocol.exclusion_group
    owner = features.identity[gallery]
    identity = np.unique(owner)
    query = vectors.vector[trial.query]
    score = vectors.similarity(query, _means(vectors, gallery, owner, identity))
    shared = np.intersect1d(group[trial.query], group[gallery])
    for number in shared[shared != NEVER_EXCLUDED].tolist():
        rows = np.flatnonzero(group[trial.query] == number)
        changed = np.unique(owner[group[gallery] == number])
        left = (group[gallery] != number) & np.isin(owner, changed)
        people = np.unique(owner[left])
        score[np.ix_(rows, np.searchsorted(identity, changed))] = -np.inf
        if len(people):
            means = _means(vectors, gallery[left], owner[left], people)
            seen = np.ix_(rows, np.searchsorted(identity, people))
            score[seen] = vectors.similarity(query[rows], means)
    return Searches(score, identity, features.identity[trial.query], np.ones_like(identity))


def _means(vectors: Comparable, rows: Rows, owner: Rows, identity: Rows) -> NDArray[np.float64]:
    """Return the mean vector of each identity ``(I, D)``; for the cosine of length 1."""
    member = (owner == identity[:, None]).astype(np.float64)
    means: NDArray[np.float64] = member @ vectors.vector[rows] / member.sum(axis=1, keepdims=True)
    if vectors.kind == "cosine":
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), np.finfo(float).tiny)
    return means
