"""What tests of re-ranking and of adaptation share: neighbours balanced over groups, as loops."""

import math

import numpy as np


def plain_jaccard(vectors, groups, k1, k2):
    """The docstring of `jaccard_distances` as loops; vectors without ties."""
    count, names = len(vectors), sorted(set(groups))
    apart = np.array([[((a - b) ** 2).sum() for b in vectors] for a in vectors])
    apart /= apart.max(axis=1, keepdims=True)
    least = min(sum(g == name for g in groups) for name in names) - 1

    def near(p, k):
        found = {p}
        for name in names:
            rows = [g for g in range(count) if groups[g] == name and g != p]
            found |= set(sorted(rows, key=lambda g: apart[p, g])[: min(k // len(names), least)])
        return found

    def mutual(p, k):
        return {g for g in near(p, k) if p in near(g, k)}

    weights = np.zeros((count, count))
    for p in range(count):
        own = mutual(p, k1)
        more = set(own)
        for q in own:
            half = mutual(q, k1 // 2)
            if len(half & own) > 2 / 3 * len(half):
                more |= half
        for g in more:
            weights[p, g] = math.exp(-apart[p, g])
        weights[p] /= weights[p].sum()
    mean = np.array([weights[sorted(near(p, k2 - 1))].mean(axis=0) for p in range(count)])
    shared = np.array([[np.minimum(a, b).sum() for b in mean] for a in mean])
    return 1 - shared / (2 - shared)
