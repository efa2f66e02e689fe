"""The protocol of anybody's data: features and a manifest become one trial.

All infrared images query all visible ones (or the mirror), or those of the manifest's roles query
each other. A gallery image from the query's location is removed, as in SYSU-MM01, where locations
are known.
Shapes: N images (rows of the features).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fprnet.data.manifest import ManifestSplit
from fprnet.data.protocols.protocol import (
    NEVER_EXCLUDED,
    Direction,
    Protocol,
    Rows,
    Trial,
    sides,
    tie_order,
)
from fprnet.data.records import ImageTable
from fprnet.errors import FeaturesError, UsageError

__all__ = ["manifest_protocol"]


def manifest_protocol(
    features: ImageTable,
    split: ManifestSplit,
    identities: Sequence[int] | None = None,
    *,
    direction: Direction | None = None,
) -> Protocol:
    """Return the protocol of a manifest; the published CMC counts identities.

    Args:
        features: Their paths are those of the manifest; rows of other paths are left alone.
        split: The manifest: who is tested, locations, roles.
        identities: Who is tested; None takes the split's test identities.
        direction: Which modality queries which, infrared to visible if None; not with roles, which
            say who queries whom and need not keep the modalities apart.

    Raises:
        UsageError: There is nobody to test, no such direction, or one beside roles.
        FeaturesError: Images of the manifest are missing, or somebody else is shown on them.
    """
    people = split.test if identities is None else tuple(identities)
    if not people:
        raise UsageError("there are no identities to test; check the manifest's column split")
    listed = np.flatnonzero(np.isin(split.listed.identity, people))
    rows = _rows_of(features, split, listed)
    settings: dict[str, str | int] = {}
    if split.role is not None and identities is None:
        if direction is not None:
            raise UsageError(
                f"direction {direction} and the manifest's column role both say who queries whom; "
                "leave the direction out, or the column"
            )
        role = split.role[listed]
        query, gallery = rows[role == "query"], rows[role == "gallery"]
        settings["direction"] = "by role"
    else:
        direction = direction or "infrared-to-visible"
        querying, searched = sides(direction)
        modality = split.listed.modality[listed]
        query, gallery = rows[modality == querying], rows[modality == searched]
        settings["direction"] = direction
    group = np.full(len(features), NEVER_EXCLUDED, dtype=np.int64)
    group[rows] = split.listed.location[listed]
    known = int((group[rows] != NEVER_EXCLUDED).sum())
    settings["removed"] = (
        "nothing, no camera is known"
        if known == 0
        else "same location"
        if known == len(rows)
        else f"same location, unknown for {len(rows) - known} of {len(rows)} images"
    )
    order = tie_order(features)
    return Protocol(
        name="manifest",
        settings=settings,
        trials=(Trial(query[np.argsort(order[query])], gallery[np.argsort(order[gallery])]),),
        exclusion_group=group,
        order=order,
    )


def _rows_of(features: ImageTable, split: ManifestSplit, listed: Rows) -> Rows:
    """Return the row of the features for each of the listed images."""
    row_of = {path: row for row, path in enumerate(features.path.tolist())}
    paths = split.listed.path[listed].tolist()
    absent = [path for path in paths if path not in row_of]
    if absent:
        raise FeaturesError(
            f"the features lack {len(absent)} of {len(paths)} images of the manifest, the first is "
            f"{absent[0]}; extract all images of the tested identities"
        )
    rows = np.array([row_of[path] for path in paths], dtype=np.int64)
    for name in ("identity", "modality"):
        found, expected = getattr(features, name)[rows], getattr(split.listed, name)[listed]
        other = np.flatnonzero(found != expected)
        if len(other):
            raise FeaturesError(
                f"row {rows[other[0]]} of the features, {paths[other[0]]}, has {name} "
                f"{found[other[0]]} but the manifest says {expected[other[0]]}; correct one of them"
            )
    return rows
