"""A loss config becomes the objective; the only module here that reads the config's names."""

from __future__ import annotations

from fprnet.config.schema import LossConfig, ModelConfig
from fprnet.losses.adversarial import AdversarialLoss
from fprnet.losses.hybrid import HybridLoss
from fprnet.losses.levels import LevelLoss
from fprnet.losses.ranking import RankingLoss
from fprnet.losses.terms import Objective

__all__ = ["build_objective"]


def build_objective(config: LossConfig, model: ModelConfig) -> Objective:
    """Return the objective for the heads that the model has."""
    objective = _of_heads(config, model)
    if model.discriminator:
        return AdversarialLoss(objective, config.confusion_weight)
    return objective


def _of_heads(config: LossConfig, model: ModelConfig) -> Objective:
    ranking = None
    if config.ranking != "none":
        ranking = RankingLoss(
            config.ranking,
            margin=config.margin,
            intra_weight=config.intra_modality_weight,
            intra_margin=config.intra_modality_margin,
        )
    if model.prediction == "levels":
        return LevelLoss(
            ranking=ranking,
            ranking_weight=config.ranking_weight,
            level_weight=config.level_weight,
            smoothing=config.label_smoothing,
        )
    return HybridLoss(
        l1=config.joint_weight,
        l2=config.visible_weight,
        l3=config.infrared_weight,
        discrepancy=config.discrepancy,
        game=config.game,
        smoothing=config.label_smoothing,
        ranking=ranking,
        ranking_weight=config.ranking_weight,
    )
