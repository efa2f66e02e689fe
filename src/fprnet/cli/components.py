"""List what a config can name: the components of each kind, and the options of one of them."""

from __future__ import annotations

import argparse
import json
import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from fprnet.cli.arguments import add_command, add_json

if TYPE_CHECKING:
    from fprnet.cli.arguments import Subcommands

EXAMPLE = """\
  fprnet components                            # every kind and its members
  fprnet components "ranking loss"             # the options of each
  fprnet components loss --plugin my_method.py --name my_method:MyLoss"""


def add_parser(subcommands: Subcommands) -> None:
    """Declare ``fprnet components``."""
    parser = add_command(subcommands, "components", summary=__doc__, example=EXAMPLE)
    parser.add_argument("kind", nargs="?", metavar="KIND", help="kind whose options are shown")
    parser.add_argument(
        "--name", metavar="NAME", help="one component, by name or import path package.module:Name"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print kinds, or options with type and default."""
    from fprnet.components import nearest
    from fprnet.errors import UsageError
    from fprnet.kinds import KINDS

    if args.kind is None:
        listed = {noun: sorted(kind.members) for noun, kind in KINDS.items()}
        if args.json:
            print(json.dumps(listed))
            return 0
        for noun, names in listed.items():
            print(f"{noun}: {', '.join(names)}")
        return 0
    if args.kind not in KINDS:
        raise UsageError(
            f"kind {args.kind!r} does not exist{nearest(args.kind, KINDS)}; the kinds are "
            f"{', '.join(KINDS)}"
        )
    kind = KINDS[args.kind]
    names = [args.name] if args.name else sorted(kind.members)
    described = {name: _options(args.kind, name) for name in names}
    if args.json:
        print(json.dumps(described))
        return 0
    for name, options in described.items():
        print(name)
        for option, text in options.items():
            print(f"  {option}: {text}")
    return 0


def _options(noun: str, name: str) -> dict[str, str]:
    """Return option -> type and default, as the signature says them."""
    from fprnet.components import Component, options_of
    from fprnet.filling import options_and_defaults
    from fprnet.kinds import KINDS

    kind = KINDS[noun]
    target = Component(kind, name).target
    hints, _ = options_and_defaults(kind, target)
    described = {}
    for option, parameter in options_of(kind, target).items():
        default = parameter.default
        if isinstance(default, Component):
            default = default.name
        text = type_text(hints[option])
        described[option] = text if default is parameter.empty else f"{text} = {default}"
    return described


def type_text(hint: Any) -> str:  # noqa: ANN401 - any type
    """Return a type as a reader of ``--help`` wants it: "number > 0", "a, b or c", "backbone"."""
    from fprnet.components import kind_of
    from fprnet.typed_values import choices_of, json_schema, without_marks

    kind = kind_of(hint)
    base = without_marks(hint)
    if kind is not None:
        several = get_origin(base) in (Mapping, dict)
        return f"{kind.noun} by name" if several else kind.noun
    choices = choices_of(base)
    if choices:
        return " | ".join(choices)
    if get_origin(base) in (Union, types.UnionType):
        return " | ".join(type_text(part) for part in get_args(base))
    if base in (types.NoneType, None):
        return "null"
    if get_args(base):
        inner = [type_text(part) for part in get_args(base) if part is not Ellipsis]
        return f"{getattr(get_origin(base), '__name__', base)} of {', '.join(inner)}"
    schema = json_schema(hint) if base in (int, float) else {}
    words = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    limits = [f"{word} {schema[key]:g}" for key, word in words.items() if key in schema]
    return " ".join([getattr(base, "__name__", str(base)), *limits])
