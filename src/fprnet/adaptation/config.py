"""What decides how a model is adapted, as one frozen dataclass and as YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from fprnet.components import plain
from fprnet.errors import ConfigError
from fprnet.filling import fill
from fprnet.ranges import (
    BelowOne,
    CountOrZero,
    NonNegative,
    Positive,
    PositiveInt,
    Probability,
    Seed,
)

__all__ = ["AdaptationConfig", "config_from_dict", "to_yaml"]


@dataclass(frozen=True)
class AdaptationConfig:
    """Everything that decides what an adaptation computes, beside crops and start model."""

    seed: Seed = 0
    epochs: PositiveInt = 2  # the crops are clustered anew before each
    steps_per_epoch: CountOrZero = 0  # 0: crops // images of a batch, 50 at most
    clusters: PositiveInt = 8  # of a batch, in each modality
    images: PositiveInt = 4  # of each of them
    learning_rate: Positive = 0.01
    temperature: Positive = 0.07  # of the contrastive loss
    memory_momentum: BelowOne = 0.9  # share of a proxy that an image leaves as it is
    teacher_momentum: BelowOne = 0.98  # share of the averaged teacher that a step leaves
    neighbours: PositiveInt = 24  # k1 of the Jaccard distance, half of them from each modality
    averaged: PositiveInt = 6  # k2
    limit: Probability = 0.8  # mean Jaccard distance up to which clusters are one
    match_limit: Probability = 0.85  # ... of a visible and an infrared one; 0: no matching
    unsure: Probability = 0.97  # ... below which two clusters are not pushed apart; 0: all are
    least: PositiveInt = 2  # crops of a cluster
    balanced: bool = True  # neighbours from both modalities; no: the nearest, whichever
    camera_aware: bool = True  # a proxy for each camera of a cluster; no: for each modality
    teacher: bool = True  # clusters by, and keeps, the averaged weights; no: the last ones
    held_out: Probability = 0.2  # share of the groups that only measure
    margin: NonNegative = 0.03  # of agreement that the adapted model must gain to be kept
    labelled: str = ""  # data set of labelled people, whose clusters are known
    # What the run is of: kept here so that a continued run refuses another.
    model_sha256: str = ""
    crops_sha256: str = ""


def config_from_dict(values: Mapping[str, Any]) -> AdaptationConfig:
    """Fill the dataclass and check it.

    Raises:
        ConfigError: A misspelled key, a wrong type, or a value out of range.
    """
    config: AdaptationConfig
    config, faults = fill(AdaptationConfig, values)
    if faults:
        raise ConfigError("config: " + "; ".join(faults))
    return config


def to_yaml(config: AdaptationConfig) -> str:
    """Return the complete config as YAML that ``config_from_dict`` reads back."""
    return yaml.safe_dump(plain(config), sort_keys=False)
