"""Train a super-resolution network, sharpen a data set with it, or score it as its literature."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import (
    add_command,
    add_json,
    add_workers,
    existing_data_set,
    existing_folder,
    positive,
    size,
)
from fprnet.errors import UsageError

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

TRAIN = "Train SRCNN on the visible images of one camera, or continue a training."
TRAIN_EXAMPLE = """\
  fprnet superres train --data SYSU-MM01 --out runs/srcnn
  fprnet superres train --preset paper --data generated --out runs/paper-srcnn --learning_rate 0.01

The same command again continues a training that was stopped. --print-config shows every value that
can be overridden."""
APPLY = "Write a data set whose training images of some visible cameras are sharper."
APPLY_EXAMPLE = """\
  fprnet superres apply SYSU-MM01 --out SYSU-sharp --cameras 1 --weights runs/srcnn

Then: fprnet train --data SYSU-sharp ...  All but the training images of those cameras is linked to
the original; validation and test images are never changed. The same command again goes on."""
EVALUATE = "Measure PSNR and SSIM on luma as the super-resolution literature does."
EVALUATE_EXAMPLE = "  fprnet superres evaluate 9-5-5.mat Set5 --scale 4"


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet superres train``, ``apply`` and ``evaluate``."""
    parser = add_command(
        subcommands,
        "superres",
        summary=__doc__,
        example="  fprnet superres train --data generated --out runs/srcnn\n"
        "  fprnet superres apply generated --out sharp --weights runs/srcnn\n"
        f"{EVALUATE_EXAMPLE}",
    )
    inner = parser.add_subparsers(metavar="ACTION", required=True)
    _add_train(inner)
    _add_apply(inner)
    _add_evaluate(inner)


def _add_train(subcommands: Subcommands) -> None:
    parser = add_command(subcommands, "train", summary=TRAIN, example=TRAIN_EXAMPLE)
    parser.add_argument(
        "--preset", metavar="NAME", help="preset: paper, 9-1-5, 9-5-5 or fprnet (default)"
    )
    parser.add_argument(
        "--data", type=existing_data_set, metavar="ROOT", help="folder of the data set"
    )
    parser.add_argument(
        "--split", type=positive, metavar="N", help="number of RegDB's split, 1 to 10"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="RUN",
        help="folder of the run; an unfinished run there is continued",
    )
    parser.add_argument(
        "--camera",
        type=positive,
        metavar="C",
        help="number of the visible camera to learn from (default: that of the preset, 1)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        help="seed of every random number of the run (default: that of --config, or 0)",
    )
    parser.add_argument(
        "--max-steps", type=positive, metavar="N", help="stop, with a checkpoint, at step N"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML file of overrides")
    parser.add_argument("--print-config", action="store_true", help="print the config and stop")
    add_json(parser)
    parser.set_defaults(run=run_train, takes_overrides=True)


def _add_apply(subcommands: Subcommands) -> None:
    parser = add_command(subcommands, "apply", summary=APPLY, example=APPLY_EXAMPLE)
    parser.add_argument(
        "root", type=existing_data_set, metavar="ROOT", help="folder of the data set"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="ROOT2", help="folder to write")
    parser.add_argument(
        "--cameras",
        type=positive,
        nargs="+",
        default=[1],
        metavar="C",
        help="numbers of the visible cameras whose images get sharper (default: 1, as in the "
        "paper)",
    )
    parser.add_argument(
        "--split", type=positive, metavar="N", help="number of RegDB's split, 1 to 10"
    )
    _add_weights(parser)
    parser.add_argument(
        "--size",
        type=size_or_keep,
        default=(256, 256),
        metavar="HxW|keep",
        help="height x width of the result in pixels (default: 256x256, as in the paper); keep: "
        "each image's own",
    )
    parser.add_argument(
        "--input-size",
        type=size_or_keep,
        default=None,
        metavar="HxW|keep",
        help="height x width in pixels that images are resized to before that (default: "
        "keep, each image's own; the paper has 128x128)",
    )
    parser.add_argument("--copy", action="store_true", help="copy all other files, do not link")
    _add_skip(parser)
    add_workers(parser)
    add_json(parser)
    parser.set_defaults(run=run_apply)


def _add_evaluate(subcommands: Subcommands) -> None:
    parser = add_command(subcommands, "evaluate", summary=EVALUATE, example=EVALUATE_EXAMPLE)
    parser.add_argument(
        "weights",
        type=Path,
        metavar="WEIGHTS",
        help="run folder or checkpoint; classic SRCNN: .mat, .npz or .pth",
    )
    parser.add_argument("folder", type=existing_folder, metavar="FOLDER", help="images, e.g. Set5")
    _add_scale(parser)
    _add_skip(parser)
    add_workers(parser)
    add_json(parser)
    parser.set_defaults(run=run_evaluate)


def _add_weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="W",
        help="run folder or checkpoint of 'superres train'; classic SRCNN: .mat, .npz or .pth "
        "(default: train the preset fprnet first, in ROOT2-srcnn)",
    )
    _add_scale(parser)


def _add_scale(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scale",
        type=int,
        choices=(2, 3, 4),
        help="how many times larger; classic weights need it, a checkpoint knows it",
    )
    parser.add_argument(
        "--transpose",
        action="store_true",
        help="swap height and width of every kernel of classic weights",
    )


def _add_skip(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--skip-unreadable", action="store_true", help="name damaged images and go on"
    )


def size_or_keep(text: str) -> tuple[int, int] | None:
    """Take ``HxW`` or ``keep``."""
    return None if text == "keep" else size(text)


def run_train(args: argparse.Namespace) -> int:
    """Train and say how far above bicubic enlargement the network is."""
    from fprnet_lab.superres.config import load_config, to_yaml

    overrides = list(args.overrides)
    for name in ("data", "split", "camera"):
        if getattr(args, name) is not None:
            overrides += [f"--{name}", str(getattr(args, name))]
    config = load_config(args.preset, seed=args.seed, file=args.config, overrides=overrides)
    if args.print_config:
        print(to_yaml(config), end="")
        return 0
    if args.out is None:
        raise UsageError("--out is missing; give the folder of the run")
    if not config.data:
        raise UsageError("--data is missing; give the folder of the data set")

    from fprnet_lab.superres.train import train_superres

    outcome = train_superres(config, args.out, max_steps=args.max_steps)
    if args.json:
        best = args.out / "checkpoints" / "best.pt"
        print(json.dumps(outcome.as_dict() | {"checkpoint": str(best)}))
        return 0
    if outcome.step < outcome.total_steps:
        print(f"{outcome.step} of {outcome.total_steps} steps done; the same command goes on")
        return 0
    print(f"{args.out} is finished, {outcome.step} steps")
    for record in outcome.history:
        if "validation" in record:
            scores = record["validation"]
            print(
                f"step {record['step']:>6}: {scores['psnr']:.2f} dB, SSIM {scores['ssim']:.4f} on "
                f"validation identities (bicubic {scores['bicubic_psnr']:.2f} dB, "
                f"{scores['bicubic_ssim']:.4f})"
            )
    print(f"next: fprnet superres apply {config.data} --out SHARP --weights {args.out}")
    return 0


def run_apply(args: argparse.Namespace) -> int:
    """Write the sharper data set."""
    from fprnet_lab.superres.apply import apply_superres
    from fprnet_lab.superres.weights import load_network

    weights = args.weights or _train_first(args)
    loaded = load_network(weights, scale=args.scale, transpose=args.transpose)
    applied = apply_superres(
        args.root,
        args.out,
        loaded,
        cameras=args.cameras,
        split=args.split,
        input_size=args.input_size,
        size=args.size,
        transposed=args.transpose,
        copy=args.copy,
        skip_unreadable=args.skip_unreadable,
        workers=args.workers,
    )
    if args.json:
        print(json.dumps(applied.as_dict()))
        return 0
    print(
        f"{args.out} is complete: {applied.rewritten} images rewritten, {applied.linked} files as "
        f"they were, {len(applied.unreadable)} of them unreadable images; next: fprnet train "
        f"--data {args.out} --out runs/sharp"
    )
    return 0


def _train_first(args: argparse.Namespace) -> Path:
    """Train the default preset on the first of the cameras, or continue that; return its folder."""
    from fprnet_lab.superres.config import load_config
    from fprnet_lab.superres.train import train_superres

    run: Path = args.out.with_name(f"{args.out.name}-srcnn")
    split = [] if args.split is None else ["--split", str(args.split)]
    words = ["--data", str(args.root), "--camera", str(args.cameras[0]), *split]
    print(f"no --weights: training them in {run}", file=sys.stderr)
    train_superres(load_config(overrides=words), run)
    return run


def run_evaluate(args: argparse.Namespace) -> int:
    """Print the table on stdout."""
    from fprnet_lab.superres.evaluate import evaluate_folder
    from fprnet_lab.superres.weights import load_network

    loaded = load_network(args.weights, scale=args.scale, transpose=args.transpose)
    scores = evaluate_folder(
        loaded, args.folder, skip_unreadable=args.skip_unreadable, workers=args.workers
    )
    print(json.dumps(scores.as_dict()) if args.json else scores.table())
    return 0
