"""Patches of an image to one vector: a patch embedding per modality, mixed by shared layers.

Shapes: V visible and I infrared images ``(V, 3, H, W)``, ``(I, 3, H, W)``; D numbers per embedding;
M identities.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fprnet.models.heads import HeadOutput, identity_classifier, unit_length
from fprnet.ranges import PositiveInt

__all__ = ["Patches"]


class Patches(nn.Module):
    """A convolution over patches for each modality, then a shared mixer.

    Args:
        identities: M.
        width: D.
        patch: Side of a patch, pixels.
    """

    def __init__(self, identities: int, *, width: PositiveInt = 32, patch: PositiveInt = 8) -> None:
        super().__init__()
        self.embedding_size = width
        self.patches = nn.ModuleDict(
            {name: nn.Conv2d(3, width, patch, stride=patch) for name in ("visible", "infrared")}
        )
        self.mixer = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.GELU()
        )
        self.classifier = identity_classifier(width, identities, bias=False)

    def forward(
        self,
        visible: Tensor,
        infrared: Tensor,
        visible_labels: Tensor,
        infrared_labels: Tensor,
        gather: Callable[[Tensor], Tensor] | None = None,
    ) -> dict[str, HeadOutput]:
        """Return the output of the one head, "main"."""
        maps = torch.cat([self.patches["visible"](visible), self.patches["infrared"](infrared)])
        vectors = self.mixer(maps).mean(dim=(2, 3)).split([len(visible), len(infrared)])
        labels = [visible_labels, infrared_labels]
        if gather is not None:  # the rows of all processes, each modality's together
            vectors, labels = ([gather(rows) for rows in part] for part in (vectors, labels))
        rows = len(labels[0])
        joined = torch.cat(list(vectors))
        return {"main": HeadOutput(joined, self.classifier(joined), torch.cat(labels), rows)}

    def embed(self, images: Tensor, modality: str) -> Tensor:
        """Return ``(N, D)`` float32 of unit length."""
        return unit_length(self.mixer(self.patches[modality](images)).mean(dim=(2, 3)))

    def local_parts(self) -> list[nn.Module]:
        """Return the modules whose BatchNorm sees the images of one process only."""
        return [self.mixer]

    def players(self) -> dict[str, dict[str, list[nn.Parameter]]]:
        """Return the parameters: patch embeddings may learn at a rate of their own."""
        rest = [*self.mixer.parameters(), *self.classifier.parameters()]
        return {"model": {"patches": list(self.patches.parameters()), "mixer": rest}}
