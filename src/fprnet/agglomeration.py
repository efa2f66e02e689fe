"""Distances become clusters by average links, some pairs of which must stay apart.

Shapes: n items.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

__all__ = ["average_links"]


def average_links(
    distance: NDArray[np.float64], never: NDArray[np.bool_], cut: float
) -> NDArray[np.int64]:
    """Return the tree of average links (UPGMA: Sokal and Michener, 1958), cut at a distance.

    The distance of two clusters is the mean over the pairs of their items. Average links are
    monotonic, so the cut is what joining the nearest clusters, one pair by one, gives.

    Args:
        distance: ``(n, n)`` symmetric, 0 or more; the diagonal counts as 0.
        never: ``(n, n)`` symmetric, items that are never in one cluster: they are so far apart that
            no mean over pairs with theirs among them comes near the cut.
        cut: Mean distance up to which clusters are joined, 0 or more.

    Returns:
        ``(n,)`` labels from 0.
    """
    count = len(distance)
    if count < 2:
        return np.zeros(count, dtype=np.int64)
    apart = np.where(never, 2 * max(cut, 1.0) * count**2, distance)
    np.fill_diagonal(apart, 0)
    tree = linkage(squareform(apart, checks=False), method="average")
    return fcluster(tree, cut, criterion="distance").astype(np.int64) - 1
