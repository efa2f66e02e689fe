"""Predictions become one number to minimise. The dict below is what ``loss.ranking`` can name."""

from fprnet.losses.modality import (
    AmplitudeDiscrepancy,
    ModalityDiscrepancy,
    ModalityDistillation,
)
from fprnet.losses.ranking import (
    BatchHardTriplet,
    CircleLoss,
    CrossModalityTopRanking,
    SupervisedContrastive,
    WeightedRegularisedTriplet,
)
from fprnet.losses.weighted_sum import weighted_sum

__all__ = ["RANKING_LOSSES"]

RANKING_LOSSES = {
    "amplitude-discrepancy": AmplitudeDiscrepancy,
    "batch-hard-triplet": BatchHardTriplet,
    "circle": CircleLoss,
    "cross-modality-top-ranking": CrossModalityTopRanking,
    "modality-discrepancy": ModalityDiscrepancy,
    "modality-distillation": ModalityDistillation,
    "sum": weighted_sum,
    "supervised-contrastive": SupervisedContrastive,
    "weighted-regularised-triplet": WeightedRegularisedTriplet,
}
