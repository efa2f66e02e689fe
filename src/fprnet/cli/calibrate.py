"""Make a model's embeddings compact, and learn how far their similarities can be trusted."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.adapt import add_crops, read_site, removing_copies
from fprnet.cli.arguments import add_command, add_json, add_layout, existing_data_set, positive
from fprnet.errors import UsageError
from fprnet.text_table import text_table

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands
    from fprnet.gallery.calibrated_model import CalibratedModel

EXAMPLE = """\
  fprnet calibrate runs/fprnet --data generated --picture reliability.png
  fprnet calibrate runs/site --unlabelled --crops crops/manifest.csv --apart 20

Two files are written beside the checkpoint: best.projection.safetensors, which makes the
embeddings of a gallery compact, and best.calibration.json, which turns their similarities into
probabilities. With --unlabelled the threshold comes from crops that nobody has labelled: pairs that
were taken at two locations at one time are two people."""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet calibrate``."""
    parser = add_command(subcommands, "calibrate", summary=__doc__, example=EXAMPLE)
    parser.add_argument("model", metavar="MODEL", help="checkpoint or run folder")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--data", type=existing_data_set, metavar="ROOT", help="folder of a data set"
    )
    source.add_argument(
        "--unlabelled",
        action="store_true",
        help="take crops without labels: --crops or --gallery, with locations and times",
    )
    add_crops(parser)
    add_layout(parser)
    parser.add_argument(
        "--split", type=positive, metavar="N", help="number of RegDB's split, 1 to 10"
    )
    parser.add_argument(
        "--people",
        choices=("validation", "test"),
        default="validation",
        help="people to calibrate on (default: %(default)s); they must not be tested on afterwards",
    )
    parser.add_argument(
        "--full-size", action="store_true", help="calibrate full embeddings, and no compact ones"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="folder of the data set's resized images (default: ROOT/.fprnet-cache)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where the calibration is written (default: beside the checkpoint)",
    )
    parser.add_argument(
        "--picture", type=Path, metavar="FILE.png", help="draw a reliability diagram"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the calibration, and print how good it is."""
    if args.unlabelled:
        return _run_unlabelled(args)
    of_crops = (args.crops, args.time_format, args.gallery)
    if args.visible or args.infrared or any(given is not None for given in of_crops):
        raise UsageError(
            "--visible, --infrared, --crops, --time-format and --gallery are of --unlabelled"
        )
    from fprnet.files import replacing
    from fprnet.gallery.calibration import calibration_path
    from fprnet.gallery.steps import calibrate
    from fprnet.reporting.plots import png
    from fprnet.reporting.reliability import reliability_figure
    from fprnet.runs.pretrained import weights_file

    outcome = calibrate(
        args.model,
        args.data,
        people=args.people,
        layout=args.layout,
        split=args.split,
        compact=not args.full_size,
        out=args.out,
        cache=args.cache,
    )
    calibration, measured = outcome.calibration, outcome.measured
    out = args.out or calibration_path(weights_file(args.model))
    if args.picture is not None:
        with replacing(args.picture) as temporary:
            temporary.write_bytes(png(reliability_figure(measured)))
    if args.json:
        sizes = {str(size): value for size, value in outcome.sizes.items()}
        compact = {"size": outcome.size, "mAP": sizes}
        print(json.dumps({**calibration.as_dict(), "embedding": compact}))
    else:
        print(_text(outcome, calibration.measured["people"], out))
    return 0


def _run_unlabelled(args: argparse.Namespace) -> int:
    from fprnet.adaptation.steps import CROPS, calibrate_unlabelled, calibration_target

    if args.picture is not None or args.split is not None or args.cache is not None:
        raise UsageError("--picture, --split and --cache are of --data")
    out = calibration_target(args.model, args.out)
    with removing_copies(out.parent / CROPS):
        site = read_site(args, out.parent / CROPS)
        calibration = calibrate_unlabelled(
            args.model, site, seconds=args.apart, out=out, compact=not args.full_size
        )
    if args.json:
        print(json.dumps(calibration.as_dict()))
        return 0
    candidates = int((~site.infrared).sum())
    thresholds = ", ".join(
        f"{calibration.threshold(rate, candidates):.3f} ({rate})" for rate in (0.01, 0.05, 0.1)
    )
    print(
        f"thresholds among {candidates} (false-match rate): {thresholds}\n"
        f"by {calibration.measured['stranger_pairs']} pairs that time and place guarantee\n"
        f"{out} is written"
    )
    return 0


def _text(outcome: CalibratedModel, people: int, out: Path) -> str:
    sizes = ", ".join(f"{size}: {100 * mAP:.2f}" for size, mAP in sorted(outcome.sizes.items()))
    head = [
        "",
        "log loss",
        "calibration error",
        "searches for absent people that find somebody, at a named rate",
        "",
    ]
    rows = [
        [
            method,
            f"{result.log_loss:.4f}",
            f"{result.expected_calibration_error:.4f}",
            ", ".join(f"{rate}: {share:.4f}" for rate, share in result.false_matches.items()),
            "(kept)" if method == outcome.calibration.method else "",
        ]
        for method, result in outcome.measured.items()
    ]
    return "\n".join(
        [
            f"mAP by numbers of an embedding: {sizes}; galleries will hold {outcome.size}",
            f"measured on other people than fitted on, in turns, of {people}:",
            text_table(head, rows, left=(0, 3, 4)),
            f"{out} is written",
        ]
    )
