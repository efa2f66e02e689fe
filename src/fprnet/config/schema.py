"""Everything that decides what a run computes, as frozen dataclasses; each default is explained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "AugmentationConfig",
    "BatchesConfig",
    "CrossModalityConfig",
    "DataConfig",
    "LevelsConfig",
    "LossConfig",
    "ModelConfig",
    "OptimizerConfig",
    "PyramidConfig",
    "RunConfig",
    "Scale",
    "ScheduleConfig",
    "TrainingConfig",
]

Scale = Literal["tiny", "full"]


@dataclass(frozen=True)
class DataConfig:
    """Which images are trained on, at what size."""

    root: str = ""  # folder of the data set, or a manifest; given as --data
    layout: Literal["auto", "sysu-mm01", "regdb", "llcm", "manifest"] = "auto"  # of its files
    split: int | None = None  # which of RegDB's ten; other layouts have one
    # Who validates stands in a list of the data set; where there is none (RegDB, LLCM, a manifest
    # without them) every 8th training identity does, and 'train' leaves them out.
    identities: Literal["train", "train+validation"] = "train+validation"
    modalities: Literal["both", "visible"] = "both"  # visible: the warm start
    height: int = 288  # pixels, of the network's input
    width: int = 144
    cache: str | None = None  # folder of the resized images; None is ROOT/.fprnet-cache


@dataclass(frozen=True)
class AugmentationConfig:
    """Random changes of the training images; probabilities are in [0, 1], 0 is off."""

    padding: int = 10  # pixels on each side before the random crop
    flip: float = 0.5  # mirrored left to right
    erasing: float = 0.0  # random erasing
    grayscale: float = 0.0  # visible images: plain gray
    gray_projection: float = 0.0  # visible images: random gray of paper.md section 11
    infrared_changes: float = 0.0  # infrared images: inversion, gamma, gain, offset of section 11
    channel_exchange: float = 0.0  # visible images: one colour copied to all three (CAJ)
    linear_enhancement: float = 0.0  # visible images: random linear enhancement (RLE)


@dataclass(frozen=True)
class BatchesConfig:
    """A batch holds the same identities in both modalities."""

    identities: int = 32  # distinct people in a batch
    images: int = 1  # of each of them, in each modality


@dataclass(frozen=True)
class PyramidConfig:
    """Feature pyramid over the backbone's stages (paper Eq. 1)."""

    order: Literal["none", "linear", "released", "paper"] = "none"  # which map is upsampled
    channels: int = 256
    shared: bool = False  # one pyramid for both modalities


@dataclass(frozen=True)
class LevelsConfig:
    """Prediction by a main head on C(5) and one head for each striped pyramid level."""

    stripes: dict[int, int] = field(default_factory=dict)  # level -> horizontal stripes; {} is none
    embedding_size: int = 256  # of each level
    main_embedding_size: int | None = None  # None: the pooled C(5) itself
    main_layer: Literal["linear", "eigenlayer"] = "linear"  # what makes it; eigenlayer: SVDNet's
    pooling: Literal["mean", "gem"] = "mean"  # of C(5): its mean, or a learnt generalised mean
    neck: Literal["batchnorm", "none"] = "batchnorm"
    dropout: float = 0.0  # between the main head's neck and its classifier
    classifier_layers: tuple[int, ...] = ()  # hidden ones, ReLU, between main neck and classifier
    # At test time: the neck's input or output, or the pooled maps that the heads start from.
    embedding_from: Literal["before", "after", "pooled"] = "before"


@dataclass(frozen=True)
class CrossModalityConfig:
    """The paper's prediction module: joint, fusion, visible and infrared blocks (paper 3.2)."""

    layer: Literal["eigenlayer", "linear-batchnorm"] = "eigenlayer"
    main_layers: tuple[int, ...] = (512,)
    fusion_layers: tuple[int, ...] = (128, 64)
    modality_layers: tuple[int, ...] = (512,)  # of the RGB and the IR block's own heads
    main_activation: Literal["leaky-relu", "relu", "none"] = "leaky-relu"
    fusion_activation: Literal["leaky-relu", "relu"] = "relu"
    fusion_activated_layers: Literal["all", "first"] = "all"  # layers that it follows
    fusion: str = "r5 i5 i4 r4 r5 i5 i2 r2"  # one row is 'horizontal', / starts another; or none
    main: bool = True  # the IR-RGB block
    modality_blocks: Literal["none", "shared", "own", "enlarged"] = "enlarged"
    leaky_classifier: bool = False  # a LeakyReLU before every classifier, as released


@dataclass(frozen=True)
class ModelConfig:
    """Batch to embedding."""

    input: Literal["rgb", "zero-padded"] = "rgb"  # zero-padded: [gray, 0] or [0, infrared]
    backbone: Literal["resnet18", "resnet50"] = "resnet50"
    width: int = 64  # channels of the stem
    weights: str = "imagenet"  # 'imagenet', 'none' or a file
    split: int = 5  # stages that each modality has for itself: 0 (one-stream) to 5 (two networks)
    last_stride: int = 2
    pyramid: PyramidConfig = field(default_factory=PyramidConfig)
    prediction: Literal["levels", "cross-modality"] = "levels"
    levels: LevelsConfig = field(default_factory=LevelsConfig)
    cross_modality: CrossModalityConfig = field(default_factory=CrossModalityConfig)
    discriminator: tuple[int, ...] = ()  # hidden layers of cmGAN's; [] is none


@dataclass(frozen=True)
class LossConfig:
    """What is minimised: identity and ranking losses, and the paper's hybrid loss."""

    ranking: Literal[
        "none", "weighted-regularised-triplet", "batch-hard-triplet", "cross-modality-top-ranking"
    ] = "none"  # of the main head, and of every level
    ranking_weight: float = 1.0
    margin: float | None = None  # None: 0.3 of batch-hard-triplet, 0.5 of cross-modality-...
    intra_modality_weight: float = 0.0  # lambda of BDTR, in cross-modality-top-ranking
    intra_modality_margin: float = 0.1  # rho 2 of BDTR
    confusion_weight: float = 0.0  # gamma of cmGAN: how much the model works against it
    level_weight: float = 1.0  # of the mean over the levels' losses
    label_smoothing: float = 0.0
    # Which block gives L_ri: the one that classifies more rows right (count, rate), the one with
    # the larger loss (max: a minimax game), both (sum), or always the same one.
    game: Literal["count", "rate", "max", "sum", "main", "fusion"] = "rate"
    joint_weight: float = 1.0  # lambda 1 of Eq. 2
    visible_weight: float = 1.0  # lambda 2
    infrared_weight: float = 1.0  # lambda 3
    discrepancy: Literal["none", "detached", "differentiable"] = "none"  # e^|d| of Eq. 7


@dataclass(frozen=True)
class OptimizerConfig:
    """Stochastic gradient descent; new layers may learn faster or slower than the trunk."""

    learning_rate: float = 0.01
    trunk_multiplier: float = 1.0  # of the learning rate, for the backbone
    pyramid_multiplier: float = 1.0
    head_multiplier: float = 1.0
    fusion_multiplier: float = 1.0  # for the fusion block's head
    adversary_learning_rate: float | None = None  # of the discriminator; null where there is none
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    clip_norm: float | None = None  # longest gradient, over a player's parameters; null: any


@dataclass(frozen=True)
class ScheduleConfig:
    """Learning rate over time."""

    kind: Literal["step", "cosine"] = "step"
    warmup_epochs: float = 0.0  # linear, from nearly 0
    milestones: tuple[int, ...] = (30,)  # epochs at which the step schedule lowers the rate
    gamma: float = 0.1  # ... by this factor


@dataclass(frozen=True)
class TrainingConfig:
    """How long, how precisely, how watched."""

    epochs: int = 60
    steps_per_epoch: int | None = None  # None: max(visible, infrared images) // batch
    base_epochs: int = 0  # before the first round of restraint and relaxation
    restraint_epochs: int = 0  # SVD layers decorrelated, then frozen for so many epochs ...
    relaxation_epochs: int = 0  # ... then trained for so many; 0 and 0: never
    freeze_statistics: bool = False  # in restraint epochs BatchNorm uses its running statistics
    # None, of precision and threads: whichever is faster when the run begins; it is then kept in
    # the run's config.yaml, since sums are rounded otherwise with another.
    precision: Literal["bfloat16", "float32"] | None = None
    channels_last: bool = True
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = None  # per process, on the CPU
    images_on: Literal["auto", "device", "host"] = "auto"  # uint8; auto: the GPU, if they fit well
    compile: bool = False  # the trunk with torch.compile: pays on GPUs, in runs of many steps
    validate_every: int = 1  # epochs; 0: never
    selection: Literal["validation", "last", "test"] = "last"  # what chooses best.pt
    checkpoint_every: int = 0  # steps between checkpoints inside an epoch; 0: only at its end


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides what a run computes."""

    preset: str = ""
    scale: Scale = "full"
    seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    batches: BatchesConfig = field(default_factory=BatchesConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
