"""What does not fit together in a config: each fault with its key, its value and the next step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from fprnet.config.schema import (
    CrossModalityConfig,
    LevelsConfig,
    LossConfig,
    ModelConfig,
    RunConfig,
)

__all__ = ["faults_of"]


PROBABILITIES = (
    "augmentation.flip",
    "augmentation.erasing",
    "augmentation.grayscale",
    "augmentation.gray_projection",
    "augmentation.infrared_changes",
    "augmentation.channel_exchange",
    "augmentation.linear_enhancement",
)
POSITIVE = (
    "data.height",
    "data.width",
    "batches.identities",
    "batches.images",
    "model.width",
    "model.pyramid.channels",
    "model.levels.embedding_size",
    "optimizer.learning_rate",
    "training.epochs",
)
NOT_NEGATIVE = (
    "seed",
    "augmentation.padding",
    "loss.ranking_weight",
    "loss.level_weight",
    "loss.confusion_weight",
    "loss.intra_modality_weight",
    "loss.intra_modality_margin",
    "loss.joint_weight",
    "loss.visible_weight",
    "loss.infrared_weight",
    "optimizer.trunk_multiplier",
    "optimizer.pyramid_multiplier",
    "optimizer.head_multiplier",
    "optimizer.fusion_multiplier",
    "optimizer.weight_decay",
    "schedule.warmup_epochs",
    "schedule.gamma",
    "training.base_epochs",
    "training.restraint_epochs",
    "training.relaxation_epochs",
    "training.validate_every",
    "training.checkpoint_every",
)
BELOW_ONE = ("model.levels.dropout", "loss.label_smoothing", "optimizer.momentum")
POSITIVE_OR_NONE = (
    "model.levels.main_embedding_size",
    "loss.margin",
    "optimizer.adversary_learning_rate",
    "optimizer.clip_norm",
    "training.steps_per_epoch",
    "training.threads",
)


def faults_of(config: RunConfig) -> Iterable[str]:
    """Yield what does not fit together, each with the key, the value and the next step."""
    yield from _range_faults(config)
    yield from _model_faults(config.model)
    yield from _loss_faults(config.loss, config.model)
    yield from _adversary_faults(config)
    yield from _training_faults(config)


def _range_faults(config: RunConfig) -> Iterable[str]:
    for key in PROBABILITIES:
        if not 0 <= (value := _value(config, key)) <= 1:
            yield f"{key} is {value}, a probability is from 0 to 1"
    for key in POSITIVE:
        if not 0 < (value := _value(config, key)) < math.inf:
            yield f"{key} is {value}, it must be above 0"
    for key in NOT_NEGATIVE:
        if not 0 <= (value := _value(config, key)) < math.inf:
            yield f"{key} is {value}, it must be at least 0"
    for key in BELOW_ONE:
        if not 0 <= (value := _value(config, key)) < 1:
            yield f"{key} is {value}, it is from 0 to below 1"
    for key in POSITIVE_OR_NONE:
        if (number := _value(config, key)) is not None and number <= 0:
            yield f"{key} is {number}, give at least 1 or null"


def _value(config: RunConfig, key: str) -> Any:  # noqa: ANN401 - of whatever type the key has
    value: Any = config
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _model_faults(model: ModelConfig) -> Iterable[str]:
    if not 0 <= model.split <= 5:
        yield f"model.split is {model.split}, it is from 0 (one-stream) to 5 (two networks)"
    if model.last_stride not in (1, 2):
        yield f"model.last_stride is {model.last_stride}, it is 1 or 2"
    if model.prediction == "levels":
        if model.cross_modality != CrossModalityConfig():
            yield "model.cross_modality has no effect with model.prediction levels; remove it"
        if bool(model.levels.stripes) != (model.pyramid.order != "none"):
            yield (
                f"model.levels.stripes is {model.levels.stripes} but model.pyramid.order is "
                f"{model.pyramid.order}; levels need a pyramid and a pyramid needs levels"
            )
        if not set(model.levels.stripes) <= {2, 3, 4, 5}:
            yield f"model.levels.stripes has levels {sorted(model.levels.stripes)}, they are 2 to 5"
        yield from _main_head_faults(model.levels)
        if any(size < 1 for size in model.levels.classifier_layers):
            sizes = list(model.levels.classifier_layers)
            yield f"model.levels.classifier_layers is {sizes}, give sizes above 0"
        if any(count < 1 for count in model.levels.stripes.values()):
            yield f"model.levels.stripes is {model.levels.stripes}, a level has at least 1 stripe"
    else:
        if model.levels != LevelsConfig():
            yield "model.levels has no effect with model.prediction cross-modality; remove it"
        for name in ("main_layers", "fusion_layers", "modality_layers"):
            sizes = getattr(model.cross_modality, name)
            if not sizes or min(sizes) < 1:
                yield f"model.cross_modality.{name} is {list(sizes)}, give sizes above 0"
        blocks, layers = model.cross_modality.modality_blocks, model.cross_modality.modality_layers
        if blocks in ("none", "shared") and layers != CrossModalityConfig().modality_layers:
            yield (
                f"model.cross_modality.modality_layers is {list(layers)} but has no effect with "
                f"model.cross_modality.modality_blocks {blocks}; remove it"
            )
        fusion = model.cross_modality.fusion != "none"
        if fusion != (model.pyramid.order != "none"):
            yield (
                f"model.cross_modality.fusion is {model.cross_modality.fusion} but "
                f"model.pyramid.order is {model.pyramid.order}; both are none, or neither"
            )
        if not fusion and not model.cross_modality.main:
            yield "model.cross_modality has neither main nor fusion; keep one of them"
        if not model.cross_modality.main and model.cross_modality.modality_blocks == "shared":
            yield "model.cross_modality.modality_blocks shared needs model.cross_modality.main true"


def _main_head_faults(levels: LevelsConfig) -> Iterable[str]:
    if levels.main_layer == "eigenlayer" and levels.main_embedding_size is None:
        yield (
            "model.levels.main_layer is eigenlayer but model.levels.main_embedding_size is null; "
            "give its size"
        )
    if levels.embedding_from == "after" and levels.neck == "none" and not levels.stripes:
        yield (
            "model.levels.embedding_from is after but model.levels.neck is none; "
            "set embedding_from to before"
        )


def _loss_faults(loss: LossConfig, model: ModelConfig) -> Iterable[str]:
    own = {
        "levels": ("level_weight",),
        "cross-modality": (
            "game",
            "joint_weight",
            "visible_weight",
            "infrared_weight",
            "discrepancy",
        ),
    }
    for prediction, names in own.items():
        if prediction == model.prediction:
            continue
        for name in names:
            if getattr(loss, name) != getattr(LossConfig(), name):
                yield (
                    f"loss.{name} is {getattr(loss, name)} but has no effect with "
                    f"model.prediction {model.prediction}; remove it"
                )
    needs = {
        "margin": ("batch-hard-triplet", "cross-modality-top-ranking"),
        "intra_modality_weight": ("cross-modality-top-ranking",),
        "intra_modality_margin": ("cross-modality-top-ranking",),
    }
    for name, rankings in needs.items():
        if loss.ranking not in rankings and getattr(loss, name) != getattr(LossConfig(), name):
            yield (
                f"loss.{name} is {getattr(loss, name)} but has no effect with loss.ranking "
                f"{loss.ranking}; remove it"
            )
    if loss.ranking != "none" and model.prediction == "cross-modality":
        if not model.cross_modality.main:
            yield f"loss.ranking {loss.ranking} needs model.cross_modality.main true"
    elif loss.ranking == "none" and loss.ranking_weight != LossConfig().ranking_weight:
        yield (
            f"loss.ranking_weight is {loss.ranking_weight} but has no effect with loss.ranking "
            "none; remove it"
        )
    blocks = model.cross_modality.modality_blocks != "none"
    if model.prediction == "cross-modality" and loss.discrepancy != "none" and not blocks:
        yield (
            f"loss.discrepancy is {loss.discrepancy} but model.cross_modality.modality_blocks is "
            "none, so there is nothing to compare; set loss.discrepancy to none"
        )


def _adversary_faults(config: RunConfig) -> Iterable[str]:
    sizes, rate = config.model.discriminator, config.optimizer.adversary_learning_rate
    if not sizes:
        for key, value, off in (
            ("loss.confusion_weight", config.loss.confusion_weight, 0),
            ("optimizer.adversary_learning_rate", rate, None),
        ):
            if value != off:
                yield f"{key} is {value} but has no effect without model.discriminator; remove it"
        return
    if min(sizes) < 1:
        yield f"model.discriminator is {list(sizes)}, give sizes above 0"
    if rate is None:
        yield "model.discriminator learns, so give it a rate: optimizer.adversary_learning_rate"
    if config.data.modalities == "visible":
        yield "data.modalities is visible but model.discriminator tells both apart; remove it"
    if config.model.prediction == "cross-modality" and not config.model.cross_modality.main:
        yield "model.discriminator needs model.cross_modality.main true"


def _training_faults(config: RunConfig) -> Iterable[str]:
    training = config.training
    if training.selection == "validation" and config.data.identities == "train+validation":
        yield (
            "training.selection is validation but data.identities is train+validation, which "
            "trains on them; set data.identities to train or training.selection to last"
        )
    if training.selection != "last" and training.validate_every == 0:
        yield (
            f"training.selection is {training.selection} but training.validate_every is 0; "
            "set it to 1 or training.selection to last"
        )
    if config.data.modalities == "visible":
        if training.validate_every:
            yield (
                "data.modalities is visible, which leaves nothing to validate; "
                "set training.validate_every to 0"
            )
        if config.model.prediction == "cross-modality":
            yield "data.modalities is visible but model.prediction cross-modality needs both"
        if config.loss.ranking == "cross-modality-top-ranking":
            yield f"data.modalities is visible but loss.ranking {config.loss.ranking} needs both"
    pools = config.loss.ranking in ("weighted-regularised-triplet", "batch-hard-triplet")
    if pools and config.batches.images < 2:
        yield (
            f"loss.ranking {config.loss.ranking} compares images of one person but "
            f"batches.images is {config.batches.images}; set it to 2 or more"
        )
    if (training.restraint_epochs > 0) != (training.relaxation_epochs > 0):
        yield (
            f"training.restraint_epochs is {training.restraint_epochs} but "
            f"training.relaxation_epochs is {training.relaxation_epochs}; set both or none"
        )
    layer = (
        "model.levels.main_layer"
        if config.model.prediction == "levels"
        else "model.cross_modality.layer"
    )
    if training.restraint_epochs and _value(config, layer) != "eigenlayer":
        yield f"training.restraint_epochs needs {layer} eigenlayer"
    if training.restraint_epochs and training.base_epochs >= training.epochs:
        yield (
            f"training.base_epochs is {training.base_epochs} but training.epochs is "
            f"{training.epochs}, so that no round begins; lower it"
        )
    for name in ("base_epochs", "freeze_statistics"):
        if getattr(training, name) and not training.restraint_epochs:
            yield (
                f"training.{name} is {getattr(training, name)} but has no effect without "
                "training.restraint_epochs; remove it"
            )
