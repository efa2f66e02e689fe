"""A preset, a user's YAML file and command-line overrides become one checked superres config."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from argparse import ArgumentError
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from fprnet.errors import ConfigError
from fprnet.plain_text import parse_yaml

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

__all__ = ["SuperresConfig", "config_from_dict", "load_config", "preset_names", "to_yaml"]

SHUFFLE = {"paper": 2, "9-1-5": 1, "9-5-5": 1}  # how many times larger the network makes an image
POSITIVE = (
    *("enlargement", "side", "learning_rate", "last_layer_multiplier", "batch", "steps"),
    *("threads", "save_every", "validation_images"),
)

EXPECTED = {
    "int": "a whole number",
    "int | None": "a whole number or null",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
}


@dataclass(frozen=True)
class SuperresConfig:
    """Everything that decides what a training of super-resolution computes."""

    preset: str = ""
    seed: int = 0
    data: str = ""  # folder of the data set, or a manifest; given as --data
    split: int | None = None  # which of RegDB's ten; other layouts have one
    camera: int = 1  # the visible camera whose images are learnt from
    network: Literal["paper", "9-1-5", "9-5-5"] = "paper"
    enlargement: int = 2  # bicubic, before the network
    residual: bool = True  # the network computes what bicubic enlargement lacks
    pictures: Literal["crop", "resize"] = "crop"  # a random square, or the whole made one
    side: int = 32  # of that square, pixels
    flip: float = 0.5  # probability of mirroring left to right
    dropout: float = 0.0  # of the second layer's channels
    # Squared error: its mean over the pixels, or half its sum over an image's pixels (Caffe).
    loss: Literal["mean", "sum"] = "mean"
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 0.001
    momentum: float = 0.9  # of sgd
    last_layer_multiplier: float = 1.0  # of the learning rate, for the third layer
    schedule: Literal["constant", "cosine"] = "cosine"
    batch: int = 32  # images of a step
    steps: int = 800
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 1  # on the CPU
    save_every: int = 200  # steps between checkpoints, each with scores on validation identities
    validation_images: int = 100  # that are scored then, at most

    @property
    def factor(self) -> int:
        """How many times larger an image becomes, and smaller the degraded one of a pair is."""
        return self.enlargement * SHUFFLE[self.network]


def preset_names() -> list[str]:
    """Return the names of the presets, as ``--preset`` takes them, sorted."""
    folder = resources.files("fprnet_lab.superres.presets")
    return sorted(
        f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")
    )


def load_config(
    preset: str | None = None,
    *,
    seed: int | None = None,
    file: Path | None = None,
    overrides: Sequence[str] = (),
) -> SuperresConfig:
    """Build the config from a preset, a file and command-line overrides; later ones win.

    Args:
        preset: Name; None takes the file's, or "fprnet".
        seed: None takes the file's, or 0.
        file: YAML with the same keys, any subset of them.
        overrides: ``["--steps", "400", ...]``; ``--key=value`` works as well.

    Raises:
        ConfigError: Unknown preset, key or value (all faults in one message).
    """
    values = {} if file is None else _read_yaml(file)
    name = preset or str(values.get("preset", "fprnet"))
    if preset is not None and values.get("preset", preset) != preset:
        raise ConfigError(
            f"config file {file} is for preset {values['preset']}, not {preset}; leave --preset out"
        )
    if name not in preset_names():
        raise ConfigError(
            f"super-resolution has no preset {name!r}{_nearest(name, preset_names())}; "
            f"the presets are {', '.join(preset_names())}"
        )
    text = (
        resources.files("fprnet_lab.superres.presets").joinpath(f"{name}.yaml").read_text("utf-8")
    )
    merged = yaml.safe_load(text) | values | _overrides(overrides) | {"preset": name}
    return config_from_dict(merged if seed is None else merged | {"seed": seed})


def config_from_dict(values: Mapping[str, Any]) -> SuperresConfig:
    """Fill the dataclass and check it.

    Raises:
        ConfigError: A misspelled key, a wrong type, or a value out of range.
    """
    known = [field.name for field in dataclasses.fields(SuperresConfig)]
    unknown = [f"{key} is not a key{_nearest(key, known)}" for key in values if key not in known]
    if unknown:
        raise ConfigError("config: " + "; ".join(unknown))
    parser = _parser()
    try:
        given = vars(parser.instantiate(parser.parse_object(dict(values))))
    except ArgumentError as error:
        raise ConfigError(f"config: {_type_fault(error, values)}") from error
    config = SuperresConfig(**given)
    faults = list(_faults(config))
    if faults:
        raise ConfigError("config: " + "; ".join(faults))
    return config


def to_yaml(config: SuperresConfig) -> str:
    """Return the complete config as YAML that ``config_from_dict`` reads back."""
    return yaml.safe_dump(dataclasses.asdict(config), sort_keys=False)


def _faults(config: SuperresConfig) -> Iterator[str]:
    for name in POSITIVE:
        value = getattr(config, name)
        if not (math.isfinite(value) and value > 0):
            yield f"{name} is {value}; it must be above 0"
    if not 0 <= config.flip <= 1:
        yield f"flip is {config.flip}; a probability is in [0, 1]"
    for name in ("dropout", "momentum"):
        if not 0 <= getattr(config, name) < 1:
            yield f"{name} is {getattr(config, name)}; it must be at least 0 and below 1"
    if config.factor < 2:
        yield (
            f"network {config.network} with enlargement {config.enlargement} leaves an image as "
            "large as it is; set enlargement to 2 or more"
        )
    elif config.side % config.factor or config.side < 2 * config.factor:
        yield (
            f"side is {config.side}; it must be a multiple of {config.factor} (enlargement times "
            f"the network's own), at least {2 * config.factor}"
        )


def _type_fault(error: ArgumentError, values: Mapping[str, Any]) -> str:
    """Say the parser's complaint about one key in our words."""
    named = re.match(r'Parser key "([^"]+)"', str(error))
    kinds = {field.name: str(field.type) for field in dataclasses.fields(SuperresConfig)}
    if named is None or named[1] not in kinds:
        return " ".join(str(error).split())
    kind = kinds[named[1]]
    choices = re.findall(r"['\"]([^'\"]+)['\"]", kind)
    expected = f"one of {', '.join(choices)}" if choices else EXPECTED[kind]
    return f"{named[1]} is {values[named[1]]}, expected {expected}"


@cache
def _parser() -> ArgumentParser:
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(SuperresConfig)
    return parser


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        values = parse_yaml(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"config file {file} cannot be read ({reason}); correct it") from error
    if not isinstance(values, dict):
        raise ConfigError(f"config file {file} holds no keys; write e.g. 'steps: 400'")
    return values


def _overrides(words: Sequence[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("--"):
            raise ConfigError(f"{word!r} is not an option; overrides look like --steps 400")
        key, equals, value = word.removeprefix("--").partition("=")
        if not equals:
            if not left:
                raise ConfigError(f"--{key} has no value; write --{key} VALUE")
            value = left.pop(0)
        given[key] = value
    return given


def _nearest(name: str, known: Sequence[str]) -> str:
    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" (did you mean {matches[0]}?)" if matches else ""
