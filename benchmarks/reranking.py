"""k-reciprocal re-ranking against the algorithm written plainly, and its memory.

    python benchmarks/reranking.py --memory-gallery 50000

``fprnet benchmark reranking`` is the short form, without the memory.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from fprnet.benchmarking.reranking import TOLERANCE, measure_memory, measure_reranking
from fprnet.benchmarking.seeded import official_sized_split
from fprnet.data.sysu_mm01 import read_split


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", type=Path, help="folder with the split files")
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory-gallery", type=int, default=50_000, help="0 leaves it out")
    parser.add_argument("--memory-queries", type=int, default=3803)
    parser.add_argument("--memory-dimensions", type=int, default=64)
    args = parser.parse_args()
    split = read_split(args.split, needed=("test",)) if args.split else official_sized_split()
    result: dict[str, object] = dict(
        measure_reranking(split, dimensions=args.dimensions, repeats=args.repeats)
    )
    if args.memory_gallery:
        result["memory"] = measure_memory(
            queries=args.memory_queries,
            gallery=args.memory_gallery,
            dimensions=args.memory_dimensions,
        )
    print(json.dumps(result, indent=1))
    if float(str(result["max_difference"])) > TOLERANCE:
        raise SystemExit("the two sides differ")


if __name__ == "__main__":
    main()
