"""Train a preset, or continue a run; any value of its config can be overridden."""

from __future__ import annotations

import argparse
import difflib
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, add_json, add_layout, existing_data_set, positive
from fprnet.errors import UsageError

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands
    from fprnet.config import RunConfig

OPTIONS = (
    *("--preset", "--data", "--layout", "--split", "--out", "--scale", "--max-steps", "--config"),
    *("--print-config", "--start-from"),
)
EXAMPLE = """\
  fprnet train --preset fprnet --data SYSU-MM01 --out runs/fprnet
  fprnet train --preset fprnet --scale tiny --data generated --out runs/tiny --training.epochs 10
  fprnet train --preset fprnet --data RegDB --split 1 --out runs/split-1
  fprnet train --start-from fprnet-people --data site --out runs/site --optimizer.learning_rate 0.01
  torchrun --nproc-per-node 2 -m fprnet train --preset fprnet --data SYSU-MM01 --out runs/two

The same command again continues a run that was stopped. --print-config shows every value that can
be overridden, and what the run would use."""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet train``."""
    parser = add_command(subcommands, "train", summary=__doc__, example=EXAMPLE)
    add_run_options(parser)
    parser.add_argument(
        "--split",
        type=positive,
        metavar="N",
        help="split of RegDB, 1 to 10; 'fprnet cross-validate' trains on all of them",
    )
    parser.add_argument(
        "--max-steps",
        type=positive,
        metavar="N",
        help="stop, with a checkpoint, once N optimiser steps are done",
    )
    parser.add_argument("--print-config", action="store_true", help="print the config and stop")
    add_json(parser)
    parser.set_defaults(run=run, takes_overrides=True)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Declare what makes the config of a run, and its folder."""
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="preset; 'fprnet models' lists them (default: that of --config, or fprnet)",
    )
    parser.add_argument(
        "--data", type=existing_data_set, metavar="ROOT", help="folder of the data set, or manifest"
    )
    add_layout(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="RUN",
        help="folder of the run; an unfinished run there is continued",
    )
    parser.add_argument(
        "--scale",
        choices=("tiny", "full"),
        help="size of the preset (default: that of --config, or full)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        help="seed of every random number of the run (default: that of --config, or 0)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="YAML file of overrides, e.g. a run's config.yaml",
    )
    parser.add_argument(
        "--start-from",
        metavar="MODEL",
        help="trained model whose weights, classifiers apart, and whose config a new run begins "
        "with: a shipped model's name, hf:owner/name, a folder or a checkpoint",
    )


def config_of(args: argparse.Namespace, *, split: int | None) -> RunConfig:
    """Return the config that the options of `add_run_options` and the overrides ask for."""
    from fprnet.config import load_config

    _check_options(args.overrides)
    place = []
    if args.data is not None:  # the layout of another root, from --config, says nothing about it
        place += ["--data.root", str(args.data), "--data.layout", args.layout]
    elif args.layout != "auto":
        place += ["--data.layout", args.layout]
    if split is not None:
        place += ["--data.split", str(split)]
    return load_config(
        args.preset,
        scale=args.scale,
        seed=args.seed,
        file=args.config,
        base=None if args.start_from is None else _config_to_start_from(args.start_from),
        overrides=[*place, *args.overrides],
    )


def _config_to_start_from(source: str) -> RunConfig:
    """Return the config of a model without what it says of its own data and machine."""
    from fprnet.methods.network import untrained
    from fprnet.runs.start import config_of_model

    config = config_of_model(source)
    return replace(
        config,
        model=untrained(config.model),
        data=replace(config.data, root="", layout="auto", split=None, cache=None),
        training=replace(config.training, start_from=source, precision=None, threads=None),
    )


def check_places(args: argparse.Namespace, config: RunConfig) -> None:
    """Refuse a run without data set or folder."""
    if args.out is None:
        raise UsageError("--out is missing; give the folder of the run")
    if not config.data.root:
        raise UsageError("--data is missing; give the folder of the data set")


def run(args: argparse.Namespace) -> int:
    """Train and say where the result lies."""
    config = config_of(args, split=args.split)
    if args.print_config:
        from fprnet.config import to_yaml

        print(to_yaml(config), end="")
        return 0
    check_places(args, config)

    # Imported here so that 'fprnet --help' does not wait for torch.
    from fprnet.training.run import run_training

    outcome = run_training(config, args.out, max_steps=args.max_steps)
    if not outcome.is_main_process:
        return 0
    best = args.out / "checkpoints" / "best.pt"
    if args.json:
        print(json.dumps(outcome.as_dict() | {"checkpoint": str(best)}))
    elif outcome.finished:
        done = "was finished already" if outcome.first_step == outcome.step else "is finished"
        print(
            f"{args.out} {done}, {outcome.step} steps; "
            f"next: fprnet evaluate {best} --data {config.data.root}{_foreign(config.data.layout)}"
        )
    else:
        print(f"{outcome.step} of {outcome.total_steps} steps done; the same command goes on")
    sys.stdout.flush()
    return 0


def _foreign(layout: str) -> str:
    """Return the words of the next command that name code of somebody else."""
    from fprnet.data.readers import READERS
    from fprnet.plugins import allowed

    words = [] if layout in (*READERS, "auto") else ["--layout", layout]
    words += [word for name in allowed() for word in ("--plugin", name)]
    return "".join(f" {shlex.quote(word)}" for word in words)


def _check_options(overrides: Sequence[str]) -> None:
    """Refuse a misspelled option of the command before it is taken for a key of the config."""
    for word in overrides:
        name = word.partition("=")[0]
        if name in OPTIONS:  # of this module, but not of the command that was called
            raise UsageError(f"{name} is no option of this command; see its --help")
        near = difflib.get_close_matches(name, OPTIONS, n=1, cutoff=0.75)
        if name.startswith("--") and "." not in name and near:
            raise UsageError(f"unknown option {name} (did you mean {near[0]}?)")
