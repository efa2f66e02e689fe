"""Name of a benchmark -> what measures it."""

from __future__ import annotations

from fprnet_lab.benchmarking import embedding, evaluation, reranking, search, training
from fprnet_lab.benchmarking.measurement import Benchmark

__all__ = ["BENCHMARKS"]

BENCHMARKS: dict[str, Benchmark] = {
    "embedding": embedding.measure,
    "training": training.measure,
    "evaluation": evaluation.measure,
    "reranking": reranking.measure,
    "search": search.measure,
}
