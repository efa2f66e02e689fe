"""A gallery of drawn embeddings: filled, opened, searched with and without filters; no network.

    python benchmarks/gallery.py
    python benchmarks/gallery.py --records 1000000
    python benchmarks/gallery.py --uri postgresql://postgres@127.0.0.1/fprnet
    python benchmarks/gallery.py --uri postgresql://postgres@127.0.0.1/fprnet --graph-last

Prints one JSON object. A search that misses more than it may is an exit status.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from fprnet_lab.benchmarking.gallery import measure_gallery

LEAST_RECALL = 0.99


def main() -> None:
    """Measure, print, and judge the recall."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=100_000, help="records (%(default)s)")
    parser.add_argument(
        "--dimensions", type=int, default=256, help="numbers of an embedding (%(default)s)"
    )
    parser.add_argument(
        "--uri", help="address of the gallery to be made (default: a file that is removed again)"
    )
    parser.add_argument("--name", default="benchmark", help="its name in a database (%(default)s)")
    parser.add_argument(
        "--graph-last", action="store_true", help="fill a server without its graph, then build it"
    )
    args = parser.parse_args()
    if args.graph_last and not args.uri:
        parser.error("--graph-last is for a server's gallery; give its --uri")
    with tempfile.TemporaryDirectory(prefix="fprnet-") as folder:
        uri = args.uri or str(Path(folder) / "people.db")
        name = args.name if args.uri else "gallery"
        speed = measure_gallery(
            uri, args.records, args.dimensions, name=name, graph_last=args.graph_last
        )
    result = {"records": args.records, "dimensions": args.dimensions, **asdict(speed)}
    print(json.dumps(result, indent=1))
    if min(speed.recall.values()) < LEAST_RECALL:
        raise SystemExit("searches miss too much")


if __name__ == "__main__":
    main()
