"""The protocol of RegDB: features and one of the ten splits become one trial.

All images of one modality query all of the other; nothing is removed, because the two cameras stand
side by side; the published CMC counts images.
Shapes: N images (rows of the features).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from fprnet.data.protocols.protocol import (
    NEVER_EXCLUDED,
    Direction,
    Protocol,
    Trial,
    sides,
    tie_order,
)
from fprnet.data.records import MODALITIES, ImageTable
from fprnet.data.regdb import RegdbSplit
from fprnet.errors import FeaturesError, UsageError

__all__ = ["regdb_protocol"]


def regdb_protocol(
    features: ImageTable,
    split: RegdbSplit,
    identities: Sequence[int] | None = None,
    *,
    direction: Direction = "infrared-to-visible",
) -> Protocol:
    """Return the protocol of RegDB; infrared images are the thermal ones.

    Args:
        features: Rows of other identities are left alone.
        split: Whose test identities are asked.
        identities: Who is tested; None takes the split's test identities.
        direction: Which modality queries which.

    Raises:
        UsageError: There is nobody to test, or no such direction.
        FeaturesError: Images that the lists of the split name are missing.
    """
    querying, searched = sides(direction)
    people = sorted(split.test if identities is None else identities)
    if not people:
        raise UsageError("there are no identities to test; check the lists of the split")
    _check_complete(features, split, people)
    shown = np.isin(features.identity, people)
    order = tie_order(features)
    rows = {m: np.flatnonzero(shown & (features.modality == m)) for m in MODALITIES}
    query, gallery = (rows[m][np.argsort(order[rows[m]])] for m in (querying, searched))
    return Protocol(
        name="regdb",
        settings={"split": split.number, "direction": direction},
        trials=(Trial(query, gallery),),
        exclusion_group=np.full(len(features), NEVER_EXCLUDED, dtype=np.int64),
        order=order,
        cmc="image",
    )


def _check_complete(features: ImageTable, split: RegdbSplit, people: Sequence[int]) -> None:
    """Refuse features that hold other images than the lists name."""
    listed, held = (
        Counter(zip(table.identity.tolist(), table.modality.tolist(), strict=True))
        for table in (split.listed, features)
    )
    for identity in people:
        for modality in MODALITIES:
            expected, found = listed[identity, modality], held[identity, modality]
            if expected == 0:
                raise FeaturesError(
                    f"identity {identity} is not in the lists of split {split.number}; "
                    "take features and lists of one data set"
                )
            if found != expected:
                raise FeaturesError(
                    f"the features hold {found} of {expected} {modality} images of identity "
                    f"{identity}; extract all images of the test identities of split "
                    f"{split.number}"
                )
