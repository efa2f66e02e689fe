"""A word in a config becomes code with its options: a key of a public dict, or an import path.

Every kind of component has one visible dict of functions and classes. A component's options are its
own signature, with their types, ranges and defaults; what the program itself supplies when it
builds one comes first and by position. In YAML a component is a word, or ``class_path`` with
``init_args``; on the command line ``--KEY WORD`` and ``--KEY.option VALUE``::

    ranking: {class_path: batch-hard-triplet, init_args: {margin: 0.5}}
    --objective.ranking my_method:Circle --objective.ranking.scale 16
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, get_args, get_origin

from fprnet import plugins
from fprnet.errors import ConfigError, FprnetError, UsageError
from fprnet.typed_values import from_text, shown, typed_value

__all__ = [
    "Component",
    "Kind",
    "components_in",
    "faults_text",
    "field_defaults",
    "fill",
    "hints_of",
    "kind_of",
    "nearest",
    "options_and_defaults",
    "options_of",
    "parse_component",
    "plain",
    "resolve",
]

CLASS_PATH, INIT_ARGS, SOURCE = ("class_path", "init_args", "source")


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind of component.

    Attributes:
        noun: What messages call it, e.g. "backbone".
        where: Import path of the public dict of what comes with fprnet: name -> function or class.
            It is imported when it is first looked into, so that kinds can be named anywhere.
        supplied: Names of the arguments that the program passes by position; everything else in a
            component's signature is an option.
        called_with: Names of the arguments that what a component returns is called with; () where
            it is not called. A plain function may then be the component itself: it takes these
            arguments by position, and its other parameters are its options.
    """

    noun: str
    where: str
    supplied: tuple[str, ...] = ()
    called_with: tuple[str, ...] = ()

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
        return resolve(self.kind, self.name)[0]

    def build(self, *supplied: Any) -> Any:
        """Call it with what the program supplies and with its options.

        Components among the options that need nothing from the program are built before; the
        others are passed as they are, for the component to build.
        """
        options = {name: _built(value) for name, value in self.options.items()}
        if _is_itself(self.kind, self.target):
            return functools.partial(self.target, **options)
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


def faults_text(faults: Iterable[str]) -> str:
    """Return all faults of a config as one sentence; components refused alike are named together.

    >>> faults_text(["seed is -1", "seed is -1"])
    'config: seed is -1'
    """
    subjects: dict[str, list[str]] = {}
    for fault in faults:
        subject, mark, rest = fault.partition(f", {plugins.NOT_ALLOWED}")
        alike = subjects.setdefault(mark + rest or fault, [])
        if mark and subject not in alike:
            alike.append(subject)
    texts = (f"{' and '.join(named)}{rest}" for rest, named in subjects.items())
    return "config: " + "; ".join(texts)


def options_of(kind: Kind, target: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the options of a component: its parameters without those that are supplied."""
    parameters = [
        parameter
        for parameter in _signature(target).parameters.values()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    given = kind.called_with if _is_itself(kind, target) else kind.supplied
    return {parameter.name: parameter for parameter in parameters[len(given) :]}


def _is_itself(kind: Kind, target: Callable[..., Any]) -> bool:
    """Return whether a function is what a component is used as, and is not called to make it."""
    return bool(kind.called_with) and inspect.isfunction(target)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean ...?)" with the most similar known name, or ""."""
    matches = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f" (did you mean {matches[0]}?)" if matches else ""


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
    """Return the types and the defaults of a component's options; MISSING where there is none."""
    hints, defaults = hints_of(target), {}
    for option, parameter in options_of(kind, target).items():
        missing = parameter.default is parameter.empty
        defaults[option] = dataclasses.MISSING if missing else parameter.default
    if isinstance(target, type) and dataclasses.is_dataclass(target):
        made = field_defaults(target)  # what a signature shows of a default_factory is no default
        defaults = {option: made.get(option, default) for option, default in defaults.items()}
    return {option: hints.get(option, Any) for option in defaults}, defaults


def _known(hints: Mapping[str, Any], prefix: str) -> list[str]:
    """Return the keys of a section and of those inside it, without options of components."""
    known: list[str] = []
    for name, hint in hints.items():
        known.append(f"{prefix}{name}")
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            inner = typing.get_type_hints(hint, include_extras=True)
            known += _known(inner, f"{prefix}{name}.")
    return known


def _nearest_key(prefix: str, name: Any, known: Sequence[str]) -> str:
    """Return " (did you mean ...?)" with the key that looks most like it, or ends like it."""
    ends = {key.rpartition(".")[2]: key for key in reversed(known)}
    siblings = [key.removeprefix(prefix) for key in known if "." not in key.removeprefix(prefix)]
    for names in (siblings, list(ends)):
        matches = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
        if matches:
            return f" (did you mean {ends.get(matches[0], prefix + matches[0])}?)"
    return ""


def _parse(
    kind: Kind, value: Any, key: str, default: str | None
) -> tuple[Component | None, list[str]]:
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
        return None, [f"{key} {name} was {recorded} but is {source} now; give that version of it"]
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
    for name in values:
        if name not in defaults:
            whose = f" of {owner}" if owner else ""
            what = "an option" if owner else "a key"
            known = _known(hints, prefix) if owner is None else [f"{prefix}{n}" for n in defaults]
            faults.append(f"{prefix}{name} is not {what}{whose}{_nearest_key(prefix, name, known)}")
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
    return filled, faults


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


def kind_of(hint: Any) -> Kind | None:
    """Return the kind of component that a type is marked with, if it is."""
    if get_origin(hint) is not Annotated:
        return None
    return next((mark for mark in get_args(hint)[1:] if isinstance(mark, Kind)), None)


def resolve(
    kind: Kind, name: str, key: str = "", recorded: str | None = None
) -> tuple[Callable[..., Any], str | None]:
    """Return what a name means, and whose it is.

    Args:
        kind: What it must be one of.
        name: Key of the kind's dict, or import path.
        key: Where it stands in a config, for messages.
        recorded: Whose code it was when a config or checkpoint was written.

    Raises:
        ConfigError: There is no such thing, or nobody has allowed it.
    """
    if name in kind.members:
        return kind.members[name], None
    where = f"{key} is {shown(name)}" if key else f"{kind.noun} {shown(name)}"
    try:
        found = plugins.find(name, recorded)
    except UsageError as error:
        raise ConfigError(f"{where}, {error}") from error
    if found is None:
        raise ConfigError(
            f"{where}, expected one of {', '.join(sorted(kind.members))}"
            f"{nearest(name, kind.members)}, or package.module:Name of your own"
        )
    return found


@cache
def _signature(target: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(target)


@cache
def hints_of(target: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of a component's parameters, by name."""
    function = target.__init__ if isinstance(target, type) else target  # type: ignore[misc]
    return typing.get_type_hints(function, include_extras=True)
