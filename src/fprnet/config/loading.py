"""A preset, a scale, a user's YAML file and command-line overrides become one checked config.

Later sources win: the preset's file, its ``scales: SCALE`` part, ``--config FILE``, then overrides
such as ``--training.epochs 40``. The whole is checked at once, before the first image is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from fprnet import plugins
from fprnet.components import nearest, plain
from fprnet.config.checks import faults_of
from fprnet.config.layers import layered, nested, read_text, read_values, values_of
from fprnet.config.schema import RunConfig, Scale
from fprnet.errors import ConfigError
from fprnet.filling import as_recorded, faults_text, fill

__all__ = [
    "config_as_dict",
    "config_from_dict",
    "config_of_graphs",
    "config_to_embed",
    "load_config",
    "override_config",
    "preset_file",
    "preset_names",
    "preset_summary",
    "to_yaml",
]

SCALES = ("full", "tiny")


@cache
def _presets() -> Mapping[str, Path]:
    """Return the presets that come with fprnet: one YAML file each, in the folder of its method."""
    methods = Path(str(resources.files("fprnet.methods")))
    return {file.stem: file for file in sorted(methods.glob("*/*.yaml"))}


def preset_names() -> list[str]:
    """Return the names of the presets, as ``--preset`` takes them, sorted."""
    return sorted(_presets())


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
    base: RunConfig | None = None,
    overrides: Sequence[str] = (),
) -> RunConfig:
    """Build the config of a run from a preset, a scale, a file and command-line overrides.

    Args:
        preset: Name of a preset; a path of a YAML file ("./mine.yaml"); or "package:name", the
            file ``name.yaml`` in a package that the user has allowed, or in a folder of it. None
            takes the file's, or "fprnet".
        scale: "full" is the preset itself, "tiny" what CPU demos and tests use; None takes the
            file's, or "full".
        seed: Seed of every random number of the run; None takes the file's, or 0.
        file: A YAML file with the same keys, any subset of them; a run's ``config.yaml`` is one.
        base: Config of another run, which takes the place of the preset's values.
        overrides: ``["--training.epochs", "40", ...]``; ``--key=value`` works as well.

    Raises:
        ConfigError: Unknown preset, key or value (all faults in one message), or the file belongs
            to another preset or scale than the one asked for.

    Examples:
        A preset with another number of epochs::

            config = fprnet.load_config("agw", overrides=["--training.epochs", "40"])
    """
    values = {} if file is None else read_values(file)
    words = nested(overrides)
    for name in ("preset", "scale", "seed"):
        if name in words:
            raise ConfigError(f"--{name} {words[name]} is no override; give it as {name} itself")
    below = {} if base is None else config_as_dict(base)
    found: dict[str, str | None] = {"preset": preset, "scale": scale}
    for source, said in ((f"config file {file}", values), ("the model to start from", below)):
        for name, asked in found.items():
            if asked is not None and said.get(name, asked) != asked:
                raise ConfigError(
                    f"{source} is for {name} {said[name]}, not {asked}; "
                    f"leave --{name} out, or {name} out of the file"
                )
            found[name] = asked or said.get(name)
    preset, size = found["preset"] or "fprnet", found["scale"] or "full"
    seed = values.get("seed", 0) if seed is None else seed
    layers = [below] if below else _preset_layers(preset, size)
    identity = {"preset": preset, "scale": size, "seed": seed}
    return config_from_dict(layered(RunConfig, *layers, values, words) | identity)


def override_config(config: RunConfig, overrides: Sequence[str]) -> RunConfig:
    """Return a config with some values replaced, as ``load_config`` takes them.

    Raises:
        ConfigError: As `config_from_dict`.
    """
    return config_from_dict(layered(RunConfig, config_as_dict(config), nested(overrides)))


def config_from_dict(values: Mapping[str, Any]) -> RunConfig:
    """Fill the dataclasses from nested values and check them.

    Raises:
        ConfigError: A misspelled key (the nearest name is offered), a wrong type, a component that
            nobody has allowed, or values that do not fit together: all faults in one message.
    """
    config, faults = fill(RunConfig, values)
    faults = faults or list(faults_of(config))
    if faults:
        raise ConfigError(faults_text(faults))
    checked: RunConfig = config
    return checked


def config_to_embed(values: Mapping[str, Any]) -> RunConfig:
    """Return the config of a model that is to embed, whose training code may be absent.

    Components of somebody else outside ``model`` (a loss, a sampler, ...) stay as the file records
    them, and nobody has to allow or install them; see `fprnet.filling.Recorded`.

    Args:
        values: As `config_from_dict`.

    Raises:
        ConfigError: As `config_from_dict`.
    """
    training = {name: value for name, value in values.items() if name != "model"}
    return config_from_dict({**values, **as_recorded(RunConfig, training)})


def config_of_graphs(values: Mapping[str, Any]) -> RunConfig:
    """Return the config of a model whose graphs embed: no code that it names need be there.

    Args:
        values: As `config_from_dict`.

    Raises:
        ConfigError: As `config_from_dict`.
    """
    return config_from_dict(as_recorded(RunConfig, values))


def to_yaml(config: RunConfig) -> str:
    """Return the complete config as YAML that ``config_from_dict`` reads back to an equal value."""
    return yaml.safe_dump(config_as_dict(config), sort_keys=False)


def config_as_dict(config: RunConfig) -> dict[str, Any]:
    """Return the complete config as nested plain values, as YAML and JSON hold them."""
    values: dict[str, Any] = plain(config)
    return values


def preset_file(preset: str) -> Path:
    """Return the file of a preset, by name, by path, or in an allowed package.

    Raises:
        ConfigError: There is none, or the package is not allowed.
    """
    if preset in _presets():
        return _presets()[preset]
    package, colon, name = preset.partition(":")
    if colon:
        module = plugins.load_module(package)
        if module is None:
            raise ConfigError(
                f"preset {preset} lies in a package that is not allowed; if you trust it, "
                f"{plugins.advice(package)}"
            )
        folder = Path(str(module.__file__)).parent
        files = sorted({*folder.glob(f"{name}.yaml"), *folder.glob(f"*/{name}.yaml")})
        if files:
            return files[0]
        there = sorted({file.stem for file in (*folder.glob("*.yaml"), *folder.glob("*/*.yaml"))})
        raise ConfigError(
            f"preset {preset}: there is no {name}.yaml beside {package} or in a folder there"
            f"{nearest(name, there)}; correct the name, or give the file as ./{name}.yaml"
        )
    if preset.endswith((".yaml", ".yml")):
        return Path(preset)
    names = preset_names()
    raise ConfigError(
        f"preset {preset!r} does not exist{nearest(preset, names)}; the presets are "
        f"{', '.join(names)}, or give a file such as ./mine.yaml"
    )


def _preset_text(preset: str) -> str:
    return read_text(preset_file(preset))


def _preset_layers(preset: str, scale: str) -> list[dict[str, Any]]:
    values = values_of(_preset_text(preset), f"preset {preset}")
    scales = values.pop("scales", {})
    if scale not in SCALES:
        raise ConfigError(f"scale {scale!r} does not exist; the scales are {', '.join(SCALES)}")
    return [values, scales.get(scale, {})]
