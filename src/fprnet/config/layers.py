"""Layers of config values become one: preset, scale, file, command line; later ones win."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin

from fprnet.components import CLASS_PATH, INIT_ARGS, SOURCE, Component, Kind, kind_of, resolve
from fprnet.errors import ConfigError, FprnetError
from fprnet.filling import field_defaults, options_and_defaults
from fprnet.plain_text import parse_yaml
from fprnet.typed_values import without_marks

__all__ = ["layered", "nested", "read_text", "read_values", "values_of"]


def layered(schema: type, *layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested values of which those of later layers win, key by key.

    Another component takes the place of the one below with all its options; options alone, or the
    same component's, join those below. Values by number (``stripes``) are replaced whole.

    Args:
        schema: Dataclass that the values are for. A component that is a field's default is known
            by it where a layer gives options alone.
        layers: Nested plain values, the lowest first.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _named_fields(schema, _merge(merged, layer))
    return merged


def nested(overrides: Sequence[str]) -> dict[str, Any]:
    """Return ``["--training.epochs", "40"]`` as ``{"training": {"epochs": "40"}}``.

    Raises:
        ConfigError: A word is no option, or has no value.
    """
    values: dict[str, Any] = {}
    words = list(overrides)
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            raise ConfigError(
                f"{word!r} is not an option; overrides look like --training.epochs 40"
            )
        key, equals, value = word.removeprefix("--").partition("=")
        if not equals:
            if not words:
                raise ConfigError(f"--{key} has no value; write --{key} VALUE")
            value = words.pop(0)
        *parents, last = key.split(".")
        inner = values
        for parent in parents:
            if isinstance(inner.get(parent), str):  # --model.backbone X --model.backbone.width 32
                inner[parent] = {CLASS_PATH: inner[parent]}
            inner = inner.setdefault(parent, {})
        if isinstance(inner.get(last), dict):
            inner[last][CLASS_PATH] = value
        else:
            inner[last] = value
    return values


def read_values(file: Path) -> dict[str, Any]:
    """Return the values of a user's YAML file.

    Raises:
        ConfigError: It cannot be read, is not YAML, or holds no keys.
    """
    return values_of(read_text(file), f"config file {file}")


def read_text(file: Path) -> str:
    """Return the text of a user's file.

    Raises:
        ConfigError: It cannot be read, or is no text.
    """
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"config file {file} cannot be read ({error.strerror}); correct the path"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"config file {file} is not text; give a YAML file") from error


def values_of(text: str, where: str) -> dict[str, Any]:
    """Return the values of a YAML text; whatever YAML may hold, the complaint is one sentence.

    Raises:
        ConfigError: It is not YAML, or holds no keys; ``where`` is named.
    """
    try:
        values = parse_yaml(text)
    except ValueError as error:
        raise ConfigError(f"{where} is not YAML ({error}); correct it") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{where} holds no keys; write e.g. 'training: {{epochs: 40}}'")
    return values


def _named_fields(schema: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested plain values in which options alone have the name of their component.

    Args:
        schema: Dataclass that they are for; what its fields' defaults name is meant.
        values: Values by field name, complete or not, right or wrong.
    """
    hints = typing.get_type_hints(schema, include_extras=True)
    return _named(hints, field_defaults(schema), values)


def _named(
    hints: Mapping[str, Any], defaults: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    named = dict(values)
    for name, value in values.items():
        hint = hints.get(name)
        kind = kind_of(hint)
        if not isinstance(value, Mapping):
            continue
        if kind is None:
            if dataclasses.is_dataclass(hint) and isinstance(hint, type):
                named[name] = _named_fields(hint, value)
        elif get_origin(without_marks(hint)) in (Mapping, dict):
            named[name] = {key: _named_component(kind, inner, key) for key, inner in value.items()}
        else:
            default = defaults.get(name)
            meant = default.name if isinstance(default, Component) else None
            named[name] = _named_component(kind, value, meant)
    return named


def _named_component(kind: Kind, value: Any, default: str | None) -> Any:  # noqa: ANN401 - any YAML value
    if not isinstance(value, Mapping):
        return value
    name = value.get(CLASS_PATH, default)
    options = value.get(INIT_ARGS) or {}
    if not isinstance(name, str) or not isinstance(options, Mapping):
        return value  # to be told when it is parsed
    kept = {key: inner for key, inner in value.items() if key == SOURCE}
    options = {
        **options,
        **{k: v for k, v in value.items() if k not in (CLASS_PATH, INIT_ARGS, SOURCE)},
    }
    try:
        target, _ = resolve(kind, name)
    except FprnetError:  # likewise
        return {CLASS_PATH: name, INIT_ARGS: options, **kept}
    named = _named(*options_and_defaults(kind, target), options)
    return {CLASS_PATH: name, INIT_ARGS: named, **kept}


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        merged[key] = _merged_value(merged.get(key), value)
    return merged


def _merged_value(below: Any, above: Any) -> Any:  # noqa: ANN401 - any YAML value
    if isinstance(above, str) and above == _component_name(below):
        return below  # the same component, its options stay
    if not isinstance(above, Mapping):
        return above
    name = _component_name(below)
    if isinstance(below, str):
        below = {CLASS_PATH: below}
    if not isinstance(below, Mapping) or any(not isinstance(key, str) for key in above):
        return above
    if CLASS_PATH in above and above[CLASS_PATH] != name:
        return above
    if name is None:
        return _merge(below, above)
    options = {key: value for key, value in above.items() if key not in (CLASS_PATH, INIT_ARGS)}
    options = {**(above.get(INIT_ARGS) or {}), **options}
    return {**below, INIT_ARGS: _merge(below.get(INIT_ARGS) or {}, options)}


def _component_name(value: Any) -> str | None:  # noqa: ANN401 - any YAML value
    if isinstance(value, str):
        return value
    return value.get(CLASS_PATH) if isinstance(value, Mapping) else None
