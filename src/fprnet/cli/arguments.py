"""Arguments that several commands share, with one meaning everywhere."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cores import available_cores
from fprnet.errors import UsageError

if TYPE_CHECKING:
    from typing import TypeAlias

    from fprnet.embeddings.embedder import Embedder

    Subcommands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

__all__ = [
    "Subcommands",
    "add_command",
    "add_json",
    "add_layout",
    "add_runtime",
    "add_time_format",
    "add_workers",
    "existing_data_set",
    "existing_folder",
    "finite",
    "mention_untrained",
    "names_of",
    "positive",
    "size",
]


def add_command(
    subcommands: Subcommands, name: str, *, summary: str | None, example: str
) -> argparse.ArgumentParser:
    """Declare a command whose ``--help`` ends with an example."""
    parser = subcommands.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"example:\n{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(  # taken out of the command line before it is parsed
        "--plugin",
        action="append",
        metavar="NAME",
        help="allow components of an installed distribution or of a .py file (repeatable)",
    )
    parser.set_defaults(prog=parser.prog, takes_overrides=False)
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    """Declare ``--json``."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def add_layout(parser: argparse.ArgumentParser) -> None:
    """Declare ``--layout`` of the data set that ``--data`` names."""
    parser.add_argument(
        "--layout",
        default="auto",
        metavar="NAME",
        help="layout of the data set's files: sysu-mm01, regdb, llcm, manifest, hitsz-vcm, "
        "buptcampus, or package.module:Name of a reader of your own (default: auto, recognised "
        "by what is there)",
    )


def add_runtime(parser: argparse.ArgumentParser, *, precision: str = "auto") -> None:
    """Declare ``--runtime`` and ``--precision`` of a model.

    Args:
        parser: The command's.
        precision: Default. Embeddings that are scored take "reference", so that the same command
            gives the same numbers; "auto" measures which precision is faster on this machine.
    """
    parser.add_argument(
        "--runtime",
        metavar="NAME",
        default="auto",
        help="what computes embeddings: pytorch, openvino, or package.module:Name of an allowed "
        "plugin (default: auto, the fastest with the same answers)",
    )
    parser.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default=precision,
        help="what the network computes in; auto: what is measured to be faster on this machine "
        + (
            "(default: auto)"
            if precision == "auto"
            else "(default: float32, or the eight bits of an exported graph)"
        ),
    )


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Declare ``--workers``."""
    parser.add_argument(
        "--workers",
        type=positive,
        default=available_cores(),
        metavar="W",
        help="number of processes (default: %(default)s, the cores that this process may use)",
    )


def existing_data_set(text: str) -> Path:
    """Take the path of a folder that is there, or of a manifest."""
    path = Path(text)
    if not path.is_dir() and not (path.is_file() and path.suffix.lower() in (".csv", ".parquet")):
        raise argparse.ArgumentTypeError(
            f"{text} is no folder and no .csv or .parquet file; check the path"
        )
    return path


def add_time_format(parser: argparse.ArgumentParser, table: str) -> None:
    """Declare how a table writes its times."""
    parser.add_argument(
        "--time-format",
        metavar="PATTERN",
        help=f"how {table} writes its times, e.g. '%%d.%%m.%%Y %%H:%%M:%%S' as spreadsheets in "
        "Europe do (default: as ISO 8601 says)",
    )


def existing_folder(text: str) -> Path:
    """Take the path of a folder that is there."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder; check the path")
    return path


def mention_untrained(embedder: Embedder) -> None:
    """Say on stderr that a preset's weights are random, so that nobody takes them for a model."""
    if not embedder.about["trained"]:
        print(f"preset {embedder.about['preset']} is not trained: chance level", file=sys.stderr)


def positive(text: str) -> int:
    """Take a whole number above 0."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number


def finite(text: str) -> float:
    """Take a number that is neither infinite nor NaN."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")
    return number


def size(text: str) -> tuple[int, int]:
    """Take ``HxW``, e.g. ``128x64``."""
    height, x, width = text.lower().partition("x")
    if not x:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write height x width: 128x64")
    return positive(height), positive(width)


def names_of(
    names: Sequence[str] | None, results: Sequence[Path], default: Callable[[Path], str]
) -> list[str]:
    """Return the name of the method of each result file.

    Args:
        names: What ``--names`` gave; None where it was left out.
        results: Result files.
        default: Name of a file's method where no names were given.

    Raises:
        UsageError: There are more or fewer names than results.
    """
    if names is None:
        return [default(file) for file in results]
    if len(names) != len(results):
        raise UsageError(
            f"there are {len(names)} names for {len(results)} results; give one for each"
        )
    return list(names)
