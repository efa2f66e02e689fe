"""Write a model as graphs, one per modality, for other programs and for speed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import (
    add_command,
    add_json,
    add_layout,
    existing_data_set,
    mention_untrained,
)

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands
    from fprnet.export.export import Exported

EXAMPLE = """\
  fprnet export runs/fprnet --format onnx --out exported
  fprnet export runs/fprnet --format openvino --out small --int8 --data SYSU-MM01
  fprnet evaluate exported --data SYSU-MM01"""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet export``."""
    parser = add_command(subcommands, "export", summary=__doc__, example=EXAMPLE)
    parser.add_argument("model", metavar="MODEL", help="checkpoint, run folder or preset")
    parser.add_argument(
        "--format", choices=("onnx", "openvino"), required=True, help="format of the graphs"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="new folder of the export"
    )
    parser.add_argument(
        "--int8",
        action="store_true",
        help="eight-bit OpenVINO graphs; refused if they cost more than 0.5 points of mAP on the "
        "validation people of --data",
    )
    parser.add_argument(
        "--data",
        type=existing_data_set,
        metavar="ROOT",
        help="data set whose images the graphs are checked with, and whose validation people they "
        "are scored on (default: a few synthetic images, no scores)",
    )
    add_layout(parser)
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="folder of the resized images (default: ROOT/.fprnet-cache)",
    )
    parser.add_argument(
        "--scale", choices=("tiny", "full"), default="full", help="size of the preset"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the folder, and print how far it is from the model."""
    from fprnet.embeddings.exported_graphs import holds_graphs
    from fprnet.embeddings.loading import load_model
    from fprnet.errors import UsageError
    from fprnet.export.export import export_model

    if holds_graphs(Path(args.model)):
        raise UsageError(f"{args.model} is an exported graph; give the checkpoint it was made from")
    if args.data is None and (args.cache is not None or args.layout != "auto"):
        raise UsageError("--cache and --layout are of --data; add it")
    embedder = load_model(
        args.model, scale=args.scale, device="cpu", runtime="pytorch", precision="float32"
    )
    mention_untrained(embedder)
    exported = export_model(
        embedder,
        args.format,
        args.out,
        weights="int8" if args.int8 else "float32",
        data=args.data,
        layout=args.layout,
        cache=args.cache,
    )
    print(json.dumps(exported.as_dict()) if args.json else _text(exported))
    return 0


def _text(exported: Exported) -> str:
    megabytes = exported.as_dict()["bytes"] / 1e6
    parity = exported.parity
    lines = [
        f"{exported.out}: {', '.join(exported.files)} ({exported.weights}, {megabytes:.1f} MB)",
        f"against PyTorch on {parity.images} images: largest difference "
        f"{parity.max_difference:.1e}, smallest cosine {parity.min_cosine:.6f}",
    ]
    if exported.scores:
        ours, theirs = exported.scores["exported"], exported.scores["pytorch"]
        lines += [
            f"{name} on the validation people: {100 * ours[name]:.2f} %, PyTorch "
            f"{100 * theirs[name]:.2f} %"
            for name in ours
        ]
    return "\n".join(lines)
