"""What does not fit together in a config: each fault with its key, its value and the next step."""

from __future__ import annotations

from collections.abc import Iterable

from fprnet.config.schema import CrossModalityConfig, LevelsConfig, ModelConfig, RunConfig

__all__ = ["faults_of"]


def faults_of(config: RunConfig) -> Iterable[str]:
    """Yield what does not fit together, each with the key, the value and the next step."""
    for name in ("flip", "erasing", "grayscale", "gray_projection", "infrared_changes",
                 "channel_exchange", "linear_enhancement"):  # fmt: skip
        value = getattr(config.augmentation, name)
        if not 0 <= value <= 1:
            yield f"augmentation.{name} is {value}, a probability is from 0 to 1"
    positive = {
        "data.height": config.data.height,
        "data.width": config.data.width,
        "batches.identities": config.batches.identities,
        "batches.images": config.batches.images,
        "model.width": config.model.width,
        "model.pyramid.channels": config.model.pyramid.channels,
        "optimizer.learning_rate": config.optimizer.learning_rate,
        "training.epochs": config.training.epochs,
        "training.threads": config.training.threads,
    }
    yield from (
        f"{key} is {value}, it must be above 0" for key, value in positive.items() if value <= 0
    )
    if config.augmentation.padding < 0:
        yield f"augmentation.padding is {config.augmentation.padding}, it must be at least 0"
    if config.training.steps_per_epoch is not None and config.training.steps_per_epoch <= 0:
        steps = config.training.steps_per_epoch
        yield f"training.steps_per_epoch is {steps}, give at least 1 or null"
    if not 0 <= config.model.split <= 5:
        yield f"model.split is {config.model.split}, it is from 0 (one-stream) to 5 (two networks)"
    if config.model.last_stride not in (1, 2):
        yield f"model.last_stride is {config.model.last_stride}, it is 1 or 2"
    yield from _model_faults(config.model)
    yield from _training_faults(config)


def _model_faults(model: ModelConfig) -> Iterable[str]:
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
    else:
        if model.levels != LevelsConfig():
            yield "model.levels has no effect with model.prediction cross-modality; remove it"
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
    if config.loss.ranking != "none" and config.batches.images < 2:
        yield (
            f"loss.ranking {config.loss.ranking} compares images of one person but "
            f"batches.images is {config.batches.images}; set it to 2 or more"
        )
    if (training.restraint_epochs > 0) != (training.relaxation_epochs > 0):
        yield (
            f"training.restraint_epochs is {training.restraint_epochs} but "
            f"training.relaxation_epochs is {training.relaxation_epochs}; set both or none"
        )
    eigenlayer = (
        config.model.prediction == "cross-modality"
        and config.model.cross_modality.layer == "eigenlayer"
    )
    if training.restraint_epochs and not eigenlayer:
        yield "training.restraint_epochs needs model.cross_modality.layer eigenlayer"
