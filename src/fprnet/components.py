"""A word in a config becomes code with its options: a key of a public dict, or an import path.

Every kind of component has one visible dict of functions and classes. A component's options are its
own signature, with their types, ranges and defaults; what the program itself supplies when it
builds one comes first and by position. In YAML a component is a word, or ``class_path`` with
``init_args``; on the command line ``--KEY WORD`` and ``--KEY.option VALUE``::

    ranking: {class_path: batch-hard-triplet, init_args: {margin: 0.5}}
    --objective.ranking my_method:Circle --objective.ranking.scale 16
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import importlib
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError

from fprnet import plugins
from fprnet.errors import ConfigError
from fprnet.plain_text import parse_yaml

__all__ = [
    "Component",
    "Kind",
    "components_in",
    "fill",
    "hints_of",
    "nearest",
    "options_of",
    "parse_component",
    "plain",
    "type_text",
]

CLASS_PATH, INIT_ARGS, SOURCE = "class_path", "init_args", "source"


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind of component.

    Attributes:
        noun: What messages call it, e.g. "backbone".
        where: Import path of the public dict of what comes with fprnet: name -> function or class.
            It is imported when it is first looked into, so that kinds can be named anywhere.
        supplied: Names of the arguments that the program passes by position; everything else in a
            component's signature is an option.
    """

    noun: str
    where: str
    supplied: tuple[str, ...] = ()

    @property
    def members(self) -> Mapping[str, Callable[..., Any]]:
        """The public dict."""
        module, _, name = self.where.partition(":")
        members: Mapping[str, Callable[..., Any]] = getattr(importlib.import_module(module), name)
        return members


@dataclass(frozen=True)
class Component:
    """A function or class that a config has chosen, with all its options.

    Attributes:
        kind: What it is one of.
        name: Key in the kind's dict, or import path ``package.module:Name``.
        options: Every option of its signature -> value; components among them are built by it.
        source: Whose code it is ("circle-reid 1.2", "my_method.py sha256:..."); None: fprnet's.
    """

    kind: Kind = field(repr=False, compare=False)
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None

    @property
    def target(self) -> Callable[..., Any]:
        """The function or class itself."""
        return _resolve(self.kind, self.name)[0]

    def build(self, *supplied: Any) -> Any:
        """Call it with what the program supplies and with its options.

        Components among the options that need nothing from the program are built before; the
        others are passed as they are, for the component to build.
        """
        options = {name: _built(value) for name, value in self.options.items()}
        return self.target(*supplied, **options)

    def with_options(self, **options: Any) -> Component:
        """Return it with some options replaced."""
        return dataclasses.replace(self, options={**self.options, **options})

    def faults(self, config: object) -> Iterable[str]:
        """Yield what the component and those inside it find unfit in a whole config.

        A component may say so with a static method or function attribute
        ``faults(options, config)``.
        """
        check = getattr(self.target, "faults", None)
        if check is not None:
            yield from check(self.options, config)
        for component in components_in(self.options):
            yield from component.faults(config)


def _built(value: Any) -> Any:
    if isinstance(value, Component) and not value.kind.supplied:
        return value.build()
    if isinstance(value, Mapping) and value:
        return {name: _built(inner) for name, inner in value.items()}
    return value


def components_in(value: Any) -> Iterable[Component]:
    """Yield the components in nested values, without those inside them."""
    if isinstance(value, Component):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from components_in(inner)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for item in dataclasses.fields(value):
            yield from components_in(getattr(value, item.name))


def plain(value: Any) -> Any:
    """Return nested config values as YAML and JSON hold them."""
    if isinstance(value, Component):
        written = {CLASS_PATH: value.name, INIT_ARGS: plain(value.options)}
        return written if value.source is None else written | {SOURCE: value.source}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(inner) for inner in value]
    return value


def parse_component(kind: Kind, value: Any, *, key: str, default: str | None = None) -> Component:
    """Return the component that a config's value means, with every option checked.

    Args:
        kind: What it must be one of.
        value: A word; ``{class_path: ..., init_args: {...}}``; or options alone, of ``default``.
        key: Where it stands, for messages.
        default: Name that is meant where none is given.

    Raises:
        ConfigError: No such component, or it is not allowed, or an option of it is wrong: all
            faults in one message.
    """
    component, faults = _parse(kind, value, key, default)
    if faults:
        raise ConfigError("config: " + "; ".join(faults))
    assert component is not None
    return component


def fill(schema: type, values: Mapping[str, Any], prefix: str = "") -> tuple[Any, list[str]]:
    """Fill a dataclass from nested plain values.

    Args:
        schema: The dataclass. A field's type may be a dataclass, a component
            (``Annotated[Component, kind]``), several by name
            (``Annotated[Mapping[str, Component], kind]``), or anything that pydantic checks.
        values: By field name; what is missing takes the field's default.
        prefix: Of keys in messages.

    Returns:
        The filled dataclass (None where there are faults), and the faults.
    """
    hints = typing.get_type_hints(schema, include_extras=True)
    defaults = {
        item.name: item.default_factory()
        if item.default_factory is not dataclasses.MISSING
        else item.default
        for item in dataclasses.fields(schema)
    }
    filled, faults = _fill(hints, defaults, values, prefix)
    return (None if faults else schema(**filled)), faults


def options_of(kind: Kind, target: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the options of a component: its parameters without those that are supplied."""
    parameters = [
        parameter
        for parameter in _signature(target).parameters.values()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    return {parameter.name: parameter for parameter in parameters[len(kind.supplied) :]}


def type_text(hint: Any) -> str:
    """Return a type as a reader of ``--help`` wants it: "number > 0", "a, b or c", "backbone"."""
    kind = _kind_of(hint)
    base = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if kind is not None:
        several = get_origin(base) in (Mapping, dict)
        return f"{kind.noun} by name" if several else kind.noun
    choices = _choices(base)
    if choices:
        return " | ".join(choices)
    if get_origin(base) in (Union, types.UnionType):
        return " | ".join(type_text(part) for part in get_args(base))
    if base in (types.NoneType, None):
        return "null"
    if get_args(base):
        inner = [type_text(part) for part in get_args(base) if part is not Ellipsis]
        return f"{getattr(get_origin(base), '__name__', base)} of {', '.join(inner)}"
    schema = _adapter(hint).json_schema() if base in (int, float) else {}
    words = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    limits = [f"{word} {schema[key]:g}" for key, word in words.items() if key in schema]
    return " ".join([getattr(base, "__name__", str(base)), *limits])


def nearest(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean ...?)" with the most similar known name, or ""."""
    matches = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f" (did you mean {matches[0]}?)" if matches else ""


def _parse(
    kind: Kind, value: Any, key: str, default: str | None
) -> tuple[Component | None, list[str]]:
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
                return None, [f"{key}.{INIT_ARGS} is {options}, expected options by name"]
            given = {**options, **given}
        elif default is None:
            return None, [f"{key} has no {CLASS_PATH}; name one of {', '.join(kind.members)}"]
        else:
            name = default
    else:
        return None, [f"{key} is {value}, expected one of {', '.join(kind.members)}"]
    try:
        target, source = _resolve(kind, name, key)
    except ConfigError as error:
        return None, [str(error)]
    if recorded is not None and recorded != source:
        return None, [f"{key} {name} was {recorded} but is {source} now; give that version of it"]
    parameters = options_of(kind, target)
    hints = hints_of(target)
    defaults = {
        option: dataclasses.MISSING if parameter.default is parameter.empty else parameter.default
        for option, parameter in parameters.items()
    }
    option_hints = {option: hints.get(option, Any) for option in parameters}
    filled, faults = _fill(option_hints, defaults, given, f"{key}.", owner=f"{kind.noun} {name}")
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
    for name in values:
        if name not in defaults:
            whose = f" of {owner}" if owner else ""
            what = "an option" if owner else "a key"
            faults.append(f"{prefix}{name} is not {what}{whose}{nearest(str(name), defaults)}")
    for name, default in defaults.items():
        key = f"{prefix}{name}"
        if name not in values and default is dataclasses.MISSING:
            faults.append(f"{key} is missing; give it a value")
            continue
        value = values.get(name, default)
        filled[name], wrong = _checked(hints[name], value, default, key)
        faults += wrong
    return filled, faults


def _checked(hint: Any, value: Any, default: Any, key: str) -> tuple[Any, list[str]]:
    """Return a value in the type that is wanted, and what is wrong with it."""
    kind = _kind_of(hint)
    if kind is not None:
        return _checked_components(hint, kind, value, default, key)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, hint):
            return value, []
        if not isinstance(value, Mapping):
            some = f"{key}.{dataclasses.fields(hint)[0].name}"
            return None, [f"{key} is a section; set one of its keys, e.g. {some}"]
        return fill(hint, value, f"{key}.")
    return _checked_value(hint, value, key)


def _checked_components(
    hint: Any, kind: Kind, value: Any, default: Any, key: str
) -> tuple[Any, list[str]]:
    base = get_args(hint)[0]
    if value is None or value == "null":
        if types.NoneType in get_args(base):
            return None, []
        return None, [f"{key} is null, expected one of {', '.join(kind.members)}"]
    if get_origin(base) in (Mapping, dict):
        if not isinstance(value, Mapping):
            return None, [f"{key} is {value}, expected {kind.noun}s by name"]
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
    name = default.name if isinstance(default, Component) else default
    return _parse(kind, value, key, name if isinstance(name, str) else None)


def _checked_value(hint: Any, value: Any, key: str) -> tuple[Any, list[str]]:
    adapter = _adapter(hint)
    tries = [value]
    if isinstance(value, str) and not _is_text(hint):
        with contextlib.suppress(ValueError):  # then it is text
            tries = [parse_yaml(value), value]
    reason = ""
    for attempt in tries:
        if isinstance(attempt, bool) and not _takes_bool(hint):
            reason = reason or "true and false are no value of it"
            continue
        try:
            return adapter.validate_python(attempt), []
        except ValidationError as error:
            reason = reason or error.errors()[0]["msg"].lower()
    return None, [f"{key} is {value}, {_rule(hint, reason)}"]


@cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except Exception:
        return TypeAdapter(hint)


def _rule(hint: Any, reason: str) -> str:
    base = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    choices = _choices(base)
    if choices:
        return f"expected one of {', '.join(choices)}"
    return reason.replace("input should be", "it must be").replace("a valid ", "a ")


def _choices(hint: Any) -> list[str]:
    if get_origin(hint) is typing.Literal:
        return [str(choice) for choice in get_args(hint)]
    if get_origin(hint) in (Union, types.UnionType):
        parts = [_choices(part) for part in get_args(hint) if part is not types.NoneType]
        if all(parts):
            return [*(choice for part in parts for choice in part), "null"]
    return []


def _is_text(hint: Any) -> bool:
    base = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return base is str or (
        get_origin(base) is typing.Literal and all(isinstance(c, str) for c in get_args(base))
    )


def _takes_bool(hint: Any) -> bool:
    if hint in (bool, Any, object):
        return True
    return any(
        _takes_bool(part) for part in get_args(hint) if isinstance(part, type) or part is Any
    )


def _kind_of(hint: Any) -> Kind | None:
    if get_origin(hint) is not Annotated:
        return None
    return next((mark for mark in get_args(hint)[1:] if isinstance(mark, Kind)), None)


def _resolve(kind: Kind, name: str, key: str = "") -> tuple[Callable[..., Any], str | None]:
    """Return what a name means, and whose it is.

    Raises:
        ConfigError: There is no such thing, or nobody has allowed it.
    """
    if name in kind.members:
        return kind.members[name], None
    where = f"{key} is {name}" if key else f"{kind.noun} {name}"
    offered = plugins.offered(name)
    if offered is not None:
        return offered
    module_name, colon, attribute = str(name).partition(":")
    if not colon:
        module_name, _, attribute = str(name).rpartition(".")
    if not module_name or not attribute:
        raise ConfigError(
            f"{where}, expected one of {', '.join(sorted(kind.members))}"
            f"{nearest(str(name), kind.members)}, or package.module:Name of your own"
        )
    module = plugins.load_module(module_name)
    if module is None:
        top = module_name.partition(".")[0]
        raise ConfigError(
            f"{where}, code that is not part of fprnet and not allowed; if you trust it, add "
            f"--plugin {top} (an installed distribution) or --plugin {top}.py (a file)"
        )
    thing: Any = module
    for part in attribute.split("."):
        thing = getattr(thing, part, None)
    if not callable(thing):
        raise ConfigError(f"{where}, but module {module_name} has no such function or class")
    return thing, plugins.source_of(module_name)


@cache
def _signature(target: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(target)


@cache
def hints_of(target: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of a component's parameters, by name."""
    function = target.__init__ if isinstance(target, type) else target  # type: ignore[misc]
    return typing.get_type_hints(function, include_extras=True)
