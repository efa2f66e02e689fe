"""``fprnet serve`` under load: searches of many clients at once, and adding images.

    python benchmarks/service.py
    python benchmarks/service.py --scale tiny --records 2000 --clients 8 --seconds 5

A failed or wrong answer is an error, and errors are an exit status.
"""

from __future__ import annotations

import argparse
import json

from fprnet_lab.benchmarking.service import ServiceLoad, measure_service


def main() -> None:
    """Print one JSON object."""
    usual = ServiceLoad()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=usual.records, help="(%(default)s)")
    parser.add_argument("--clients", type=int, default=usual.clients, help="(%(default)s)")
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="(%(default)g)")
    parser.add_argument(
        "--images", type=int, default=usual.added, help="that are added afterwards (%(default)s)"
    )
    parser.add_argument("--scale", choices=("tiny", "full"), default=usual.scale, help="(full)")
    parser.add_argument(
        "--threads", type=int, default=usual.threads, help="of the service (%(default)s)"
    )
    args = parser.parse_args()
    result = measure_service(
        ServiceLoad(args.records, args.clients, args.seconds, args.images, args.scale, args.threads)
    )
    print(json.dumps(result, indent=1))
    if result["errors"]:
        raise SystemExit(f"{result['errors']} errors")


if __name__ == "__main__":
    main()
