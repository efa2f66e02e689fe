"""Validation people's embeddings become a calibration, and the measure of how good it is.

Shapes: Q queries, G gallery images, P pairs of a query and a gallery image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, minimize

from fprnet.embeddings.projection import SIZES, Projection, fit_projection
from fprnet.embeddings.store import Features
from fprnet.errors import FeaturesError
from fprnet.gallery.calibration import Calibration
from fprnet.gallery.strangers import Shown, fit_strangers, same_modality, shown_of, templates_of

__all__ = [
    "METHODS",
    "Measured",
    "Pairs",
    "ReliabilityBin",
    "calibrate",
    "calibrate_features",
    "choose_projection",
    "cross_fit",
    "fit",
    "mean_average_precision",
    "pairs_of",
]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

FOLDS = 5
SHOWN = 10  # matches of a query by which a calibration is judged: what users see
BINS = 10
RATES = (0.01, 0.05, 0.1)  # false-match rates that are tried
SMOOTHING = 1.0  # pairs of either kind that are added to each step of an isotonic curve
LEAST_PEOPLE = 4
MAX_LOSS = 0.001  # of mAP, a fraction, by making embeddings compact


@dataclass(frozen=True)
class Pairs:
    """Queries against a gallery.

    Attributes:
        similarity: ``(Q, G)`` cosines.
        compared: ``(Q, G)``, False where both were taken at one location.
        query_identity: ``(Q,)``.
        gallery_identity: ``(G,)``.
    """

    similarity: Array
    compared: Mask
    query_identity: NDArray[np.int64]
    gallery_identity: NDArray[np.int64]

    @property
    def same(self) -> Mask:
        """``(Q, G)``, True where both are one person."""
        same: Mask = self.query_identity[:, None] == self.gallery_identity
        return same

    @property
    def people(self) -> list[int]:
        """Identities that are both asked for and shown."""
        return sorted(set(self.query_identity.tolist()) & set(self.gallery_identity.tolist()))

    def of(self, people: Sequence[int]) -> Pairs:
        """Return the queries and gallery images of some people only."""
        asked = np.isin(self.query_identity, people)
        shown = np.isin(self.gallery_identity, people)
        return Pairs(
            self.similarity[asked][:, shown],
            self.compared[asked][:, shown],
            self.query_identity[asked],
            self.gallery_identity[shown],
        )


@dataclass(frozen=True)
class ReliabilityBin:
    """Matches whose stated probabilities are close together.

    Attributes:
        stated: Mean of their probabilities.
        found: Share of them that are the same person.
        matches: How many they are.
    """

    stated: float
    found: float
    matches: int


@dataclass(frozen=True)
class Measured:
    """How a method does on people whom it was not fitted on.

    Attributes:
        log_loss: Mean negative logarithm of the probability of what is true, over the first ten
            matches of every query; nats.
        expected_calibration_error: Mean distance of stated and found, over the same matches.
        bins: Bins of the reliability diagram.
        false_matches: Named false-match rate -> share of the searches for people who are not in
            the gallery that found a match.
    """

    log_loss: float
    expected_calibration_error: float
    bins: tuple[ReliabilityBin, ...]
    false_matches: dict[str, float]


def pairs_of(
    features: Features, location: NDArray[np.int64], projection: Projection | None = None
) -> Pairs:
    """Pair the infrared images of a table, as queries, with its visible ones.

    Args:
        features: Features of the people to calibrate on.
        location: ``(N,)`` of each image; pairs of one location are left out, as protocols do; -1
            is no location.
        projection: Makes the embeddings compact; None compares full ones.

    Raises:
        FeaturesError: A modality is missing, or there are too few people in both.
    """
    return _pairs(shown_of(features, location, projection))


def _pairs(shown: Shown) -> Pairs:
    query = shown.modality == "infrared"
    places = shown.location[query]
    pairs = Pairs(
        similarity=shown.vectors[query] @ shown.vectors[~query].T,
        compared=(places[:, None] != shown.location[~query]) | (places[:, None] < 0),
        query_identity=shown.identity[query],
        gallery_identity=shown.identity[~query],
    )
    if len(pairs.people) < LEAST_PEOPLE:
        raise FeaturesError(
            f"{len(pairs.people)} people have images in both modalities; a calibration needs "
            f"{LEAST_PEOPLE} at least, and a hundred to be good"
        )
    return pairs


def calibrate(
    pairs: Pairs,
    checkpoint_sha256: str,
    projection_sha256: str = "",
) -> tuple[Calibration, dict[str, Measured]]:
    """Fit each method on all but some people, measure it on those, and keep the better one.

    Args:
        pairs: Queries against a gallery.
        checkpoint_sha256: Hash of the model's checkpoint.
        projection_sha256: Hash of the projection of compact embeddings; "" for full ones.

    Returns:
        The calibration by the method of smaller log loss, fitted on everybody; and what was
        measured of each method.
    """
    measured = {method: cross_fit(pairs, method) for method in METHODS}
    best = min(METHODS, key=lambda method: measured[method].log_loss)
    about = {
        "people": len(pairs.people),
        "queries": len(pairs.query_identity),
        "gallery_images": len(pairs.gallery_identity),
        "pairs": int(pairs.compared.sum()),
        "methods": {method: asdict(result) for method, result in measured.items()},
    }
    calibration = fit(pairs, best, checkpoint_sha256)
    return replace(calibration, measured=about, projection_sha256=projection_sha256), measured


def calibrate_features(
    features: Features,
    location: NDArray[np.int64],
    projection: Projection | None,
    checkpoint_sha256: str,
) -> tuple[Calibration, dict[str, Measured]]:
    """Calibrate images of two modalities and of one, and the templates of tracklets likewise.

    Args:
        features: Features of the people to calibrate on; the images of one person in one camera
            stand for a tracklet.
        location: ``(N,)`` of each image; -1 is no location.
        projection: Makes the embeddings compact; None compares full ones.
        checkpoint_sha256: Hash of the model's checkpoint.

    Returns:
        As :func:`calibrate`; what was measured is of images.

    Raises:
        FeaturesError: A modality is missing, or there are too few people in both.
    """
    shorter = "" if projection is None else projection.sha256
    images = shown_of(features, location, projection)
    templates = templates_of(images, features.camera)
    of_images, measured = calibrate(_pairs(images), checkpoint_sha256, shorter)
    of_templates, _ = calibrate(_pairs(templates), checkpoint_sha256, shorter)
    tracklets = replace(of_templates, same_modality=same_modality(templates))
    return replace(of_images, same_modality=same_modality(images), tracklets=tracklets), measured


def mean_average_precision(pairs: Pairs) -> float:
    """Return the mAP of the pairs that are compared, over the queries with a right match.

    Average precision is the mean of k / rank over the k = 1, 2, ... right matches of a query.
    """
    precisions = []
    for query, similarity in enumerate(pairs.similarity):
        compared = pairs.compared[query]
        order = np.argsort(-similarity[compared], kind="stable")
        ranks = np.flatnonzero(pairs.same[query][compared][order]) + 1
        if len(ranks):
            precisions.append(float(np.mean(np.arange(1, len(ranks) + 1) / ranks)))
    return float(np.mean(precisions)) if precisions else 0.0


def choose_projection(
    training: Features, features: Features, location: NDArray[np.int64], checkpoint_sha256: str
) -> Projection | None:
    """Fit a projection on training people, and keep the smallest size that loses nearly nothing.

    Args:
        training: Features of training people.
        features: Features of the people to calibrate on, on whom the loss is measured.
        location: ``(N,)`` of each of their images.
        checkpoint_sha256: Hash of the model's checkpoint.

    Returns:
        The projection to the smallest of 128, 256, 512 numbers that costs at most 0.1 points of
        mAP, with the mAP of each; None where each of them costs more, or the embeddings have no
        more numbers or there are too few training images.
    """
    images, full = training.features.shape
    sizes = [size for size in SIZES if size < full and size <= images]
    if not sizes:
        return None
    vectors = training.features.astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    fitted = fit_projection(vectors, checkpoint_sha256, sizes[-1])
    measured = {full: mean_average_precision(pairs_of(features, location))}
    for size in sizes:
        pairs = pairs_of(features, location, fitted.first(size))
        measured[size] = mean_average_precision(pairs)
    for size in sizes:
        if measured[full] - measured[size] <= MAX_LOSS:
            return replace(fitted.first(size), measured=measured)
    return None


def fit(pairs: Pairs, method: str, checkpoint_sha256: str = "") -> Calibration:
    """Fit one method on all pairs."""
    similarity = pairs.similarity[pairs.compared]
    same = pairs.same[pairs.compared]
    if not same.any() or same.all():
        raise FeaturesError(
            "calibration needs pairs of one person and pairs of two people, taken at different "
            "locations; give a data set with more people or cameras"
        )
    places, ratios = METHODS[method](similarity, same)
    strangers = fit_strangers(similarity[~same])
    return Calibration(
        checkpoint_sha256=checkpoint_sha256,
        method=method,
        similarities=tuple(places.tolist()),
        log_ratios=tuple(ratios.tolist()),
        stranger_quantiles=strangers.quantiles,
        tail_scale=strangers.tail_scale,
        tail_shape=strangers.tail_shape,
    )


def cross_fit(pairs: Pairs, method: str) -> Measured:
    """Measure a method: fitted on four fifths of the people, tried on the last, five times."""
    people = pairs.people
    folds = min(FOLDS, len(people) // 2)
    stated, true, false = [], [], dict.fromkeys(RATES, 0)
    searches = 0
    for fold in range(folds):
        held_out = people[fold::folds]
        rest = [person for person in people if person not in set(held_out)]
        calibration = fit(pairs.of(rest), method)
        tried = pairs.of(held_out)
        shown, right = _shown(tried, calibration)
        stated.append(shown)
        true.append(right)
        for query in range(len(tried.query_identity)):
            strangers = tried.similarity[query][tried.compared[query] & ~tried.same[query]]
            if len(strangers):
                searches += 1
                for rate in RATES:
                    threshold = calibration.threshold(rate, len(strangers))
                    false[rate] += int(strangers.max() >= threshold)
    probability, found = np.concatenate(stated), np.concatenate(true)
    bins = _bins(probability, found)
    clipped = probability.clip(1e-12, 1 - 1e-12)
    return Measured(
        log_loss=float(-np.log(np.where(found, clipped, 1 - clipped)).mean()),
        expected_calibration_error=sum(one.matches * abs(one.stated - one.found) for one in bins)
        / max(len(found), 1),
        bins=bins,
        false_matches={str(rate): count / max(searches, 1) for rate, count in false.items()},
    )


def _shown(pairs: Pairs, calibration: Calibration) -> tuple[Array, Mask]:
    """Return the probabilities of the first matches of every query, and whether they are right."""
    images = len(pairs.gallery_identity) / max(len(set(pairs.gallery_identity.tolist())), 1)
    stated, right = [], []
    for query in range(len(pairs.query_identity)):
        seen = np.flatnonzero(pairs.compared[query])
        share = len(seen) / max(len(pairs.gallery_identity), 1)
        first = seen[np.argsort(-pairs.similarity[query, seen], kind="stable")[:SHOWN]]
        stated += [
            calibration.probability(similarity, len(seen), max(1.0, images * share))
            for similarity in pairs.similarity[query, first].tolist()
        ]
        right += (pairs.gallery_identity[first] == pairs.query_identity[query]).tolist()
    return np.array(stated, dtype=np.float64), np.array(right, dtype=bool)


def _bins(probability: Array, found: Mask) -> tuple[ReliabilityBin, ...]:
    place = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    return tuple(
        ReliabilityBin(
            float(probability[place == number].mean()),
            float(found[place == number].mean()),
            int((place == number).sum()),
        )
        for number in range(BINS)
        if (place == number).any()
    )


def _logistic(similarity: Array, same: Mask) -> tuple[Array, Array]:
    """Fit log ratio = slope * similarity + offset by logistic regression (Platt, 1999).

    Both kinds of pairs weigh the same in total, so that the odds before looking are 1 and the
    regression's odds are the likelihood ratio.
    """
    centre, spread = similarity.mean(), max(float(similarity.std()), 1e-9)
    scaled = (similarity - centre) / spread
    weight = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
    sign = np.where(same, 1.0, -1.0)

    def loss(parameters: Array) -> tuple[float, Array]:
        margin = sign * (parameters[0] * scaled + parameters[1])
        wrong = -weight * sign / (1 + np.exp(np.minimum(margin, 700)))
        value = (weight * np.logaddexp(0, -margin)).sum() + PULL * parameters[0] ** 2
        slope = (wrong * scaled).sum() + 2 * PULL * parameters[0]
        return float(value), np.array([slope, wrong.sum()])

    rising = ((0.0, None), (None, None))  # a model that has it upside down knows nothing
    start = np.array([1.0, 0.0])
    slope, offset = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=rising).x
    places = np.array([-1.0, 1.0])
    ratios: Array = slope * (places - centre) / spread + offset
    return places, ratios


PULL = 1e-6  # on the slope: it stays finite where the two kinds of pairs do not overlap


def _isotonic(similarity: Array, same: Mask) -> tuple[Array, Array]:
    """Fit a rising staircase by pooling adjacent violators (Zadrozny and Elkan, 2002).

    Every step is smoothed as by Laplace, so that no probability is 0 or 1, and stands in the curve
    at the mean of its similarities.
    """
    order = np.argsort(similarity, kind="stable")
    values, right = similarity[order], same[order]
    result = isotonic_regression(right.astype(np.float64))
    starts = result.blocks[:-1]
    counts = np.diff(result.blocks)
    hits = np.add.reduceat(right.astype(np.float64), starts)
    places = np.add.reduceat(values, starts) / counts
    prior = right.mean()
    share = (hits + SMOOTHING * prior) / (counts + SMOOTHING)
    ratios = np.log(share / (1 - share)) - np.log(prior / (1 - prior))
    return places, np.maximum.accumulate(ratios)


METHODS: dict[str, Callable[[Array, Mask], tuple[Array, Array]]] = {
    "logistic": _logistic,
    "isotonic": _isotonic,
}
