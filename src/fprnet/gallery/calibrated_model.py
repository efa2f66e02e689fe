"""A model and a data set become a projection and a calibration, which galleries use.

The projection is fitted on training people, its size chosen and the calibration fitted on others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fprnet.data.data_set import DataSet
from fprnet.data.records import Records
from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.from_disk import extract_data_set
from fprnet.embeddings.projection import Projection
from fprnet.gallery.calibrating import (
    Measured,
    calibrate_features,
    choose_projection,
    mean_average_precision,
    pairs_of,
)
from fprnet.gallery.calibration import Calibration

__all__ = ["CalibratedModel", "calibrate_model"]

FITTED_ON = 3000  # images of training people; more were measured to change nothing
SEED = 0


@dataclass(frozen=True)
class CalibratedModel:
    """What was learnt about a model's embeddings.

    Attributes:
        projection: Makes them compact; None where they stay as they are.
        calibration: Calibration of the compact embeddings, or of the full ones.
        measured: Method -> how good its probabilities are, on people it was not fitted on.
        sizes: Numbers of an embedding -> mAP on the people calibrated on, a fraction.
        size: Numbers that galleries will hold.
    """

    projection: Projection | None
    calibration: Calibration
    measured: Mapping[str, Measured]
    sizes: Mapping[int, float]
    size: int


def calibrate_model(
    embedder: Embedder,
    data_set: DataSet,
    people: Sequence[int],
    *,
    compact: bool = True,
    cache: Path | None = None,
) -> CalibratedModel:
    """Choose a projection, and calibrate the embeddings that it gives.

    Args:
        embedder: Trained; on none of the people.
        data_set: Holds them, and the training people.
        people: To choose the size and to calibrate on.
        compact: Make embeddings compact if that costs nearly nothing.
        cache: Folder of the data set's resized images; None is ROOT/.fprnet-cache.

    Raises:
        DataError: Images are missing or cannot be read.
        FeaturesError: There are too few people with images in both modalities.
    """
    records = data_set.records()
    sha256 = embedder.about["checkpoint_sha256"]
    features = extract_data_set(embedder, records, identities=people, cache=cache)
    location = records.of(people).location
    projection = None
    if compact:
        some = _some_people(records, data_set.train)
        training = extract_data_set(embedder, records, identities=some, cache=cache)
        projection = choose_projection(training, features, location, sha256)
    calibration, measured = calibrate_features(features, location, projection, sha256)
    full = embedder.embedding_size
    sizes = (
        projection.measured
        if projection
        else {full: mean_average_precision(pairs_of(features, location))}
    )
    size = projection.size if projection else full
    return CalibratedModel(projection, calibration, measured, sizes, size)


def _some_people(records: Records, people: Sequence[int]) -> list[int]:
    """Draw training people until they have enough images."""
    order = np.random.default_rng(SEED).permutation(np.asarray(people, dtype=np.int64))
    chosen: list[int] = []
    images = 0
    for person in order.tolist():
        if images >= FITTED_ON:
            break
        chosen.append(person)
        images += int((records.identity == person).sum())
    return chosen
