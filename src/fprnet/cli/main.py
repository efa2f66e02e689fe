"""Find the same person by day and by night: visible-infrared person re-identification."""

from __future__ import annotations

import argparse
import codecs
import errno
import io
import os
import re
import sys
import time
from collections.abc import Sequence
from importlib.metadata import entry_points
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from fprnet import plugins
from fprnet.cli import (
    adapt,
    calibrate,
    components,
    cross_validate,
    data,
    evaluate,
    events,
    export,
    extract,
    gallery,
    keys,
    models,
    protocols,
    search,
    serve,
    table,
    train,
    watch,
)
from fprnet.errors import FprnetError, UsageError

if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["COMMANDS", "COMMAND_GROUP", "main", "run"]

COMMANDS = (
    data,
    train,
    cross_validate,
    adapt,
    evaluate,
    protocols,
    table,
    extract,
    export,
    models,
    components,
    calibrate,
    gallery,
    search,
    watch,
    events,
    serve,
    keys,
)
COMMAND_GROUP = "fprnet.commands"
"""Entry points of installed distributions: a module with ``add_parser(subcommands)`` each."""

PATIENCE = 10.0  # seconds
PLAIN_TEXT = "fprnet.plain_text"  # name of the error handler of output streams
PLAIN_SIGNS = {"\u2013": "-", "\u00b1": "+/-", "\u00d7": "x"}
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
    groups: dict[str, Any] = {"": subcommands}
    for command in COMMANDS:
        inner = command.add_parser(subcommands)
        if inner is not None:
            groups[command.__name__.rpartition(".")[2]] = inner
    _add_installed_commands(groups)
    try:
        words = _allow_plugins(sys.argv[1:] if argv is None else list(argv))
        _refuse_empty(words)
        args, rest = parser.parse_known_args(words)
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


def _refuse_empty(words: Sequence[str]) -> None:
    """Refuse words that are nothing, which paths would take for the folder they are in.

    Raises:
        UsageError: There is one.
    """
    for before, word in pairwise(("", *words)):
        if word == "" or re.fullmatch(r"--[^=]+=", word):
            name = word.rstrip("=") or f"what follows {before or 'fprnet'!r}"
            raise UsageError(f"{name} is empty; give a value, or set the shell's variable")


def _allow_plugins(words: list[str]) -> list[str]:
    """Take ``--plugin NAME`` out of a command's words, wherever it stands, and allow it."""
    first = _Parser(prog="fprnet", add_help=False, allow_abbrev=False)
    first.add_argument("--plugin", action="append", default=[])
    chosen, rest = first.parse_known_args(words)
    if chosen.plugin:
        plugins.allow_plugins(chosen.plugin)
    return rest


def _add_installed_commands(groups: dict[str, Any]) -> None:
    """Declare the commands that installed distributions bring; "data.generate" joins "data"."""
    for point in entry_points(group=COMMAND_GROUP):
        group, _, _ = point.name.rpartition(".")
        if group not in groups:
            print(
                f"fprnet: command {point.name!r} of {point.value} belongs to no known command; "
                "name its entry point without a dot",
                file=sys.stderr,
            )
            continue
        try:
            module = point.load()
        except ImportError as error:
            print(
                f"fprnet: command {point.name!r} cannot be loaded ({error}); "
                "update or uninstall its distribution",
                file=sys.stderr,
            )
            continue
        try:
            module.add_parser(groups[group])
        except argparse.ArgumentError as error:
            print(
                f"fprnet: command {point.name!r} of {point.value} is left out ({error}); "
                "its distribution must give it another name",
                file=sys.stderr,
            )


def run() -> None:
    """Entry point of the ``fprnet`` command."""
    codecs.register_error(PLAIN_TEXT, _in_plain_text)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=PLAIN_TEXT)
    try:
        status = main()
        sys.stdout.flush()
    except KeyboardInterrupt:  # before or after the command itself
        status = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)


def _in_plain_text(error: UnicodeError) -> tuple[str, int]:
    """Write what the terminal's encoding lacks in other signs: no result may be lost for a dash."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    written = (
        PLAIN_SIGNS.get(sign) or sign.encode("ascii", "backslashreplace").decode()
        for sign in lacking
    )
    return "".join(written), error.end


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
