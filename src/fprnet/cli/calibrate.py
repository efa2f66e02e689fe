"""Learn how far a model's similarities can be trusted, on people whom it was not trained on."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, add_json, add_layout, existing_data_set, positive
from fprnet.text_table import text_table

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands
    from fprnet.gallery.calibrating import Measured

EXAMPLE = """\
  fprnet calibrate runs/fprnet --data generated --picture reliability.png

The result lies beside the checkpoint (best.calibration.json), where 'fprnet search' and
'fprnet serve' find it."""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet calibrate``."""
    parser = add_command(subcommands, "calibrate", summary=__doc__, example=EXAMPLE)
    parser.add_argument("model", metavar="MODEL", help="checkpoint or run folder")
    parser.add_argument(
        "--data", type=existing_data_set, required=True, metavar="ROOT", help="data set"
    )
    add_layout(parser)
    parser.add_argument("--split", type=positive, metavar="N", help="of RegDB: 1 to 10")
    parser.add_argument(
        "--people",
        choices=("validation", "test"),
        default="validation",
        help="on whom (%(default)s); whoever is calibrated on must not be tested on",
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder of the resized images")
    parser.add_argument("--out", type=Path, metavar="FILE", help="(default: beside the checkpoint)")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="reliability diagram")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the calibration, and print how good it is."""
    from fprnet.data.data_set import open_data_set
    from fprnet.embeddings.embedder import load_model
    from fprnet.embeddings.from_disk import extract_data_set
    from fprnet.errors import UsageError
    from fprnet.files import replacing
    from fprnet.gallery.calibrating import calibrate, pairs_of
    from fprnet.gallery.calibration import calibration_path, write_calibration
    from fprnet.gallery.opening import checkpoint_of
    from fprnet.reporting.plots import png
    from fprnet.reporting.reliability import reliability_figure

    embedder = load_model(args.model)
    if not embedder.about["trained"]:
        raise UsageError(f"preset {args.model} is not trained; give a checkpoint or run folder")
    if args.people == "validation" and embedder.config.data.identities == "train+validation":
        raise UsageError(
            f"{args.model} was trained on the validation people, too, and would trust itself too "
            "much; train with --data.identities train, or give --people test"
        )
    data_set = open_data_set(args.data, layout=args.layout, split=args.split, needed=(args.people,))
    records = data_set.records()
    people = data_set.validation if args.people == "validation" else data_set.test
    features = extract_data_set(embedder, records, identities=people, cache=args.cache)
    location = records.of(people).location
    calibration, measured = calibrate(
        pairs_of(features, location), embedder.about["checkpoint_sha256"]
    )
    out = args.out or calibration_path(checkpoint_of(args.model))
    write_calibration(out, calibration)
    if args.picture is not None:
        with replacing(args.picture) as temporary:
            temporary.write_bytes(png(reliability_figure(measured)))
    if args.json:
        print(json.dumps(calibration.as_dict()))
    else:
        print(_text(measured, calibration.method, len(people), out))
    return 0


def _text(measured: dict[str, Measured], kept: str, people: int, out: Path) -> str:
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
            "(kept)" if method == kept else "",
        ]
        for method, result in measured.items()
    ]
    return "\n".join(
        [
            f"measured on other people than fitted on, in turns, of {people}:",
            text_table(head, rows, left=(0, 3, 4)),
            f"{out} is written",
        ]
    )
