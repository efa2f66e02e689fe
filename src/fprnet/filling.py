"""Nested plain values become dataclasses and components, checked; all faults are said at once."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from fprnet import plugins
from fprnet.components import (
    CLASS_PATH,
    INIT_ARGS,
    SOURCE,
    Component,
    Kind,
    hints_of,
    kind_of,
    options_of,
    plain,
    resolve,
)
from fprnet.errors import ConfigError, FprnetError
from fprnet.typed_values import from_text, shown, typed_value

__all__ = [
    "Recorded",
    "as_recorded",
    "faults_text",
    "field_defaults",
    "fill",
    "options_and_defaults",
    "parse_component",
]


@dataclass(frozen=True)
class Recorded(Component):
    """A component as a file names it, not looked up: its code is needed only when it is built.

    Its options are as they are written.
    """

    def build(self, *supplied: Any) -> Any:
        """Look it up, check its options, and call it.

        Raises:
            ConfigError: Its code is not here, not allowed, or another than the recorded one.
        """
        return parse_component(self.kind, plain(self), key=self.kind.noun).build(*supplied)

    def faults(self, config: object) -> Iterable[str]:
        """Yield nothing: who wrote the file has checked it."""
        del config
        return ()


def parse_component(
    kind: Kind, value: Any, *, key: str, default: str | None = None, of_config: bool = True
) -> Component:
    """Return the component that a config's value means, with every option checked.

    Args:
        kind: What it must be one of.
        value: A word; ``{class_path: ..., init_args: {...}}``; or options alone, of ``default``.
        key: Where it stands, for messages.
        default: Name that is meant where none is given.
        of_config: Whether messages say that they are about a config.

    Raises:
        ConfigError: No such component, or it is not allowed, or an option of it is wrong: all
            faults in one message.
    """
    component, faults = _parse(kind, value, key, default)
    if faults:
        raise ConfigError(faults_text(faults).removeprefix("" if of_config else "config: "))
    assert component is not None
    return component


def fill(schema: type, values: Mapping[str, Any], prefix: str = "") -> tuple[Any, list[str]]:
    """Fill a dataclass from nested plain values.

    Args:
        schema: The dataclass. A field's type may be a dataclass, a component
            (``Annotated[Component, kind]``), several by name
            (``Annotated[Mapping[str, Component], kind]``), or anything that pydantic checks.
        values: By field name; what is missing takes the field's default.
        prefix: What stands before the keys in messages, e.g. "training.".

    Returns:
        The filled dataclass (None where there are faults), and the faults.
    """
    hints = typing.get_type_hints(schema, include_extras=True)
    filled, faults = _fill(hints, field_defaults(schema), values, prefix)
    return (None if faults else schema(**filled)), faults


def as_recorded(schema: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested plain values for `fill` that look up no code of somebody else.

    Args:
        schema: Dataclass that the values are for.
        values: By field name. Components that they record as somebody else's, and those that such
            ones are options of, become a `Recorded`.
    """
    hints = typing.get_type_hints(schema, include_extras=True)
    return {name: _recorded(hints.get(name), value) for name, value in values.items()}


def _recorded(hint: Any, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    kind = kind_of(hint)
    if kind is None:
        section = dataclasses.is_dataclass(hint) and isinstance(hint, type)
        return as_recorded(hint, value) if section else value
    if get_origin(get_args(hint)[0]) is Mapping:  # several by name
        one = Annotated[Component, kind]
        return {name: _recorded(one, inner) for name, inner in value.items()}
    if CLASS_PATH not in value or not _is_foreign(value):
        return value
    return Recorded(kind, value[CLASS_PATH], value.get(INIT_ARGS) or {}, value.get(SOURCE))


def _is_foreign(value: Any) -> bool:
    """Return whether a component, or one among its options, is recorded as somebody else's."""
    if not isinstance(value, Mapping):
        return False
    return value.get(SOURCE) is not None or any(_is_foreign(inner) for inner in value.values())


def faults_text(faults: Iterable[str]) -> str:
    """Return all faults of a config as one sentence; components refused alike are named together.

    >>> faults_text(["seed is -1", "seed is -1"])
    'config: seed is -1'
    """
    subjects: dict[str, list[str]] = {}
    for fault in faults:
        subject, mark, rest = fault, "", ""
        for refused in (plugins.NOT_ALLOWED, plugins.OTHER_VERSION):
            if f", {refused}" in fault:
                subject, mark, rest = fault.partition(f", {refused}")
        alike = subjects.setdefault(mark + rest or fault, [])
        if mark and subject not in alike:
            alike.append(subject)
    texts = (f"{' and '.join(named)}{rest}" for rest, named in subjects.items())
    return "config: " + "; ".join(texts)


def field_defaults(schema: type) -> dict[str, Any]:
    """Return the default of each field of a dataclass; MISSING where there is none."""
    return {
        item.name: item.default_factory()
        if item.default_factory is not dataclasses.MISSING
        else item.default
        for item in dataclasses.fields(schema)
    }


def options_and_defaults(
    kind: Kind, target: Callable[..., Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the types and the defaults of a component's options; MISSING where there is none.

    An option without an annotation has the type of its default: a number, a text, true or false.
    """
    hints, defaults = hints_of(target), {}
    for option, parameter in options_of(kind, target).items():
        missing = parameter.default is parameter.empty
        defaults[option] = dataclasses.MISSING if missing else parameter.default
    if isinstance(target, type) and dataclasses.is_dataclass(target):
        made = field_defaults(target)  # what a signature shows of a default_factory is no default
        defaults = {option: made.get(option, default) for option, default in defaults.items()}
    return {
        option: hints.get(option, _type_of_default(default)) for option, default in defaults.items()
    }, defaults


def _type_of_default(default: Any) -> Any:
    """Return the type of an option that its author has not annotated, so that 1e-3 is a number."""
    if isinstance(default, bool):
        return bool
    if isinstance(default, (int, float)):
        return int | float
    return str if isinstance(default, str) else Any


def _known(hints: Mapping[str, Any], filled: Mapping[str, Any], prefix: str) -> list[str]:
    """Return the keys of a section, of those inside it, and of the components that were chosen."""
    known: list[str] = []
    for name, hint in hints.items():
        key, value = f"{prefix}{name}", filled.get(name)
        known.append(key)
        section = type(value) if dataclasses.is_dataclass(value) else hint
        if isinstance(value, Component):
            known += _known(dict.fromkeys(value.options), value.options, f"{key}.")
        elif dataclasses.is_dataclass(section) and isinstance(section, type):
            inner = typing.get_type_hints(section, include_extras=True)
            known += _known(inner, vars(value) if value is not None else {}, f"{key}.")
    return known


def _nearest_key(prefix: str, name: Any, known: Sequence[str]) -> str:
    """Return " (did you mean ...?)" with the key that ends like it, or looks most like it."""
    word = str(name).replace("-", "_")
    ends = {key.rpartition(".")[2]: key for key in reversed(known)}
    initials = {"".join(part[:1] for part in end.split("_")): end for end in reversed(ends)}
    siblings = {key.removeprefix(prefix): key for key in known if "." not in key[len(prefix) :]}
    near = [
        *([ends[word]] if word in ends else []),
        *([ends[initials[word]]] if len(word) > 1 and word in initials else []),
        *(
            names[match]
            for names, cutoff in ((siblings, 0.6), (ends, 0.75))
            for match in difflib.get_close_matches(word, names, n=1, cutoff=cutoff)
        ),
    ]
    return f" (did you mean {near[0]}?)" if near else ""


def _parse(
    kind: Kind, value: Any, key: str, default: str | None
) -> tuple[Component | None, list[str]]:
    if isinstance(value, Recorded):
        return value, []
    if isinstance(value, str) and value.startswith("{"):
        value = from_text(value)
    if isinstance(value, Component):  # a default, which may leave options to its signature
        name, given, recorded = value.name, dict(value.options), value.source
    elif isinstance(value, str):
        name, given, recorded = value, {}, None
    elif isinstance(value, Mapping):
        given = dict(value)
        recorded = given.pop(SOURCE, None)
        if CLASS_PATH in given:
            name = given.pop(CLASS_PATH)
            options = given.pop(INIT_ARGS, None) or {}
            if not isinstance(options, Mapping):
                return None, [f"{key}.{INIT_ARGS} is {shown(options)}, expected options by name"]
            given = {**options, **given}
        elif default is None:
            return None, [f"{key} has no {CLASS_PATH}; name one of {', '.join(kind.members)}"]
        else:
            name = default
    else:
        name, given, recorded = value, {}, None
    if not isinstance(name, str):
        return None, [f"{key} is {shown(name)}, expected one of {', '.join(kind.members)}"]
    try:
        target, source = resolve(kind, name, key, recorded)
    except FprnetError as error:
        return None, [str(error)]
    if recorded is not None and recorded != source:
        advice = "give that version of it (a run's folder keeps single files in code)"
        return None, [
            f"{key} is {name}, {plugins.OTHER_VERSION} {recorded} but is {source} now; {advice}"
        ]
    hints, defaults = options_and_defaults(kind, target)
    filled, faults = _fill(hints, defaults, given, f"{key}.", owner=f"{kind.noun} {name}")
    if faults:
        return None, faults
    return Component(kind, name, filled, source), []


def _fill(
    hints: Mapping[str, Any],
    defaults: Mapping[str, Any],
    values: Mapping[str, Any],
    prefix: str,
    *,
    owner: str | None = None,
) -> tuple[dict[str, Any], list[str]]:
    filled: dict[str, Any] = {}
    faults: list[str] = []
    for name, default in defaults.items():
        key = f"{prefix}{name}"
        if name not in values and default is dataclasses.MISSING:
            wanted = kind_of(hints[name])
            words = f"name one of {', '.join(wanted.members)}" if wanted else "give it a value"
            faults.append(f"{key} is missing; {words}")
            continue
        value = values.get(name, default)
        filled[name], wrong = _checked(hints[name], value, default, key)
        faults += wrong
    what = f"an option of {owner}" if owner else "a key"
    known = _known({name: hints.get(name) for name in defaults}, filled, prefix)
    return filled, [
        *(
            f"{prefix}{name} is not {what}{_nearest_key(prefix, name, known)}"
            for name in values
            if name not in defaults
        ),
        *faults,
    ]


def _checked(hint: Any, value: Any, default: Any, key: str) -> tuple[Any, list[str]]:
    """Return a value in the type that is wanted, and what is wrong with it."""
    kind = kind_of(hint)
    if kind is not None:
        return _checked_components(hint, kind, value, default, key)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, hint):
            return value, []
        if not isinstance(value, Mapping) or CLASS_PATH in value:
            some = f"{key}.{dataclasses.fields(hint)[0].name}"
            return None, [f"{key} is a section; set one of its keys, e.g. {some}"]
        return fill(hint, value, f"{key}.")
    if isinstance(value, Mapping):  # a preset's entry, switched off
        value = {name: one for name, one in value.items() if one is not None and one != "null"}
    typed, rule = typed_value(hint, value)
    return typed, [f"{key} is {shown(value)}, {rule}"] if rule else []


def _checked_components(
    hint: Any, kind: Kind, value: Any, default: Any, key: str
) -> tuple[Any, list[str]]:
    base = get_args(hint)[0]
    if get_origin(base) in (Mapping, dict):
        value = from_text(value) if isinstance(value, str) else value
        value = {} if value is None else value
        if not isinstance(value, Mapping):
            return None, [f"{key} is {shown(value)}, expected {kind.noun}s by name"]
        parsed: dict[str, Component] = {}
        faults: list[str] = []
        for name, inner in value.items():
            if inner is None or inner == "null":  # a preset's, switched off
                continue
            part, wrong = _parse(kind, inner, f"{key}.{name}", str(name))
            faults += wrong
            if part is not None:
                parsed[str(name)] = part
        return parsed, faults
    if value is None or value == "null":
        if types.NoneType in get_args(base):
            return None, []
        return None, [f"{key} is null, expected one of {', '.join(kind.members)}"]
    name = default.name if isinstance(default, Component) else default
    return _parse(kind, value, key, name if isinstance(name, str) else None)
