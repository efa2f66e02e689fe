"""Serve a gallery over HTTP: search, add, erase, and a page for operators."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, existing_folder, mention_untrained, positive
from fprnet.cli.galleries import add_address, add_service_folder

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands
    from fprnet.serving.settings import Settings

EXAMPLE = """\
  fprnet serve --gallery people.db --images day
  fprnet keys add ward-3 --role search --gallery people.db
  fprnet serve --gallery people.db --host 0.0.0.0 --keys
  fprnet serve --gallery postgresql://fprnet@db.example.org/people --host 0.0.0.0 --keys"""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet serve``."""
    parser = add_command(subcommands, "serve", summary=__doc__, example=EXAMPLE)
    add_address(parser, "--gallery")
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="checkpoint, run folder or preset (default: the gallery's own)",
    )
    parser.add_argument(
        "--scale", choices=("tiny", "full"), default="full", help="scale of a preset"
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE",
        help="calibration of the model (default: the one beside the model, if there is one)",
    )
    parser.add_argument("--read-only", action="store_true", help="refuse to add, hide and erase")
    _add_network(parser)
    _add_files(parser)
    _add_limits(parser)
    parser.set_defaults(run=run)


def _add_network(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("who can reach it")
    group.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; any but this machine's own needs --keys (default: %(default)s)",
    )
    group.add_argument(
        "--port", type=_port, default=8000, help="0 takes a free one (default: %(default)s)"
    )
    group.add_argument(
        "--keys",
        action="store_true",
        help="let in only who has a key of the gallery: see 'fprnet keys'",
    )
    group.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="name by which browsers reach the service, e.g. behind a proxy; may be repeated",
    )
    group.add_argument(
        "--trusted-proxy",
        metavar="ADDRESS",
        help="believe the X-Forwarded-For of this reverse proxy",
    )


def _add_files(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("files")
    group.add_argument(
        "--images",
        type=existing_folder,
        action="append",
        default=[],
        metavar="FOLDER",
        help="show gallery images that lie under it; may be repeated",
    )
    add_service_folder(group, "uploaded images, and query images with feedback, lie there")
    group.add_argument(
        "--audit",
        type=Path,
        metavar="FILE",
        help="write the audit log into this file (default: into the gallery, which a replica "
        "cannot)",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits")
    for name, default, text in (
        ("--max-image-mb", 16, "megabytes of one image file"),
        ("--max-megapixels", 25, "million pixels of one image, before it is decoded"),
        ("--batch", 16, "images that the model embeds at once"),
        ("--queue", 128, "images that may wait for the model; more are told to come back"),
        ("--burst", 200, "requests that one key or address may send at once"),
        ("--grace", 30, "seconds that a shutdown waits for what was accepted"),
    ):
        help_text = f"{text} (default: %(default)s)"
        group.add_argument(name, type=positive, default=default, metavar="N", help=help_text)
    group.add_argument(
        "--rate",
        type=_rate,
        default=50.0,
        metavar="N",
        help="requests a second of one key or address; 0: no limit (default: %(default)g)",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    from fprnet.errors import UsageError

    settings = _settings(args)
    try:
        from fprnet.serving.server import listen, run_server
        from fprnet.serving.service import Service
    except ImportError as error:
        raise UsageError(
            f"serving needs {error.name}; install it with: pip install 'fprnet[service]'"
        ) from error
    from fprnet.gallery.opening import open_searcher

    listener = listen(settings.host, settings.port)
    with listener, ExitStack() as stack:
        searcher = open_searcher(
            args.uri,
            name=args.name,
            model=args.model,
            scale=args.scale,
            calibration=args.calibration,
            writable=not args.read_only,
        )
        stack.callback(searcher.gallery.close)
        mention_untrained(searcher.embedder)
        service = Service(searcher, settings)
        try:
            run_server(service, listener)
        finally:
            service.close()
    return 0


def _settings(args: argparse.Namespace) -> Settings:
    from fprnet.serving.folder import default_folder
    from fprnet.serving.settings import MEGABYTE, Settings

    return Settings(
        host=args.host,
        port=args.port,
        folder=args.folder or default_folder(args.uri),
        audit=args.audit,
        keys=args.keys,
        image_roots=tuple(args.images),
        allowed_hosts=tuple(name.lower() for name in args.allow_host),
        trusted_proxy=args.trusted_proxy,
        rate=args.rate,
        burst=args.burst,
        image_bytes=args.max_image_mb * MEGABYTE,
        image_pixels=args.max_megapixels * 1_000_000,
        batch=args.batch,
        queue=args.queue,
        grace=args.grace,
    )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; give 0 to 65535")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of requests a second")
    return rate
