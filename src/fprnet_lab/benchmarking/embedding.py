"""Embeddings of preset ``released`` against the published form plainly, and that both agree.

Also told: what every runtime and precision does here, and the rates of matrix products in both of
them, by PyTorch and by OpenVINO. Shapes: N images of each modality, D numbers per embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from fprnet.data.records import MODALITIES, Modality
from fprnet.embeddings.backend import Embeddings, choose_precision, choose_runtime
from fprnet.embeddings.extract import batch_size_for, embed_images
from fprnet.errors import UsageError
from fprnet.evaluation.ranking_metrics import rank_queries
from fprnet.models.reidentifier import Reidentifier
from fprnet_lab.benchmarking.embedding_sides import (
    PlainEmbedding,
    fast_backends,
    released_model,
    seeded_people,
)
from fprnet_lab.benchmarking.hardware import (
    PRECISIONS,
    best_seconds,
    measure_matrix_rates,
    openvino_matrix_rate,
    openvino_precisions,
)
from fprnet_lab.benchmarking.measurement import Measurement, Sizes

__all__ = ["COSINE_TOLERANCE", "SCORE_TOLERANCE", "measure", "operations_per_image"]

COSINE_TOLERANCE = 0.001  # one minus the cosine of an image's two embeddings
SCORE_TOLERANCE = 0.002  # of mAP, a fraction; of few queries: the whole precision of one of them

ByModality = Mapping[Modality, Embeddings]


def measure(sizes: Sizes) -> Measurement:
    """Measure N + N images at ResNet-50 of the asked width and size.

    The package's side is whatever runtime and precision is fastest here, or the fastest runtime of
    the asked precision.

    Raises:
        UsageError: There is no GPU, or nothing here computes in the asked precision.
    """
    if sizes.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("torch finds no GPU; use --device cpu")
    before = torch.get_num_threads()
    torch.set_num_threads(sizes.threads)
    try:
        return _measure(sizes, torch.device(sizes.device))
    finally:
        torch.set_num_threads(before)


def _measure(sizes: Sizes, device: torch.device) -> Measurement:
    images, identity = seeded_people(sizes.images, sizes.size)
    model = released_model(images, sizes.width, device)
    plain = PlainEmbedding(model, sizes.width, batch_size_for(sizes.size))
    backends = fast_backends(model, sizes.size, sizes.threads)
    candidates = [n for n in backends if sizes.precision is None or n.endswith(sizes.precision)]
    if not candidates:
        raise UsageError(f"nothing here computes in {sizes.precision}; leave --precision out")

    def embedded(name: str) -> ByModality:
        return {m: embed_images(backends[name], images[m], m) for m in MODALITIES}

    found = {name: embedded(name) for name in backends}  # before timing: this also compiles
    right = {m: plain.embed(images[m], m) for m in MODALITIES}
    seconds = best_seconds(
        sizes.repeats,
        {
            "plain": lambda: [plain.embed(images[m], m) for m in MODALITIES],
            **{name: partial(embedded, name) for name in backends},
        },
        device=device,
        threads=sizes.threads,
    )
    count = 2 * len(identity)
    speeds = {name: count / value for name, value in seconds.items()}
    best = max(candidates, key=speeds.__getitem__)
    runtime, precision = best.split("-")
    rates = _rates(device, sizes.threads)
    limit = max(rate for name, rate in rates.items() if name.endswith(precision))
    operations = count * operations_per_image(model, sizes.size)
    cosines = {name: _smallest_cosine(found[name], right) for name in backends}
    scores = {name: _scores(vectors, identity) for name, vectors in found.items()}
    plain_scores = _scores(right, identity)
    return Measurement(
        ratio=speeds[best] / speeds["plain"],
        max_difference=1 - cosines[best],
        tolerance=COSINE_TOLERANCE,
        # Rank-1 is told only: of so few queries it moves in larger steps than may be.
        further={
            "mAP": (
                abs(scores[best]["mAP"] - plain_scores["mAP"]),
                max(SCORE_TOLERANCE, 1 / count),
            )
        },
        speeds=f"{speeds[best]:.1f} images/s against {speeds['plain']:.1f} ({best})",
        share_of_limit=operations / seconds[best] / 1e9 / limit,
        limit=f"{precision} matrix rate, {limit:.0f} GFLOP/s",
        lines=_lines(speeds, cosines, scores | {"plain": plain_scores}, rates),
        details={
            "device": device.type,
            "threads": sizes.threads,
            "images": count,
            "runtime": runtime,
            "precision": precision,
            "default": _default(device),
            "images_per_second": speeds[best],
            "plain_images_per_second": speeds["plain"],
            "gflop_per_image": operations / count / 1e9,
            "speeds": speeds,
            "cosines": cosines,
            "scores": scores[best],
            "plain_scores": plain_scores,
            "gflop_per_second": rates,
        },
    )


def _rates(device: torch.device, threads: int) -> dict[str, float]:
    """Return the rates of matrix products, by library and precision, 10^9 operations a second."""
    rates = measure_matrix_rates(device)
    found = {f"pytorch-{precision}": rates.of(precision) for precision in PRECISIONS}
    if device.type == "cpu":
        found |= {f"openvino-{p}": openvino_matrix_rate(p, threads) for p in openvino_precisions()}
    return found


def operations_per_image(model: Reidentifier, size: tuple[int, int]) -> float:
    """Return the operations of one image's embedding as the package computes it."""
    image = torch.zeros(1, 3, *size, device=next(model.parameters()).device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.embed(image, "visible")
    return float(counter.get_total_flops())


def _default(device: torch.device) -> str:
    """Return what ``fprnet extract`` would take here without being asked."""
    runtime = choose_runtime("auto", device)
    instructions = runtime == "pytorch" or "bfloat16" in openvino_precisions()
    return f"{runtime}-{choose_precision('auto', device, bfloat16_instructions=instructions)}"


def _smallest_cosine(found: ByModality, right: ByModality) -> float:
    return float(np.min([(found[m] * right[m]).sum(axis=1).min() for m in MODALITIES]))


def _scores(embeddings: ByModality, identity: NDArray[np.int64]) -> dict[str, float]:
    """Return rank-1 and mAP, each image a query among the others of its modality, fractions."""
    labels = torch.from_numpy(identity)
    rank1, precision = [], []
    for vectors in embeddings.values():
        rows = torch.from_numpy(vectors).double()
        itself = torch.eye(len(rows), dtype=torch.bool)
        found = rank_queries(-rows @ rows.T, labels, labels, removed=itself)
        rank1.append((found.image_rank == 1).double().mean().item())
        precision.append(found.average_precision.mean().item())
    return {"rank-1": float(np.mean(rank1)), "mAP": float(np.mean(precision))}


def _lines(
    speeds: Mapping[str, float],
    cosines: Mapping[str, float],
    scores: Mapping[str, Mapping[str, float]],
    rates: Mapping[str, float],
) -> tuple[str, ...]:
    """Return a table of everything that was timed, the plain form first."""
    rows = [f"{'':<19}images/s  times  cosine   rank-1    mAP  matrix rate, GFLOP/s"]
    for name, speed in speeds.items():
        percent = "".join(f"{100 * scores[name][score]:7.2f}" for score in ("rank-1", "mAP"))
        rows.append(
            f"{name:<19}{speed:8.1f}{speed / speeds['plain']:7.1f}  {cosines.get(name, 1):.5f}"
            f"{percent:>16}" + (f"{rates[name]:12.0f}" if name in rates else "")
        )
    return tuple(rows)
