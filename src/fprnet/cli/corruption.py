"""Options of commands that corrupt images before they are embedded."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fprnet.cli.arguments import positive

if TYPE_CHECKING:
    from fprnet.evaluation.corruptions import Corruption

__all__ = ["add_corruption", "corruption_of"]

DEPENDENT = ("corrupt_modality", "corrupt_severity", "corrupt_seed", "corrupt_draw")


def add_corruption(parser: argparse.ArgumentParser, *, draws: bool = False) -> None:
    """Declare ``--corrupt`` and what belongs to it.

    Args:
        parser: The command's.
        draws: Declare ``--corrupt-draws``, the number of draws, else ``--corrupt-draw``, which one.
    """
    group = parser.add_argument_group("corrupted images", "changed before they are embedded")
    group.add_argument(
        "--corrupt",
        metavar="NAME",
        help="mixed (one of twenty corruptions for each image), occlusion, or one by name, e.g. "
        "motion-blur",
    )
    group.add_argument(
        "--corrupt-modality",
        choices=("visible", "infrared", "both"),
        help="whose images are corrupted (default: both)",
    )
    group.add_argument(
        "--corrupt-severity",
        type=int,
        choices=(1, 2, 3, 4, 5),
        help="strength of the corruption (default: drawn for each image)",
    )
    group.add_argument(
        "--corrupt-seed", type=int, metavar="S", help="seed of the corruptions (default: 0)"
    )
    if draws:
        group.add_argument(
            "--corrupt-draws",
            dest="corrupt_draw",
            type=positive,
            metavar="N",
            help="number of times that all images are corrupted and scored (default: 3)",
        )
    else:
        group.add_argument(
            "--corrupt-draw",
            type=positive,
            metavar="N",
            help="number of the draw of corruptions, from 1 (default: 1)",
        )


def corruption_of(args: argparse.Namespace) -> Corruption | None:
    """Return the corruption that was asked for; its draw is ``--corrupt-draw``, or the first.

    Raises:
        UsageError: An option has no meaning without ``--corrupt``, or there is no such corruption.
    """
    from fprnet.errors import UsageError
    from fprnet.evaluation.corruptions import Corruption

    if args.corrupt is None:
        for name in DEPENDENT:
            if getattr(args, name) is not None:
                raise UsageError(f"--{name.replace('_', '-')} needs --corrupt NAME; add it")
        return None
    return Corruption(
        name=args.corrupt,
        modality=args.corrupt_modality or "both",
        severity=args.corrupt_severity,
        seed=args.corrupt_seed or 0,
        draw=args.corrupt_draw or 1,
    )
