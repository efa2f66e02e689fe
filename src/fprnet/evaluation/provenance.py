"""Scores become a result that says what was trained and tested on, and which leaks there are."""

from __future__ import annotations

from dataclasses import replace

from fprnet.data.data_set import DataSet
from fprnet.data.protocols.protocol import Protocol
from fprnet.embeddings.store import Features
from fprnet.evaluation.leaks import check_training, find_leaks, provenance_of
from fprnet.evaluation.scores import Scores

__all__ = ["with_provenance"]


def with_provenance(
    scores: Scores, features: Features, protocol: Protocol, data_set: DataSet
) -> Scores:
    """Return the scores with their provenance and the leaks that were found.

    Args:
        scores: Scores of these features.
        features: ``meta`` says what their model was trained on, where that is known.
        protocol: What was compared.
        data_set: What was tested on.

    Raises:
        UsageError: The model was trained on people of the test set.
    """
    check_training(features.meta, data_set, data_set.test)
    leaks = find_leaks(features, protocol, data_set)
    return replace(scores, leaks=leaks, provenance=provenance_of(features.meta, data_set))
