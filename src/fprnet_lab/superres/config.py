"""A preset, a user's YAML file and command-line overrides become one checked superres config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml

from fprnet.components import nearest, plain
from fprnet.config.layers import layered, nested, read_values, values_of
from fprnet.errors import ConfigError
from fprnet.filling import fill
from fprnet.ranges import BelowOne, CountOrZero, Positive, PositiveInt, Probability

__all__ = ["SuperresConfig", "config_from_dict", "load_config", "preset_names", "to_yaml"]

SHUFFLE = {"paper": 2, "9-1-5": 1, "9-5-5": 1}  # how many times larger the network makes an image


@dataclass(frozen=True)
class SuperresConfig:
    """Everything that decides what a training of super-resolution computes."""

    preset: str = ""
    seed: CountOrZero = 0
    data: str = ""  # folder of the data set, or a manifest; given as --data
    split: int | None = None  # which of RegDB's ten; other layouts have one
    camera: int = 1  # the visible camera whose images are learnt from
    network: Literal["paper", "9-1-5", "9-5-5"] = "paper"
    enlargement: PositiveInt = 2  # bicubic, before the network
    residual: bool = True  # the network computes what bicubic enlargement lacks
    pictures: Literal["crop", "resize"] = "crop"  # a random square, or the whole made one
    side: PositiveInt = 32  # of that square, pixels
    flip: Probability = 0.5  # probability of mirroring left to right
    dropout: BelowOne = 0.0  # of the second layer's channels
    # Squared error: its mean over the pixels, or half its sum over an image's pixels (Caffe).
    loss: Literal["mean", "sum"] = "mean"
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: Positive = 0.001
    momentum: BelowOne = 0.9  # of sgd
    last_layer_multiplier: Positive = 1.0  # of the learning rate, for the third layer
    schedule: Literal["constant", "cosine"] = "cosine"
    batch: PositiveInt = 32  # images of a step
    steps: PositiveInt = 800
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    threads: PositiveInt = 1  # on the CPU
    save_every: PositiveInt = 200  # steps between checkpoints, each with validation scores
    validation_images: PositiveInt = 100  # that are scored then, at most

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
    values = {} if file is None else read_values(file)
    name = preset or str(values.get("preset", "fprnet"))
    if preset is not None and values.get("preset", preset) != preset:
        raise ConfigError(
            f"config file {file} is for preset {values['preset']}, not {preset}; leave --preset out"
        )
    if name not in preset_names():
        raise ConfigError(
            f"super-resolution has no preset {name!r}{nearest(name, preset_names())}; "
            f"the presets are {', '.join(preset_names())}"
        )
    text = (resources.files("fprnet_lab.superres.presets") / f"{name}.yaml").read_text("utf-8")
    identity: dict[str, Any] = {"preset": name} | ({} if seed is None else {"seed": seed})
    layers = values_of(text, f"preset {name}"), values, nested(overrides), identity
    return config_from_dict(layered(SuperresConfig, *layers))


def config_from_dict(values: Mapping[str, Any]) -> SuperresConfig:
    """Fill the dataclass and check it.

    Raises:
        ConfigError: A misspelled key, a wrong type, or a value out of range.
    """
    config, faults = fill(SuperresConfig, values)
    faults = faults or list(_faults(config))
    if faults:
        raise ConfigError("config: " + "; ".join(faults))
    checked: SuperresConfig = config
    return checked


def to_yaml(config: SuperresConfig) -> str:
    """Return the complete config as YAML that ``config_from_dict`` reads back."""
    return yaml.safe_dump(plain(config), sort_keys=False)


def _faults(config: SuperresConfig) -> Iterator[str]:
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
