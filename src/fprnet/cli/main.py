"""Find the same person by day and by night: visible-infrared person re-identification."""

from __future__ import annotations

import argparse
import errno
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fprnet.cli import (
    benchmark,
    calibrate,
    cross_validate,
    data,
    demo,
    evaluate,
    export,
    extract,
    gallery,
    keys,
    models,
    reproduce,
    search,
    search_fusion,
    serve,
    superres,
    train,
)
from fprnet.errors import FprnetError, UsageError

if TYPE_CHECKING:
    from typing import NoReturn, TypeAlias

    Subcommands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

COMMANDS = (
    demo,
    data,
    train,
    cross_validate,
    evaluate,
    extract,
    export,
    models,
    superres,
    calibrate,
    gallery,
    search,
    serve,
    keys,
    reproduce,
    search_fusion,
    benchmark,
)

PATIENCE = 10.0  # seconds
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, as all others are."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see '{self.prog} --help'")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; a mistake of the user is one line on stderr and exit status 2."""
    parser = _Parser(prog="fprnet", description=__doc__, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=_version())
    subcommands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(subcommands)
    try:
        args, rest = parser.parse_known_args(argv)
        if rest and not args.takes_overrides:
            raise UsageError(f"unknown argument {rest[0]!r}; see '{args.prog} --help'")
        args.overrides = rest
        status: int = args.run(args)
    except FprnetError as error:
        return _complain(str(error))
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # the reader of our output, e.g. 'head', is gone
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        if error.filename is None and error.errno not in FULL_DISK:
            raise
        where = error.filename or "a file"
        return _complain(f"{where} cannot be used ({error.strerror}); check path, rights and space")
    except KeyboardInterrupt:
        print("fprnet: interrupted; start the same command again to go on", file=sys.stderr)
        return 130
    return status


def run() -> None:
    """Entry point of the ``fprnet`` command."""
    sys.exit(main())


def _complain(message: str) -> int:
    if os.environ.get("LOCAL_RANK", "0") != "0":
        # Under torchrun all processes of a machine make the same mistake and the first says so;
        # torchrun then ends the others here. One that is still there has something else to say.
        time.sleep(PATIENCE)
    print(f"fprnet: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return 2


def _version() -> str:
    from importlib.metadata import version

    return f"fprnet {version('fprnet')}"
