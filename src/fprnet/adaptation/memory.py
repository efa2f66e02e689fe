"""Clusters become proxies, and a batch's embeddings a contrastive loss against them.

A proxy is the unit vector of one cluster as one camera sees it (of one modality, where cameras are
not known), so that a person is drawn together across the cameras and not to a mean that a single
camera governs.

Source: Wang et al., "Camera-aware Proxies for Unsupervised Person Re-Identification", AAAI 2021,
Eq. 6, over all positive proxies; the two modalities weigh the same here.
Shapes: N crops, M proxies, D numbers of an embedding, B rows of a batch.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

__all__ = ["ProxyMemory", "contrastive_loss"]

UNLIKE = -1e4  # stands for no similarity at all; minus infinity alone would have no gradient


class ProxyMemory:
    """Proxies of the clusters of an epoch.

    Args:
        embeddings: ``(N, D)`` of the crops.
        cluster: ``(N,)`` 0 to C - 1; -1 is noise, which has no proxy.
        infrared: ``(N,)``, True for crops by infrared light.
        camera: ``(N,)`` number of each crop's camera; -1 where it is not known.
        unsure: ``(C, C)``, see `fprnet.adaptation.clusters.Clusters`.
        temperature: Temperature of the contrastive loss, above 0.
        momentum: Share of a proxy that an update leaves.

    Attributes:
        proxy_of: ``(N,)`` number of each crop's proxy; -1 for noise.
    """

    def __init__(
        self,
        embeddings: NDArray[np.float32],
        cluster: NDArray[np.int64],
        infrared: NDArray[np.bool_],
        camera: NDArray[np.int64],
        *,
        unsure: NDArray[np.bool_],
        temperature: float,
        momentum: float,
    ) -> None:
        self.temperature, self.momentum = temperature, momentum
        self._unsure = torch.from_numpy(unsure)
        rows = np.flatnonzero(cluster >= 0)
        keys = np.stack([cluster[rows], infrared[rows].astype(np.int64), camera[rows]])
        names, place = np.unique(keys, axis=1, return_inverse=True)
        self.proxy_of = np.full(len(cluster), -1, dtype=np.int64)
        self.proxy_of[rows] = place.ravel()
        sums = np.zeros((names.shape[1], embeddings.shape[1]), dtype=np.float32)
        np.add.at(sums, place.ravel(), embeddings[rows])
        self.cluster = torch.from_numpy(names[0])
        self.infrared = torch.from_numpy(names[1] == 1)
        self.vectors = functional.normalize(torch.from_numpy(sums))

    def loss(self, embeddings: Tensor, cluster: Tensor) -> Tensor:
        """Return the loss of rows ``(B, D)`` of known clusters ``(B,)``; see `contrastive_loss`."""
        vectors = self.vectors.to(embeddings.device, copy=True)  # an update changes them
        of_proxy = self.cluster.to(cluster.device)
        own = cluster[:, None] == of_proxy
        unsure = self._unsure.to(cluster.device)[cluster][:, of_proxy]
        infrared = self.infrared.to(cluster.device)
        return contrastive_loss(
            embeddings, vectors, own, ~own & ~unsure, infrared, self.temperature
        )

    def update(self, embeddings: Tensor, proxy: NDArray[np.int64]) -> None:
        """Move the proxy of each row ``(B,)`` towards its embedding ``(B, D)``, row after row."""
        for vector, place in zip(embeddings.detach().float().cpu(), proxy.tolist(), strict=True):
            moved = self.momentum * self.vectors[place] + (1 - self.momentum) * vector
            self.vectors[place] = functional.normalize(moved, dim=0)


def contrastive_loss(
    embeddings: Tensor,
    proxies: Tensor,
    own: Tensor,
    strangers: Tensor,
    infrared: Tensor,
    temperature: float,
) -> Tensor:
    """Return the mean over the rows of the loss against all proxies.

    With s_p the cosine of a row and proxy p over the temperature, N the proxies of strangers
    and P_v, P_i those of its own in each modality that has any::

        loss = mean over v, i of mean over p in P of -log(e^s_p / (e^s_p + sum_{n in N} e^s_n))

    Args:
        embeddings: ``(B, D)`` of unit length.
        proxies: ``(M, D)`` of unit length.
        own: ``(B, M)``, True where a proxy is of the row's cluster; each row has one at least.
        strangers: ``(B, M)``, True where it is of somebody else for certain.
        infrared: ``(M,)`` modality of the proxies.
        temperature: Above 0.
    """
    similar = embeddings @ proxies.T / temperature
    apart = similar.masked_fill(~strangers, UNLIKE).logsumexp(dim=1, keepdim=True)
    each = functional.softplus(apart - similar)
    sums = []
    counts = []
    for side in (own & ~infrared, own & infrared):
        size = side.sum(dim=1)
        sums.append((each * side).sum(dim=1) / size.clamp(min=1))
        counts.append(size > 0)
    present = torch.stack(counts).sum(dim=0)
    return (torch.stack(sums).sum(dim=0) / present).mean()
