"""Events of a gallery: who of the watch list was seen. List them, or send those that wait."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_command, add_json, positive
from fprnet.cli.galleries import add_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fprnet.cli.arguments import Subcommands
    from fprnet.events.dispatcher import Dispatcher
    from fprnet.events.outbox import Event
    from fprnet.events.sinks import Sink
    from fprnet.gallery.gallery import Gallery

__all__ = ["add_parser", "add_sinks", "dispatching", "sinks_of"]

EXAMPLE = """\
  fprnet events list --gallery people.db
  fprnet events send --gallery people.db --webhook https://example.org/hook --secret hook.secret"""
LIST = "List events, the newest last."
LIST_EXAMPLE = "  fprnet events list --gallery people.db --json"
SEND = "Try once to send the events that wait for these receivers."
SEND_EXAMPLE = "  fprnet events send --gallery people.db --mqtt mqtt://broker.local"


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet events`` and its actions."""
    parser = add_command(subcommands, "events", summary=__doc__, example=EXAMPLE)
    inner = parser.add_subparsers(metavar="ACTION", required=True)
    shown = add_command(inner, "list", summary=LIST, example=LIST_EXAMPLE)
    add_address(shown, "--gallery")
    shown.add_argument(
        "--top",
        type=positive,
        default=100,
        metavar="N",
        help="most events that are listed (default: %(default)s)",
    )
    add_json(shown)
    shown.set_defaults(run=run_list)
    send = add_command(inner, "send", summary=SEND, example=SEND_EXAMPLE)
    add_address(send, "--gallery")
    add_sinks(send)
    send.set_defaults(run=run_send)


def add_sinks(parser: argparse.ArgumentParser) -> None:
    """Declare who is told of events."""
    parser.add_argument(
        "--webhook",
        action="append",
        default=[],
        metavar="URL",
        help="POST events there, signed with --secret (repeatable)",
    )
    parser.add_argument(
        "--secret", type=Path, metavar="FILE", help="file with the secret that webhooks share"
    )
    parser.add_argument(
        "--mqtt",
        action="append",
        default=[],
        metavar="URL",
        help="publish events there: mqtt://[USER@]HOST[:PORT][/PREFIX] or mqtts://, the password "
        "in $MQTT_PASSWORD (repeatable)",
    )


def sinks_of(args: argparse.Namespace) -> list[Sink]:
    """Return who is told.

    Raises:
        UsageError: An address is none, a secret is missing or cannot be read, or a package is.
    """
    from fprnet.errors import UsageError
    from fprnet.events.mqtt import MqttSink
    from fprnet.events.sinks import Webhook, read_secret

    if bool(args.webhook) != (args.secret is not None):
        raise UsageError("--webhook and --secret go together; give both or neither")
    sinks: list[Sink] = []
    if args.webhook:
        secret = read_secret(args.secret)
        sinks += [Webhook(url, secret) for url in args.webhook]
    sinks += [MqttSink(url, os.environ.get("MQTT_PASSWORD")) for url in args.mqtt]
    names = [sink.name for sink in sinks]
    if len(set(names)) < len(names):
        raise UsageError("a receiver of events is given twice; leave one out")
    return sinks


@contextmanager
def dispatching(
    gallery: Gallery, sinks: list[Sink], say: Callable[[str], None]
) -> Iterator[Dispatcher]:
    """Send events in the block and, for some seconds, after it; say how many still wait."""
    from fprnet.events.dispatcher import Dispatcher

    dispatcher = Dispatcher(gallery, sinks, say)
    dispatcher.start()
    try:
        yield dispatcher
    finally:
        if left := dispatcher.close():
            say(
                f"{left} events are not delivered; 'fprnet events send', or 'fprnet watch' with "
                "the same receivers, sends them"
            )


def run_list(args: argparse.Namespace) -> int:
    """Print events."""
    from fprnet.events.outbox import latest_events
    from fprnet.gallery.gallery import Gallery
    from fprnet.text_table import text_table

    with Gallery.open(args.uri, name=args.name) as gallery:
        events = latest_events(gallery, limit=args.top)
    if args.json:
        for event in events:
            print(event.model_dump_json())
        return 0
    if not events:
        print("no events")
        return 0
    header = ("event", "identity", "camera", "from", "to", "similarity", "tracklet")
    print(text_table(header, [_row(event) for event in events]))
    return 0


def run_send(args: argparse.Namespace) -> int:
    """Send what waits, once; exit status 2 where something still waits then."""
    from fprnet.errors import UsageError
    from fprnet.events.dispatcher import Dispatcher
    from fprnet.events.outbox import waiting
    from fprnet.gallery.gallery import Gallery

    sinks = sinks_of(args)
    if not sinks:
        raise UsageError("nobody is told; give --webhook or --mqtt")
    with Gallery.open(args.uri, name=args.name, writable=True) as gallery:
        before = waiting(gallery.database)
        dispatcher = Dispatcher(gallery, sinks, lambda line: print(line, file=sys.stderr))
        dispatcher.send()
        left = dispatcher.close()
        sent = sum(before.get(sink.name, 0) for sink in sinks) - left
        others = {name: count for name, count in before.items() if name not in dispatcher.sinks}
    print(f"{sent} events sent, {left} still wait")
    for name, count in sorted(others.items()):
        print(f"{count} wait for {name}, which was not asked for")
    return 2 if left else 0


def _row(event: Event) -> tuple[str, ...]:
    tracklet = event.tracklet
    start, end = (
        time.isoformat(sep=" ", timespec="seconds") for time in (tracklet.start, tracklet.end)
    )
    return (
        str(event.number),
        event.identity,
        tracklet.camera,
        start,
        end,
        f"{event.similarity:.3f}",
        str(tracklet.id),
    )
