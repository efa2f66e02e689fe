"""Actions of ``fprnet gallery`` on unknown people: group, list, join, take apart, name, undo."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fprnet.cli.arguments import add_json, finite, positive
from fprnet.cli.galleries import add_action, audit_entry, user_name

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands
    from fprnet.gallery.people import Person, PersonDetails, Step
    from fprnet.gallery.unknown_people import Grouped

__all__ = ["add_parser"]

GROUP = (
    "Group tracklets and images of unknown people into anonymous identities; again: add to them."
)
GROUP_EXAMPLE = """\
  fprnet gallery group --uri people.db
  fprnet gallery group --uri people.db --false-link-rate 0.05 --json"""
PEOPLE = "List who was grouped, or all that shows one of them."
PEOPLE_EXAMPLE = """\
  fprnet gallery people --uri people.db
  fprnet gallery people 7 --uri people.db"""
MERGE = "Join anonymous identities that are one person: the others become the first."
MERGE_EXAMPLE = "  fprnet gallery merge 7 12 --uri people.db"
SPLIT = "Take tracklets or images out of an anonymous identity: they become a person of their own."
SPLIT_EXAMPLE = "  fprnet gallery split 7 --tracklet 31 --uri people.db"
NAME = "Say who an anonymous identity is."
NAME_EXAMPLE = """\
  fprnet gallery name 7 'dock worker' --uri people.db
  fprnet gallery name 7 --no-name --uri people.db"""
UNDO = "Undo a step of grouping, joining, taking apart or naming; undoing can be undone, too."
UNDO_EXAMPLE = """\
  fprnet gallery undo --uri people.db
  fprnet gallery undo 4 --uri people.db"""
HISTORY = "List the steps that can be undone, newest first."
HISTORY_EXAMPLE = "  fprnet gallery history --uri people.db"
PERSON = "number of an anonymous identity"


def add_parser(subcommands: Subcommands) -> None:
    """Declare the actions, each with its gallery's address."""
    group = add_action(subcommands, "group", GROUP, GROUP_EXAMPLE)
    group.add_argument(
        "--false-link-rate",
        type=finite,
        default=0.01,
        metavar="R",
        help="share of the tracklets of somebody who is nowhere else that may be linked to a "
        "stranger (default: %(default)s)",
    )
    group.add_argument("--model", help="where the gallery's model lies now (default: as before)")
    group.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE",
        help="calibration of the model (default: the one beside the model)",
    )
    group.set_defaults(run=run_group)
    people = add_action(subcommands, "people", PEOPLE, PEOPLE_EXAMPLE)
    people.add_argument("person", nargs="?", type=positive, metavar="PERSON", help=PERSON)
    people.set_defaults(run=run_people)
    merge = add_action(subcommands, "merge", MERGE, MERGE_EXAMPLE)
    merge.add_argument("person", type=positive, metavar="PERSON", help=f"{PERSON}, who stays")
    merge.add_argument(
        "others", nargs="+", type=positive, metavar="OTHER", help="numbers of those who join"
    )
    merge.set_defaults(run=run_merge)
    split = add_action(subcommands, "split", SPLIT, SPLIT_EXAMPLE)
    split.add_argument("person", type=positive, metavar="PERSON", help=PERSON)
    split.add_argument(
        "--tracklet",
        action="append",
        default=[],
        type=positive,
        metavar="N",
        help="number of a tracklet that shows somebody else (repeatable)",
    )
    split.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="ID",
        help="id of an image of somebody else that is part of no tracklet (repeatable)",
    )
    split.set_defaults(run=run_split)
    name = add_action(subcommands, "name", NAME, NAME_EXAMPLE)
    name.add_argument("person", type=positive, metavar="PERSON", help=PERSON)
    name.add_argument("identity", nargs="?", metavar="NAME", help="who it is")
    name.add_argument("--no-name", action="store_true", help="take the name back")
    name.set_defaults(run=run_name)
    undo = add_action(subcommands, "undo", UNDO, UNDO_EXAMPLE)
    undo.add_argument(
        "step",
        nargs="?",
        type=positive,
        metavar="STEP",
        help="number of the step in 'fprnet gallery history' (default: the last one in effect)",
    )
    undo.set_defaults(run=run_undo)
    history = add_action(subcommands, "history", HISTORY, HISTORY_EXAMPLE)
    history.add_argument(
        "--top",
        type=positive,
        default=50,
        metavar="N",
        help="most steps that are listed (default: %(default)s)",
    )
    history.set_defaults(run=run_history)
    for parser in (group, people, merge, split, name, undo, history):
        add_json(parser)


def run_group(args: argparse.Namespace) -> int:
    """Group what has neither identity nor group."""
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.opening import gallery_calibration
    from fprnet.gallery.unknown_people import group_unknown

    with Gallery.open(args.uri, name=args.name, writable=True) as gallery:
        calibration = gallery_calibration(gallery, args.model, args.calibration)
        grouped = group_unknown(
            gallery,
            calibration,
            false_link_rate=args.false_link_rate,
            by=user_name(),
            audit=[audit_entry("group", details={"false_link_rate": args.false_link_rate})],
        )
    print(json.dumps(_grouped_as_dict(grouped)) if args.json else _grouped_text(grouped))
    return 0


def run_people(args: argparse.Namespace) -> int:
    """List people, or one of them."""
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.people import get_person, list_people

    with Gallery.open(args.uri, name=args.name) as gallery:
        if args.person is None:
            people = list_people(gallery)
            if args.json:
                print(json.dumps([one.model_dump(mode="json") for one in people]))
            else:
                print(_people_text(people))
            return 0
        details = get_person(gallery, args.person)
    if args.json:
        values = details.person.model_dump(mode="json")
        values["shown"] = {
            "tracklets": [one.model_dump(mode="json") for one in details.tracklets],
            "images": [one.as_dict() for one in details.images],
        }
        print(json.dumps(values))
    else:
        print(_details_text(details))
    return 0


def run_merge(args: argparse.Namespace) -> int:
    """Join people."""
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.people import merge_people

    with Gallery.open(args.uri, name=args.name, writable=True) as gallery:
        step = merge_people(
            gallery, args.person, args.others, by=user_name(), audit=[audit_entry("merge")]
        )
    return _say(args, step)


def run_split(args: argparse.Namespace) -> int:
    """Take somebody else out of a person."""
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.people import split_person

    with Gallery.open(args.uri, name=args.name, writable=True) as gallery:
        step = split_person(
            gallery,
            args.person,
            tracklets=args.tracklet,
            images=args.image,
            by=user_name(),
            audit=[audit_entry("split")],
        )
    return _say(args, step)


def run_name(args: argparse.Namespace) -> int:
    """Name a person."""
    from fprnet.errors import UsageError
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.people import name_person

    if (args.identity is None) != args.no_name:
        raise UsageError(f"give a NAME or --no-name; see '{args.prog} --help'")
    with Gallery.open(args.uri, name=args.name, writable=True) as gallery:
        step = name_person(
            gallery, args.person, args.identity, by=user_name(), audit=[audit_entry("name")]
        )
    return _say(args, step)


def run_undo(args: argparse.Namespace) -> int:
    """Undo a step."""
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.people import undo_step

    with Gallery.open(args.uri, name=args.name, writable=True) as gallery:
        step = undo_step(gallery, args.step, by=user_name(), audit=[audit_entry("undo")])
    return _say(args, step)


def run_history(args: argparse.Namespace) -> int:
    """List the steps."""
    from fprnet.gallery.gallery import Gallery
    from fprnet.gallery.people import list_steps
    from fprnet.text_table import text_table

    with Gallery.open(args.uri, name=args.name) as gallery:
        steps = list_steps(gallery, limit=args.top)
    if args.json:
        print(json.dumps([one.model_dump(mode="json") for one in steps]))
        return 0
    rows = [
        [
            str(one.id),
            f"{one.time:%Y-%m-%d %H:%M:%S}",
            one.by,
            one.kind if one.undoes is None else f"undo {one.undoes}",
            _numbers(one.people),
            "undone" if one.undone else "",
        ]
        for one in steps
    ]
    print(text_table(["step", "time", "by", "kind", "people", ""], rows))
    return 0


def _say(args: argparse.Namespace, step: Step) -> int:
    if args.json:
        print(step.model_dump_json())
    else:
        print(
            f"step {step.id}: {step.kind}, {step.records} images, people {_numbers(step.people)}; "
            f"'fprnet gallery undo {step.id} --uri {args.uri}' takes it back"
        )
    return 0


def _numbers(people: tuple[int, ...], most: int = 10) -> str:
    shown = ", ".join(map(str, people[:most]))
    return shown + (f" and {len(people) - most} more" if len(people) > most else "")


def _grouped_as_dict(grouped: Grouped) -> dict[str, object]:
    return {
        "step": None if grouped.step is None else grouped.step.id,
        "units": grouped.units,
        "joined": grouped.joined,
        "people": list(grouped.people),
        "alike": [{"people": one.people, "margin": one.margin} for one in grouped.alike],
        "thresholds": dict(grouped.thresholds),
    }


def _grouped_text(grouped: Grouped) -> str:
    limits = [
        f"{kinds.replace(', ', ' and ')} {limit:.3f}"
        for kinds, limit in grouped.thresholds.items()
        if "image" not in kinds
    ]
    lines = [
        f"{grouped.units} tracklets and images were in no group: {grouped.joined} joined people "
        f"who were there, {len(grouped.people)} new people",
        f"thresholds: {'; '.join(limits)}",
    ]
    if grouped.step is not None:
        lines.append(f"step {grouped.step.id}; 'fprnet gallery undo' takes it back")
    lines += [
        f"people {one.people[0]} and {one.people[1]} are alike, {one.margin:.3f} above the "
        f"threshold: 'fprnet gallery merge {one.people[0]} {one.people[1]}' joins them"
        for one in grouped.alike
    ]
    return "\n".join(lines)


def _people_text(people: list[Person]) -> str:
    from fprnet.text_table import text_table

    rows = [
        [
            str(one.id),
            ", ".join(one.names) or "-",
            str(one.tracklets),
            str(one.images),
            ", ".join(one.cameras),
            "-" if one.first is None else f"{one.first:%Y-%m-%d %H:%M:%S}",
            "-" if one.last is None else f"{one.last:%Y-%m-%d %H:%M:%S}",
        ]
        for one in people
    ]
    return text_table(["person", "name", "tracklets", "images", "cameras", "first", "last"], rows)


def _details_text(details: PersonDetails) -> str:
    from fprnet.text_table import text_table

    rows = [
        [
            f"tracklet {one.id}",
            one.camera,
            one.modality,
            f"{one.start:%Y-%m-%d %H:%M:%S}",
            f"{(one.end - one.start).total_seconds():.1f} s",
            one.identity or "-",
            f"{one.source}#{one.number}",
        ]
        for one in details.tracklets
    ]
    rows += [
        [
            f"image {one.id[:12]}",
            one.camera or "-",
            one.modality,
            "-" if one.time is None else f"{one.time:%Y-%m-%d %H:%M:%S}",
            "",
            one.identity or "-",
            one.path,
        ]
        for one in details.images
    ]
    return text_table(["seen", "camera", "modality", "time", "for", "name", "source"], rows)
