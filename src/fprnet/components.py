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
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, get_args, get_origin

from fprnet import plugins
from fprnet.errors import ConfigError, UsageError
from fprnet.typed_values import shown

__all__ = [
    "Component",
    "Kind",
    "components_in",
    "hints_of",
    "kind_of",
    "nearest",
    "options_of",
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
        parts: Names of the attributes and methods that what a component returns has to have.
        described: Import path of the protocol or class that says what these are.
    """

    noun: str
    where: str
    supplied: tuple[str, ...] = ()
    called_with: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    described: str = ""

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

        Raises:
            ConfigError: What it returns lacks something that its kind has to have.
        """
        options = {name: _built(value) for name, value in self.options.items()}
        if _is_itself(self.kind, self.target):
            return functools.partial(self.target, **options)
        made = self.target(*supplied, **options)
        lacking = [name for name in self.kind.parts if not hasattr(made, name)]
        if lacking:
            raise ConfigError(
                f"{self.kind.noun} {self.name} has no {' and no '.join(lacking)}; "
                f"{self.kind.described} says what it needs"
            )
        return made

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
        own = {path.rpartition(":")[2]: path for path in plugins.defined()}
        meant = f" (did you mean {own[name]}?)" if name in own else nearest(name, kind.members)
        raise ConfigError(
            f"{where}, expected one of {', '.join(sorted(kind.members))}{meant}, or "
            "package.module:Name of your own"
        )
    return found


@cache
def _signature(target: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(target)


@cache
def hints_of(target: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of a component's parameters, by name."""
    function = target
    if isinstance(target, type):
        function = target.__init__  # type: ignore[misc]
    elif not inspect.isroutine(target):  # an object of the caller's, which is called
        function = type(target).__call__
    return typing.get_type_hints(function, include_extras=True)
