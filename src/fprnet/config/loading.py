"""A preset, a scale, a user's YAML file and command-line overrides become one checked config.

Later sources win: ``configs/PRESET.yaml``, its ``scales: SCALE`` part, ``--config FILE``, then
overrides such as ``--training.epochs 40``. The whole is checked at once, before the first image is
read.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from argparse import ArgumentError
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from fprnet.config.checks import faults_of
from fprnet.config.schema import RunConfig, Scale
from fprnet.errors import ConfigError

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

__all__ = [
    "config_as_dict",
    "config_from_dict",
    "load_config",
    "preset_names",
    "preset_summary",
    "to_yaml",
]


def preset_names() -> list[str]:
    """Return the names of the presets, as ``--preset`` takes them, sorted."""
    folder = resources.files("fprnet.config.presets")
    return sorted(
        f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")
    )


def preset_summary(preset: str) -> str:
    """Return what a preset is for, in one sentence: the first comment of its file."""
    for line in _preset_text(preset).splitlines():
        if line.startswith("#"):
            return line.lstrip("# ")
    return ""


def load_config(
    preset: str | None = None,
    *,
    scale: Scale | None = None,
    seed: int | None = None,
    file: Path | None = None,
    overrides: Sequence[str] = (),
) -> RunConfig:
    """Build the config of a run from a preset, a scale, a file and command-line overrides.

    Args:
        preset: Name of a file under ``configs/``; None takes the file's, or "fprnet".
        scale: "full" is the preset itself, "tiny" what CPU demos and tests use; None takes the
            file's, or "full".
        seed: Of every random number of the run; None takes the file's, or 0.
        file: A YAML file with the same keys, any subset of them; a run's ``config.yaml`` is one.
        overrides: ``["--training.epochs", "40", ...]``; ``--key=value`` works as well.

    Raises:
        ConfigError: Unknown preset, key or value (all faults in one message), or the file belongs
            to another preset or scale than the one asked for.
    """
    values = {} if file is None else _read_yaml(file)
    for name, asked in (("preset", preset), ("scale", scale)):
        if asked is not None and values.get(name, asked) != asked:
            raise ConfigError(
                f"config file {file} is for {name} {values[name]}, not {asked}; "
                f"leave --{name} out, or {name} out of the file"
            )
    identity = {
        "preset": preset or values.get("preset", "fprnet"),
        "scale": scale or values.get("scale", "full"),
        "seed": values.get("seed", 0) if seed is None else seed,
    }
    merged = _merge(_preset_values(str(identity["preset"]), str(identity["scale"])), values)
    return config_from_dict(_merge(merged, _nested(overrides)) | identity)


def config_from_dict(values: Mapping[str, Any]) -> RunConfig:
    """Fill the dataclasses from nested values and check them.

    Raises:
        ConfigError: A misspelled key (the nearest name is offered), a wrong type, or values that do
            not fit together.
    """
    _check_keys(values)
    parser = _parser()
    try:
        config = RunConfig(**vars(parser.instantiate(parser.parse_object(dict(values)))))
    except ArgumentError as error:
        raise ConfigError(f"config: {_type_fault(error, values)}") from error
    faults = list(faults_of(config))
    if faults:
        raise ConfigError("config: " + "; ".join(faults))
    return config


@cache
def _parser() -> ArgumentParser:
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(RunConfig)
    return parser


def to_yaml(config: RunConfig) -> str:
    """Return the complete config as YAML that ``config_from_dict`` reads back to an equal value."""
    return yaml.safe_dump(config_as_dict(config), sort_keys=False)


def config_as_dict(config: RunConfig) -> dict[str, Any]:
    """Return the complete config as nested plain values, as YAML and JSON hold them."""
    values: dict[str, Any] = _plain(dataclasses.asdict(config))
    return values


def _plain(value: Any) -> Any:  # noqa: ANN401 - any YAML value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _preset_text(preset: str) -> str:
    names = preset_names()
    if preset not in names:
        raise ConfigError(
            f"preset {preset!r} does not exist{_nearest(preset, names)}; "
            f"the presets are {', '.join(names)}"
        )
    return (resources.files("fprnet.config.presets") / f"{preset}.yaml").read_text(encoding="utf-8")


def _preset_values(preset: str, scale: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(_preset_text(preset))
    scales = values.pop("scales", {})
    if scale not in ("full", "tiny"):
        raise ConfigError(f"scale {scale!r} does not exist; the scales are full, tiny")
    return _merge(values, scales.get(scale, {}))


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"config file {file} cannot be read ({error.strerror}); correct the path"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"config file {file} is not text; give a YAML file") from error
    except yaml.YAMLError as error:
        raise ConfigError(
            f"config file {file} is not YAML ({_one_line(error)}); correct it"
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(
            f"config file {file} holds no keys; write e.g. 'training: {{epochs: 40}}'"
        )
    return values


def _nested(overrides: Sequence[str]) -> dict[str, Any]:
    """``["--training.epochs", "40"]`` as ``{"training": {"epochs": "40"}}``."""
    nested: dict[str, Any] = {}
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
        inner = nested
        for parent in parents:
            inner = inner.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"--{key} and --{parent} cannot be given together; drop one")
        inner[last] = value
    return nested


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        # A dict of values (levels.stripes) is replaced whole; a section is merged key by key.
        both = isinstance(inner, Mapping) and isinstance(value, Mapping) and key != "stripes"
        merged[key] = _merge(inner, value) if both else value  # type: ignore[arg-type]
    return merged


def _check_keys(values: Mapping[str, Any]) -> None:
    known = set(_keys(RunConfig))
    sections = {key.rpartition(".")[0] for key in known if "." in key}
    sections |= {section.rpartition(".")[0] for section in sections if "." in section}

    def walk(inner: Mapping[str, Any], prefix: str) -> Iterable[str]:
        for key, value in inner.items():
            name = f"{prefix}{key}"
            if name not in known and isinstance(value, Mapping) and value:
                yield from walk(value, f"{name}.")
            elif name in sections:
                yield f"{name} is a section; set one of its keys, e.g. {_first(known, name)}"
            elif name not in known:
                yield f"{name} is not a key{_nearest(name, known)}"

    faults = list(walk(values, ""))
    if faults:
        raise ConfigError("config: " + "; ".join(faults))


EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "float | None": "a number or null",
    "int | None": "a whole number or null",
    "str | None": "text or null",
    "tuple[int, ...]": "whole numbers such as [30, 60]",
    "dict[int, int]": "whole numbers such as {5: 1, 4: 2}",
}


def _type_fault(error: ArgumentError, values: Mapping[str, Any]) -> str:
    """Say the parser's complaint about one key in our words."""
    named = re.match(r'Parser key "([^"]+)"', str(error))
    if named is None:
        return _one_line(error)
    section, value = RunConfig, values
    *parents, last = named[1].split(".")
    for parent in parents:
        field = next(item for item in dataclasses.fields(section) if item.name == parent)
        section, value = field.default_factory, value[parent]  # type: ignore[assignment]
    kind = str(next(item for item in dataclasses.fields(section) if item.name == last).type)
    if kind.startswith("Literal"):
        choices = re.findall(r"['\"]([^'\"]+)['\"]", kind) + ["null"] * kind.endswith("None")
        expected = "one of " + ", ".join(choices)
    else:
        expected = EXPECTED[kind]
    return f"{named[1]} is {value[last]}, expected {expected}"


def _keys(section: type) -> Iterable[str]:
    # A section is a field whose default is made by another dataclass.
    for item in dataclasses.fields(section):
        if dataclasses.is_dataclass(item.default_factory):
            for key in _keys(item.default_factory):
                yield f"{item.name}.{key}"
        else:
            yield item.name


def _first(known: Iterable[str], section: str) -> str:
    return min(key for key in known if key.startswith(f"{section}."))


def _nearest(name: str, known: Iterable[str]) -> str:
    matches = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f" (did you mean {matches[0]}?)" if matches else ""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
