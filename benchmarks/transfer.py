r"""What makes rendered people teach what holds elsewhere: train in one world, test in two others.

    python benchmarks/transfer.py --warm-start WEIGHTS --out RUNS
    python benchmarks/transfer.py --warm-start WEIGHTS --out RUNS --rows base --seeds 3
    python benchmarks/transfer.py --warm-start WEIGHTS --out RUNS --train own=ROOT --test real=ROOT
    python benchmarks/transfer.py --warm-start WEIGHTS --out LONG -- --training.epochs 30

Sets, runs and scores under --out are kept, so the command can be repeated and enlarged. Rows and
test worlds are in fprnet_lab.benchmarking.transfer; --train adds a row of a data set of your own,
--test scores all rows on the test people of one. Words after -- change the config of every run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from fprnet_lab.benchmarking.transfer import ROWS, TESTS, scores_of, table, training_of
from fprnet_lab.jobs import run_jobs
from fprnet_lab.people.writer import generate


def named(text: str) -> tuple[str, Path]:
    """Take ``NAME=ROOT``."""
    name, _, root = text.partition("=")
    if not name or not root:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=ROOT")
    return name, Path(root)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--warm-start", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", nargs="*", choices=ROWS, default=list(ROWS), metavar="ROW")
    parser.add_argument("--train", nargs="+", type=named, default=[], metavar="NAME=ROOT")
    parser.add_argument("--test", nargs="+", type=named, default=[], metavar="NAME=ROOT")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each row (1)")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("overrides", nargs="*", help="words of fprnet train, after --")
    args = parser.parse_args()
    if not args.rows and not args.train:
        parser.error("there is nothing to train on: give --rows or --train")
    sets = {name: args.out / "sets" / name for name in (*args.rows, *TESTS)}
    for name, root in sets.items():
        generate(root, (ROWS | TESTS)[name], workers=args.workers)
    roots = {name: sets[name] for name in args.rows} | dict(args.train)
    tests = {name: sets[name] for name in TESTS} | dict(args.test)
    runs = {
        name: [
            training_of(
                root,
                args.out / "runs" / f"{name}-{seed}",
                warm_start=args.warm_start,
                seed=seed,
                overrides=args.overrides,
            )
            for seed in range(args.seeds)
        ]
        for name, root in roots.items()
    }
    jobs = [run.job() for row in runs.values() for run in row]
    run_jobs(jobs, description="trainings", workers=args.workers)
    torch.set_num_threads(1)
    print(table({name: [scores_of(run, tests) for run in row] for name, row in runs.items()}))


if __name__ == "__main__":
    main()
