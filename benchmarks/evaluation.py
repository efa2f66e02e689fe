"""Official evaluation of SYSU-MM01 against the per-query Python loop of the field.

Both sides start from the same features and galleries, compute distances themselves, and must agree
in every number. Single thread; time is this process's processor time.

    python benchmarks/evaluation.py --split /data/SYSU-MM01 --shots 1
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from fprnet.data.sysu_mm01 import VISIBLE_CAMERAS, SysuSplit, read_split
from fprnet.embeddings.store import Features
from fprnet.evaluation.scores import RANKS, Scores, evaluate
from fprnet.evaluation.sysu_mm01 import Mode, sysu_mm01_protocol

Result = TypeVar("Result")


def random_features(split: SysuSplit, dimensions: int, seed: int) -> Features:
    """Vectors for every image that the split counts, with some identity in them."""
    generator = np.random.default_rng(seed)
    tested = set(split.test)
    rows = [
        (camera, identity, index)
        for (camera, identity), cell in split.permutations.cells.items()
        if identity in tested
        for index in range(1, cell.shape[1] + 1)
    ]
    camera, identity, index = np.array(rows, dtype=np.int64).T
    centre = generator.standard_normal((identity.max() + 1, dimensions), dtype=np.float32)
    noise = generator.standard_normal((len(rows), dimensions), dtype=np.float32)
    return Features(
        features=0.25 * centre[identity] + noise,
        identity=identity,
        camera=camera,
        modality=np.where(np.isin(camera, VISIBLE_CAMERAS), "visible", "infrared"),
        path=np.array([f"cam{c}/{i:04d}/{n:04d}.jpg" for c, i, n in rows]),
        index=index,
    )


TrialLoop = Callable[..., dict[str, float]]


def loop_evaluate(
    features: Features,
    split: SysuSplit,
    loop_trial: TrialLoop,
    *,
    mode: Mode,
    shots: int,
    trials: int,
) -> dict[str, list[float]]:
    """Score all trials with one Python iteration per query."""
    protocol = sysu_mm01_protocol(features, split, mode=mode, shots=shots, trials=trials)
    scores: dict[str, list[float]] = {}
    for trial in protocol.trials:
        gallery = trial.gallery[np.argsort(protocol.order[trial.gallery])]
        queries = features.features[trial.query].astype(np.float64)
        vectors = features.features[gallery].astype(np.float64)
        distance = (queries**2).sum(1)[:, None] + (vectors**2).sum(1) - 2 * queries @ vectors.T
        for name, value in loop_trial(
            distance,
            features.identity[trial.query],
            features.identity[gallery],
            protocol.place[trial.query],
            protocol.place[gallery],
        ).items():
            scores.setdefault(name, []).append(value)
    return scores


def field_loop(
    distance: NDArray[np.float64],
    query_identity: NDArray[np.int64],
    gallery_identity: NDArray[np.int64],
    query_place: NDArray[np.int64],
    gallery_place: NDArray[np.int64],
) -> dict[str, float]:
    """One trial in the idioms of the widely copied evaluators, list comprehensions included."""
    order = np.argsort(distance, axis=1, kind="stable")
    matches = (gallery_identity[order] == query_identity[:, None]).astype(np.int32)
    identity_cmc, image_cmc, precisions, penalties = [], [], [], []
    for query, identity in enumerate(query_identity):
        keep = gallery_place[order[query]] != query_place[query]
        match = matches[query][keep]
        if not np.any(match):
            continue
        ranked = gallery_identity[order[query]][keep]
        first = np.unique(ranked, return_index=True)[1]
        people = [ranked[position] for position in sorted(first)]
        identity_cmc.append((np.asarray(people) == identity).astype(np.int32).cumsum()[: RANKS[-1]])
        found = match.cumsum()
        last = np.max(np.where(match == 1))
        penalties.append(found[last] / (last + 1.0))
        precision = [number / (rank + 1.0) for rank, number in enumerate(found)]
        precisions.append((np.asarray(precision) * match).sum() / match.sum())
        found[found > 1] = 1
        image_cmc.append(found[: RANKS[-1]])
    return _named(
        np.asarray(identity_cmc).mean(axis=0),
        np.asarray(image_cmc).mean(axis=0),
        float(np.mean(precisions)),
        float(np.mean(penalties)),
    )


def lean_loop(
    distance: NDArray[np.float64],
    query_identity: NDArray[np.int64],
    gallery_identity: NDArray[np.int64],
    query_place: NDArray[np.int64],
    gallery_place: NDArray[np.int64],
) -> dict[str, float]:
    """One trial, still query by query, but with everything inside a query left to NumPy."""
    identity_cmc = np.zeros(len(gallery_identity))
    image_cmc = np.zeros(len(gallery_identity))
    precisions, penalties = [], []
    for query, identity in enumerate(query_identity):
        order = np.argsort(distance[query], kind="stable")
        keep = gallery_place[order] != query_place[query]
        ranked = gallery_identity[order][keep]
        match = ranked == identity
        if not match.any():
            continue
        first = np.unique(ranked, return_index=True)[1]
        identity_cmc[np.flatnonzero(ranked[np.sort(first)] == identity)[0] :] += 1
        image_cmc[np.flatnonzero(match)[0] :] += 1
        precision = match.cumsum() / np.arange(1, len(match) + 1)
        precisions.append((precision * match).sum() / match.sum())
        penalties.append(match.sum() / (np.flatnonzero(match)[-1] + 1))
    valid = len(precisions)
    return _named(
        identity_cmc / valid,
        image_cmc / valid,
        float(np.mean(precisions)),
        float(np.mean(penalties)),
    )


def _named(
    identity_cmc: NDArray[np.float64], image_cmc: NDArray[np.float64], mean_ap: float, minp: float
) -> dict[str, float]:
    return {
        **{f"rank-{k}": float(identity_cmc[k - 1]) for k in RANKS},
        **{f"image-level rank-{k}": float(image_cmc[k - 1]) for k in RANKS},
        "mAP": mean_ap,
        "mINP": minp,
    }


def difference(scores: Scores, loop: dict[str, list[float]]) -> float:
    """Return the largest difference of any number of any trial."""
    row = scores.rows["plain"]
    fast = {
        **{name: metric.per_trial for name, metric in row.metrics.items()},
        **{f"image-level {name}": metric.per_trial for name, metric in row.image_level.items()},
    }
    if fast.keys() != loop.keys():
        raise AssertionError(f"the two sides report {sorted(fast)} and {sorted(loop)}")
    return max(float(np.abs(np.subtract(fast[name], loop[name])).max()) for name in fast)


def timed(function: Callable[[], Result]) -> tuple[float, Result]:
    """Return the processor seconds and the result."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def measure(
    split: SysuSplit, *, mode: Mode, shots: int, trials: int, dimensions: int, repeats: int
) -> dict[str, str | int | float]:
    """Time all sides on the same features; the fast side takes its best of some repeats."""
    torch.set_num_threads(1)
    features = random_features(split, dimensions, seed=0)

    def fast() -> Scores:
        return evaluate(features, split, mode=mode, shots=shots, trials=trials, device="cpu")

    def slow(loop: TrialLoop) -> dict[str, list[float]]:
        return loop_evaluate(features, split, loop, mode=mode, shots=shots, trials=trials)

    runs = [timed(fast) for _ in range(repeats)]
    seconds, scores = min(run[0] for run in runs), runs[0][1]
    field_seconds, field = timed(lambda: slow(field_loop))
    lean_seconds, lean = timed(lambda: slow(lean_loop))
    return {
        "mode": mode,
        "shots": shots,
        "trials": trials,
        "dimensions": dimensions,
        "seconds": seconds,
        "loop_seconds": field_seconds,
        "lean_loop_seconds": lean_seconds,
        "ratio": field_seconds / seconds,
        "ratio_to_lean_loop": lean_seconds / seconds,
        "max_difference": max(difference(scores, field), difference(scores, lean)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", type=Path, required=True, help="folder with the split files")
    parser.add_argument("--mode", choices=("all", "indoor"), default="all")
    parser.add_argument("--shots", type=int, default=1)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    result = measure(
        read_split(args.split, needed=("test",)),
        mode=args.mode,
        shots=args.shots,
        trials=args.trials,
        dimensions=args.dimensions,
        repeats=args.repeats,
    )
    print(json.dumps(result, indent=1))
    if float(str(result["max_difference"])) > 1e-12:
        raise SystemExit("the two sides differ")


if __name__ == "__main__":
    main()
