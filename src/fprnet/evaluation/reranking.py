"""k-reciprocal re-ranking: embeddings of queries and gallery become distances that look at company.

Two images are close when they share neighbours that are mutual. The distance of a query to a
gallery image then depends on all the other queries: re-ranking is transductive, which is why its
scores stand in a row of their own.

Source: Zhong et al., CVPR 2017. Distances and neighbours are computed in torch, on the device of
the vectors; the sparse weights are SciPy's, on the CPU. No matrix of N x N numbers is ever held:
distances are computed in blocks, and once more, pair by pair, where a weight needs one.
Shapes: D numbers per embedding, Q queries, G gallery images, N = Q + G (queries first), K nearest
neighbours, B images of a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from fprnet.errors import UsageError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Reranking", "jaccard_distances", "rerank", "reranked_blocks"]

# Numbers in one block: what fits in a processor's cache, and what keeps a GPU busy.
CPU_BLOCK = 2**21
GPU_BLOCK = 2**27
ROWS = 512  # of a block of distances to all images
DIGITS = 40  # binary ones of a squared distance that are kept, seen from the squared length

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Reranking:
    """The three numbers of the method, and whose neighbours count.

    Attributes:
        k1: Neighbours that may be mutual, 1 or more.
        k2: Neighbours, the image itself included, whose weights are averaged; 1 averages nothing.
        weight: lambda, the share of the original distance, 0 to 1.
        balanced: Whether an image has as many neighbours in each modality; else the nearest.

    Raises:
        UsageError: A number is out of its range.
    """

    k1: int = 20
    k2: int = 6
    weight: float = 0.3
    balanced: bool = False

    def __post_init__(self) -> None:
        for name, number in (("k1", self.k1), ("k2", self.k2)):
            if number < 1:
                raise UsageError(f"{name} of re-ranking is {number}; it must be 1 or more")
        if not 0 <= self.weight <= 1:
            raise UsageError(f"lambda of re-ranking is {self.weight}; it must be from 0 to 1")


def rerank(query: Tensor, gallery: Tensor, options: Reranking | None = None) -> Tensor:
    """Return the re-ranked distances ``(Q, G)`` float32 as one matrix (see reranked_blocks)."""
    return torch.cat([distance for _, distance in reranked_blocks(query, gallery, options)])


def reranked_blocks(
    query: Tensor,
    gallery: Tensor,
    options: Reranking | None = None,
    groups: NDArray[np.int64] | None = None,
) -> Iterator[tuple[slice, Tensor]]:
    """Yield the re-ranked distances, a block of queries at a time.

    With d the squared Euclidean distance, each row divided by its largest number, and N(p, k) the
    k + 1 images nearest to p, p among them, equal distances in the order of the images::

        R(p, k) = {g in N(p, k): p in N(g, k)}
        R*(p)   = R(p, k1) and every R(q, k1 / 2), q in R(p, k1), of which more than two thirds
                  are in R(p, k1)
        V_p[g]  = exp(-d(p, g)) / sum, on R*(p), else 0; then V_p <- mean of V_q, q the k2 nearest
        s       = sum_g min(V_p[g], V_q[g])
        d*(p, q) = (1 - lambda) (1 - s / (2 - s)) + lambda d(p, q)

    Where more than k images are equal to p and stand before it, N(p, k) lacks p and R(p, k1) may be
    empty; it is {p} then, where public code divides by zero.

    Args:
        query: ``(Q, D)`` float64, as the distance compares them.
        gallery: ``(G, D)`` float64, on the same device.
        options: k1, k2 and lambda; None takes those of the paper.
        groups: ``(N,)`` number of each image's modality, for neighbours that are balanced:
            N(p, k) is then that of `jaccard_distances`.

    Yields:
        Which queries, and their distances ``(B, G)`` float32 in [0, 1].

    Raises:
        ValueError: One of the two is empty, or they differ in D; or balanced neighbours are asked
            for without groups.
    """
    options = Reranking() if options is None else options
    if options.balanced != (groups is not None):
        raise ValueError("balanced neighbours need groups, and groups need balanced neighbours")
    if not len(query) or not len(gallery) or query.shape[1:] != gallery.shape[1:]:
        raise ValueError(
            f"query is {tuple(query.shape)} and gallery {tuple(gallery.shape)}; both need rows, "
            "with as many numbers each"
        )
    images = _Images(torch.cat([query, gallery]))
    if groups is None:
        near = _neighbours(images, max(options.k1 + 1, options.k2))
    else:
        near = _fair_neighbours(images, groups, max(options.k1, options.k2 - 1))
    weights = _averaged(_weights(images, near, options.k1), near.image[:, : options.k2])
    asked, shown = weights[: len(query)], weights[len(query) :].tocsc()
    block = max(1, images.block // len(gallery))
    for start in tqdm(range(0, len(query), block), desc="re-ranking", delay=2, leave=False):
        part = slice(start, min(start + block, len(query)))
        original = images.distances(part, slice(len(query), None)) / near.largest[part, None]
        shared = torch.from_numpy(_shared(asked[part], shown)).to(original)
        jaccard = 1 - shared / (2 - shared)
        yield part, (1 - options.weight) * jaccard + options.weight * original


def jaccard_distances(
    vectors: Tensor, groups: NDArray[np.int64], *, k1: int, k2: int
) -> NDArray[np.float32]:
    """Return the k-reciprocal Jaccard distances of all pairs of images, fair to every group.

    The distance is d* of `reranked_blocks` with lambda 0, but N(p, k) holds p and as many images of
    every group: the k / m nearest of each of m groups, or all that a group has. With the modalities
    as groups an image has neighbours in the other one, too, however far apart the modalities lie.

    Args:
        vectors: ``(N, D)`` float64.
        groups: ``(N,)`` number of each image's group.
        k1: Neighbours that may be mutual.
        k2: Neighbours, the image itself included, whose weights are averaged.

    Returns:
        ``(N, N)`` in [0, 1], symmetric, 0 on the diagonal.

    Raises:
        UsageError: k1 or k2 is out of range.
    """
    Reranking(k1, k2)
    images = _Images(vectors.clone())
    near = _fair_neighbours(images, groups, max(k1, k2 - 1))
    weights = _averaged(_weights(images, near, k1), near.image[:, :k2])
    apart = np.empty((len(images), len(images)), dtype=np.float32)
    shown = weights.tocsc()
    for start in range(0, len(images), ROWS):
        shared = _shared(weights[start : start + ROWS], shown)
        apart[start : start + ROWS] = 1 - shared / (2 - shared)
    apart = np.minimum(apart, apart.T)  # sums differ in their last digit by their order
    np.clip(apart, 0, 1, out=apart)
    np.fill_diagonal(apart, 0)
    return apart


class _Images:
    """Vectors ``(N, D)`` that give the squared distances of any two blocks; they are centred."""

    def __init__(self, vectors: Tensor) -> None:
        self.vectors = vectors.sub_(vectors.mean(dim=0))
        self.square = torch.linalg.vecdot(vectors, vectors)
        _, exponent = torch.frexp(self.square.clamp(min=torch.finfo(torch.float64).tiny))
        self.magic = torch.ldexp(torch.full_like(self.square, 1.5 * 2.0**52), exponent - DIGITS)
        self.block = CPU_BLOCK if vectors.device.type == "cpu" else GPU_BLOCK

    def __len__(self) -> int:
        return len(self.vectors)

    def distances(self, rows: slice, columns: slice) -> Tensor:
        """Return float32, rounded so that equal images tie whatever the order of summation."""
        left, right = self.vectors[rows], self.vectors[columns]
        squared = torch.addmm(self.square[None, columns], left, right.T, alpha=-2)
        squared += self.square[rows, None]
        # Adding and taking away 1.5 * 2^52 units leaves a whole number of units: noise becomes 0.
        squared += self.magic[rows, None]
        squared -= self.magic[rows, None]
        return squared.float()

    def pairs(self, row: Indices, column: Indices, largest: Tensor) -> NDArray[np.float32]:
        """Return d of pairs of images ``(P,)``."""
        size = max(1, self.block // self.vectors.shape[1])
        apart = np.empty(len(row), dtype=np.float32)
        for start in range(0, len(row), size):
            part = slice(start, start + size)
            one = torch.from_numpy(row[part]).to(largest.device)
            other = torch.from_numpy(column[part]).to(largest.device)
            squared = (self.vectors[one] - self.vectors[other]).square_().sum(dim=1).float()
            apart[part] = (squared / largest[one]).cpu().numpy()
        return apart


@dataclass(frozen=True)
class _Neighbours:
    """The nearest images of each image, nearest first.

    Attributes:
        image: ``(N, K)``.
        distance: ``(N, K)`` float32, d.
        largest: ``(N,)`` float32 tensor, the squared distance that d is a share of.
    """

    image: Indices
    distance: NDArray[np.float32]
    largest: Tensor


def _neighbours(images: _Images, count: int) -> _Neighbours:
    """Find the nearest images, block by block; each pair's distance is computed once."""
    total = len(images)
    count = min(count, total)
    device = images.vectors.device
    largest = torch.zeros(total, device=device)
    # A key sorts like (distance, column): bits of positive floats sort as the floats do.
    column = torch.arange(total, device=device)
    nearest = torch.full((total, count), torch.iinfo(torch.int64).max, device=device)
    for start in tqdm(range(0, total, ROWS), desc="neighbours", delay=2, leave=False):
        rows, after = slice(start, min(start + ROWS, total)), slice(start + ROWS, None)
        distance = images.distances(rows, slice(start, None))
        bits = distance.view(torch.int32).to(torch.int64).bitwise_left_shift_(32)
        beyond = bits[:, ROWS:].T.contiguous() + column[rows]
        bits += column[start:]
        for part, keys, far in (
            (rows, bits, distance.amax(dim=1)),
            (after, beyond, distance[:, ROWS:].amax(dim=0)),
        ):
            best = _smallest(keys, min(count, keys.shape[1]))
            nearest[part] = _smallest(torch.cat([nearest[part], best], dim=1), count)
            largest[part] = torch.maximum(largest[part], far)
    ranked = np.sort(nearest.cpu().numpy(), axis=1)
    image = ranked & (2**32 - 1)
    largest.clamp_(min=torch.finfo(torch.float32).tiny)  # all images are equal
    distances = (ranked >> 32).astype(np.int32).view(np.float32)
    return _Neighbours(image, distances / largest.cpu().numpy()[:, None], largest)


def _fair_neighbours(images: _Images, groups: NDArray[np.int64], count: int) -> _Neighbours:
    """Find each image itself, then in turns the nearest of its own and of every other group."""
    total = len(images)
    names = np.unique(groups)
    members = {name: np.flatnonzero(groups == name) for name in names.tolist()}
    each = min(max(1, round(count / len(names))), *(len(rows) - 1 for rows in members.values()))
    image = np.empty((total, 1 + each * len(names)), dtype=np.int64)
    distance = np.empty(image.shape, dtype=np.float32)
    largest = np.empty(total, dtype=np.float32)
    for start in range(0, total, ROWS):
        rows = np.arange(start, min(start + ROWS, total))
        block = images.distances(slice(start, start + ROWS), slice(None)).cpu().numpy()
        largest[rows] = block.max(axis=1)
        block[np.arange(len(rows)), rows] = -1  # before images that equal it
        image[rows, 0] = rows
        for name, group in members.items():
            own = groups[rows] == name
            order = group[np.argsort(block[:, group], axis=1, kind="stable")]
            image[rows[own], 1 :: len(names)] = order[own, 1 : each + 1]
            for other in names[names != name]:
                turn = [other, *names[names != other]].index(name)
                theirs = groups[rows] == other
                image[rows[theirs], 1 + turn :: len(names)] = order[theirs, :each]
        block[np.arange(len(rows)), rows] = 0
        distance[rows] = np.take_along_axis(block, image[rows], axis=1)
    largest = np.maximum(largest, np.finfo(np.float32).tiny)  # all images are equal
    as_tensor = torch.from_numpy(largest).to(images.vectors.device)
    return _Neighbours(image, distance / largest[:, None], as_tensor)


def _smallest(keys: Tensor, count: int) -> Tensor:
    """Return the smallest keys of each row, in any order."""
    if keys.device.type != "cpu":
        return keys.topk(count, largest=False, sorted=False).values
    # NumPy selects with vector instructions, up to 10 times faster.
    return torch.from_numpy(np.partition(keys.numpy(), count - 1, axis=1)[:, :count])


def _weights(images: _Images, near: _Neighbours, k1: int) -> csr_array[Any]:
    """Return V ``(N, N)`` before it is averaged."""
    from scipy.sparse import csr_array

    nearest, half = near.image[:, : k1 + 1], near.image[:, : round(k1 / 2) + 1]
    mutual, half_mutual = _is_mutual(nearest), _is_mutual(half)
    half_size = half_mutual.sum(axis=1)
    total = len(images)
    counts, columns, values = [], [], []
    for start in tqdm(range(0, total, ROWS), desc="mutual", delay=2, leave=False):
        rows = slice(start, min(start + ROWS, total))
        row, rank = np.nonzero(mutual[rows])
        alone = np.flatnonzero(~mutual[rows].any(axis=1))  # behind many equal images
        own = np.concatenate([nearest[rows][row, rank], alone + start])
        apart = np.concatenate([near.distance[rows][row, rank], np.zeros_like(alone, np.float32)])
        row = np.concatenate([row, alone])
        member = np.zeros((rows.stop - rows.start, total), dtype=np.bool_)
        member[row, own] = True

        theirs = half[own]
        overlap = (member[row[:, None], theirs] & half_mutual[own]).sum(axis=1)
        candidate, rank_there = np.nonzero(
            half_mutual[own] & (3 * overlap > 2 * half_size[own])[:, None]
        )
        more_row, more = row[candidate], theirs[candidate, rank_there]
        new = ~member[more_row, more]
        more_row, more = np.divmod(np.unique(more_row[new] * total + more[new]), total)

        distance = [apart, images.pairs(more_row + start, more, near.largest)]
        row, column = np.concatenate([row, more_row]), np.concatenate([own, more])
        order = np.argsort(row * total + column)
        weight = np.exp(-np.concatenate(distance)[order])
        count = np.bincount(row)  # never 0: an image is in its own set
        counts.append(count)
        columns.append(column[order])
        values.append(weight / np.repeat(np.add.reduceat(weight, count.cumsum() - count), count))
    ends = np.concatenate([[0], np.concatenate(counts).cumsum()])
    entries = (np.concatenate(values), np.concatenate(columns), ends)
    return csr_array(entries, shape=(total, total))


def _is_mutual(near: Indices) -> NDArray[np.bool_]:
    """Return ``(N, K)``, whether each neighbour of an image has that image among its own."""
    mutual = np.empty(near.shape, dtype=np.bool_)
    block = max(1, CPU_BLOCK // near.shape[1] ** 2)
    for start in range(0, len(near), block):
        rows = np.arange(start, min(start + block, len(near)))
        mutual[rows] = (near[near[rows]] == rows[:, None, None]).any(axis=2)
    return mutual


def _averaged(weights: csr_array[Any], nearest: Indices) -> csr_array[Any]:
    """Return for each image the mean of the rows of its nearest ones."""
    from scipy.sparse import csr_array

    images, count = nearest.shape
    ends = np.arange(0, nearest.size + 1, count)
    chosen = np.full(nearest.size, 1 / count, dtype=np.float32)
    average: csr_array[Any] = (
        csr_array((chosen, nearest.ravel(), ends), shape=(images, images)) @ weights
    )
    return average


def _shared(asked: csr_array[Any], shown: Any) -> NDArray[np.float32]:  # noqa: ANN401 - csc_array
    """Return ``(B, G)``: the sum over the columns of the smaller of two weights.

    Each weight of a query meets the gallery's weights in its column, and no others.
    """
    queries, gallery = asked.shape[0], shown.shape[0]
    row = np.repeat(np.arange(queries), np.diff(asked.indptr))
    first = shown.indptr[asked.indices].astype(np.int64)
    count = shown.indptr[asked.indices + 1] - first
    shared = np.zeros(queries * gallery)
    part = (count.cumsum() - 1) // CPU_BLOCK  # weights of one part make about CPU_BLOCK meetings
    bounds = np.searchsorted(part, np.arange(part[-1] + 2 if len(part) else 1))
    for start, stop in pairwise(bounds.tolist()):
        own = np.repeat(np.arange(start, stop), count[start:stop])
        ends = count[start:stop].cumsum()
        behind = np.arange(len(own)) - np.repeat(ends - count[start:stop], count[start:stop])
        other = first[own] + behind
        smaller = np.minimum(asked.data[own], shown.data[other])
        at = row[own] * gallery + shown.indices[other]
        shared += np.bincount(at, smaller, minlength=len(shared))
    return shared.reshape(queries, gallery).astype(np.float32)
