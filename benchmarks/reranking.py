"""k-reciprocal re-ranking against the algorithm written plainly, and its memory.

    python benchmarks/reranking.py --memory-gallery 50000

``fprnet benchmark reranking`` is the short form, without the memory.
"""

from __future__ import annotations

from fprnet_lab.benchmarking.reranking import TOLERANCE, measure_memory, measure_reranking
from fprnet_lab.benchmarking.script import chosen_split, print_result, vectors_parser


def main() -> None:
    """Print one JSON object."""
    parser = vectors_parser(__doc__)
    parser.add_argument("--memory-gallery", type=int, default=50_000, help="0 leaves it out")
    parser.add_argument("--memory-queries", type=int, default=3803)
    parser.add_argument("--memory-dimensions", type=int, default=64)
    args = parser.parse_args()
    result: dict[str, object] = dict(
        measure_reranking(
            chosen_split(args.split), dimensions=args.dimensions, repeats=args.repeats
        )
    )
    if args.memory_gallery:
        result["memory"] = measure_memory(
            queries=args.memory_queries,
            gallery=args.memory_gallery,
            dimensions=args.memory_dimensions,
        )
    print_result(result, TOLERANCE)


if __name__ == "__main__":
    main()
