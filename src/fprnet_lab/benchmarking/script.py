"""What the scripts under ``benchmarks/`` that measure embeddings share: options, split, result."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from fprnet.data.sysu_mm01 import SysuSplit, read_split
from fprnet_lab.benchmarking.seeded import official_sized_split

__all__ = ["chosen_split", "print_result", "vectors_parser"]


def vectors_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of ``--split``, ``--dimensions`` and ``--repeats``.

    Args:
        description: The script's docstring, printed as it is written.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--split", type=Path, help="folder with the split files (drawn)")
    parser.add_argument("--dimensions", type=int, default=512, help="of an embedding (512)")
    parser.add_argument("--repeats", type=int, default=3, help="best of (3)")
    return parser


def chosen_split(folder: Path | None) -> SysuSplit:
    """Return the split of a folder; without one, a drawn split of the official size.

    Raises:
        DataError: The split files are missing or damaged.
    """
    return official_sized_split() if folder is None else read_split(folder, needed=("test",))


def print_result(result: Mapping[str, object], tolerance: float) -> None:
    """Print a result as JSON; one whose ``max_difference`` is too large ends the script.

    Raises:
        SystemExit: The two sides differ; a difference that is no number never agrees.
    """
    print(json.dumps(dict(result), indent=1))
    if not float(str(result["max_difference"])) <= tolerance:
        raise SystemExit("the two sides differ")
