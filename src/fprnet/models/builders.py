"""A model's config becomes the model; the only module that reads the config's names."""

from __future__ import annotations

from typing import Literal

from fprnet.config.schema import ModelConfig, PyramidConfig
from fprnet.errors import ConfigError
from fprnet.models.cross_modality_prediction import CrossModalityPrediction
from fprnet.models.discriminator import ModalityDiscriminator
from fprnet.models.fprnet import Prediction, Reidentifier
from fprnet.models.fusion import FusionSpec
from fprnet.models.level_prediction import LevelPrediction
from fprnet.models.pyramid import FeaturePyramid
from fprnet.models.resnet import Depth, ResNet
from fprnet.models.streams import Streams
from fprnet.models.weights import load_backbone_weights

__all__ = ["build_backbone", "build_model", "fusion_spec"]

DEPTHS: dict[str, Depth] = {"resnet18": 18, "resnet50": 50}


def build_model(config: ModelConfig, *, identities: int, weights: bool = True) -> Reidentifier:
    """Assemble the model of a config.

    Args:
        config: Checked (``fprnet.config``).
        identities: M, the people that its classifiers tell apart.
        weights: Whether the backbone starts from ``config.weights``; not needed where a checkpoint
            is loaded afterwards.

    Returns:
        The model, in training mode. Its random weights come from torch's global generator.

    Raises:
        CheckpointError: The weights are not to be had, or do not fit the backbone.
        ConfigError: The fusion spec cannot be read.
    """
    backbone = build_backbone(config)
    if weights and config.weights != "none":
        load_backbone_weights(backbone, config.weights)
    channels = backbone.stage_channels
    prediction = _prediction(config, channels[5], identities)
    visible = _pyramid(config.pyramid, channels, tuple(prediction.stripes_of("visible")))
    infrared = _pyramid(config.pyramid, channels, tuple(prediction.stripes_of("infrared")))
    pyramids: FeaturePyramid | tuple[FeaturePyramid, FeaturePyramid] | None = visible
    if visible is not None and infrared is not None and not config.pyramid.shared:
        pyramids = (visible, infrared)
    streams = Streams(backbone, config.split, zero_padding=config.input == "zero-padded")
    discriminator = None
    if config.discriminator:
        if prediction.main_features is None:
            raise ConfigError(
                "model.discriminator needs the features of a main head, but "
                "model.cross_modality.main is false; set it to true or remove the discriminator"
            )
        discriminator = ModalityDiscriminator(prediction.main_features, config.discriminator)
    return Reidentifier(streams, pyramids, prediction, discriminator)


def build_backbone(config: ModelConfig) -> ResNet:
    """Assemble the backbone of a config, with random weights."""
    last_stride: Literal[1, 2] = 1 if config.last_stride == 1 else 2
    return ResNet(
        DEPTHS[config.backbone],
        width=config.width,
        last_stride=last_stride,
        input_channels=2 if config.input == "zero-padded" else 3,
    )


def fusion_spec(config: ModelConfig) -> FusionSpec | None:
    """Read the fusion spec of a config; None where there is no fusion block.

    Raises:
        ConfigError: It cannot be read.
    """
    text = config.cross_modality.fusion
    return None if text == "none" else FusionSpec.parse(text)


def _prediction(config: ModelConfig, channels: int, identities: int) -> Prediction:
    if config.prediction == "levels":
        levels = config.levels
        return LevelPrediction(
            channels,
            identities,
            stripes=dict(sorted(levels.stripes.items(), reverse=True)),
            level_channels=config.pyramid.channels,
            level_size=levels.embedding_size,
            embedding_size=levels.main_embedding_size,
            main_layer=levels.main_layer,
            pooling=levels.pooling,
            neck=levels.neck,
            dropout=levels.dropout,
            classifier_layers=levels.classifier_layers,
            embedding_from=levels.embedding_from,
        )
    cross = config.cross_modality
    return CrossModalityPrediction(
        channels,
        identities,
        fusion=fusion_spec(config),
        level_channels=config.pyramid.channels,
        layer=cross.layer,
        main_layers=cross.main_layers,
        fusion_layers=cross.fusion_layers,
        modality_layers=cross.modality_layers,
        main_activation=cross.main_activation,
        fusion_activation=cross.fusion_activation,
        fusion_activated_layers=cross.fusion_activated_layers,
        leaky_classifier=cross.leaky_classifier,
        main=cross.main,
        modality_blocks=cross.modality_blocks,
    )


def _pyramid(
    config: PyramidConfig, channels: dict[int, int], levels: tuple[int, ...]
) -> FeaturePyramid | None:
    if config.order == "none":
        return None
    if config.order == "linear":  # only the stages that the levels depend on
        channels = {stage: count for stage, count in channels.items() if stage >= min(levels)}
    return FeaturePyramid(channels, channels=config.channels, order=config.order, levels=levels)
