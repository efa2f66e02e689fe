"""Everything that decides what a run computes, as frozen dataclasses; each default is explained.

A field of type ``Annotated[Component, kind]`` chooses code: its value is a word or an import path,
with the options of that code (:mod:`fprnet.components`, :mod:`fprnet.kinds`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from fprnet.components import Component
from fprnet.data.pixels import DepthRange
from fprnet.kinds import (
    AUGMENTATION_PAIR_STEP,
    AUGMENTATION_STEP,
    CALLBACK,
    LOSS,
    NETWORK,
    OPTIMIZER,
    SAMPLER,
    SCHEDULE,
)
from fprnet.ranges import CountOrZero, Positive, PositiveInt, Probability, Seed

__all__ = ["AugmentationConfig", "DataConfig", "RunConfig", "Scale", "TrainingConfig"]

Scale = Literal["tiny", "full"]


@dataclass(frozen=True)
class DataConfig:
    """Which images are trained on, at what size."""

    root: str = ""  # folder of the data set, or a manifest; given as --data
    layout: str = "auto"  # how its files lie: a reader's name or import path
    split: int | None = None  # which of RegDB's ten; other layouts have one
    # Who validates stands in a list of the data set; where there is none (RegDB, LLCM, a manifest
    # without them) every 8th training identity does, and 'train' leaves them out.
    identities: Literal["train", "train+validation"] = "train+validation"
    modalities: Literal["both", "visible"] = "both"  # visible: the warm start
    height: PositiveInt = 288  # pixels, of the network's input
    width: PositiveInt = 144
    # 16-bit gray images: own spreads each image's range over black to white, as 10 to 14 bits of an
    # infrared sensor need; full keeps the upper 8 bits.
    depth_range: DepthRange = "own"
    cache: str | None = None  # folder of the resized images; None is ROOT/.fprnet-cache


@dataclass(frozen=True)
class AugmentationConfig:
    """Random changes of the training images; probabilities are in [0, 1], 0 is off."""

    padding: CountOrZero = 10  # pixels on each side before the random crop
    flip: Probability = 0.5  # mirrored left to right
    erasing: Probability = 0.0  # random erasing
    grayscale: Probability = 0.0  # visible images: plain gray
    gray_projection: Probability = 0.0  # visible images: random gray of paper.md section 11
    infrared_changes: Probability = 0.0  # infrared images: inversion, gamma, gain, offset
    channel_exchange: Probability = 0.0  # visible images: one colour copied to all three (CAJ)
    linear_enhancement: Probability = 0.0  # visible images: random linear enhancement (RLE)
    # Steps that let the modalities take of each other, by name; before those of one modality.
    pair_steps: Annotated[Mapping[str, Component], AUGMENTATION_PAIR_STEP] = field(
        default_factory=dict
    )
    # Further steps on the normalised batch, by name; a name that is a step's needs no class_path.
    steps: Annotated[Mapping[str, Component], AUGMENTATION_STEP] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingConfig:
    """How long, how precisely, how watched."""

    # Trained model whose weights, classifiers apart, a new run begins with, not model.weights: a
    # shipped model's name, hf:owner/name, or the path of a model, run or checkpoint.
    start_from: str | None = None
    epochs: PositiveInt = 60
    steps_per_epoch: PositiveInt | None = None  # None: max(visible, infrared images) // batch
    clip_norm: Positive | None = None  # longest gradient, over a player's parameters; null: any
    # None, of precision and threads: whichever is faster when the run begins; it is then kept in
    # the run's config.yaml, since sums are rounded otherwise with another.
    precision: Literal["bfloat16", "float32"] | None = None
    channels_last: bool = True
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    threads: PositiveInt | None = None  # per process, on the CPU
    images_on: Literal["auto", "device", "host"] = "auto"  # uint8; auto: the GPU, if they fit well
    compile: bool = False  # the trunk with torch.compile: pays on GPUs, in runs of many steps
    validate_every: CountOrZero = 1  # epochs; 0: never
    selection: Literal["validation", "last", "test"] = "last"  # what chooses best.pt
    checkpoint_every: CountOrZero = 0  # steps between checkpoints inside an epoch; 0: at its end


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides what a run computes."""

    preset: str = ""
    scale: Scale = "full"
    seed: Seed = 0
    data: DataConfig = field(default_factory=DataConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    # A batch holds the same identities in both modalities.
    batches: Annotated[Component, SAMPLER] = Component(SAMPLER, "identities")
    model: Annotated[Component, NETWORK] = Component(NETWORK, "streams")
    loss: Annotated[Component, LOSS] = Component(LOSS, "levels")
    optimizer: Annotated[Component, OPTIMIZER] = Component(OPTIMIZER, "sgd")
    schedule: Annotated[Component, SCHEDULE] = Component(SCHEDULE, "step")
    # By name; a name that is a callback's needs no class_path.
    callbacks: Annotated[Mapping[str, Component], CALLBACK] = field(default_factory=dict)
    training: TrainingConfig = field(default_factory=TrainingConfig)
