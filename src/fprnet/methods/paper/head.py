"""The paper's cross-modality prediction: main block, fusion block, RGB block and IR block.

Presets ``paper`` and ``released`` (paper 3.2, Fig. 1b; docs/model.md). Shapes:
V visible and I infrared rows; C channels of C(5); P channels of a pyramid level; M identities.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from fprnet.data.records import MODALITIES, Modality
from fprnet.errors import ConfigError
from fprnet.methods.paper.fusion import LEVELS, FusionSpec
from fprnet.models.heads import (
    ActivatedLayers,
    Activation,
    HeadOutput,
    Layer,
    ProjectionHead,
    activated,
    identity_classifier,
    unit_length,
)
from fprnet.models.pair import Pair
from fprnet.models.pooling import StripedMaps, pool_stripes
from fprnet.ranges import LayerSizes

__all__ = ["CrossModalityPrediction", "IdentityClassifier", "ModalityBlocks", "ModalityHead"]

ModalityBlocks = Literal["none", "shared", "own", "enlarged"]


class IdentityClassifier(nn.Module):
    """Linear with bias, N(0, 0.001); the released code has a LeakyReLU(0.1) before it."""

    def __init__(self, features: int, identities: int, *, leaky: bool) -> None:
        super().__init__()
        self.activation: Activation = "leaky-relu" if leaky else "none"
        self.linear = identity_classifier(features, identities, bias=True)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits ``(R, M)`` for ``(R, features)``."""
        return self.linear(activated(features, self.activation))  # type: ignore[no-any-return]


class ModalityHead(nn.Module):
    """RGB or IR block -> [2x enlargement] -> own layers -> own classifier, no activation between.

    Args:
        inputs: C.
        sizes: Sizes of the layers.
        identities: M.
        enlarge: Enlarge the 1x1 block bilinearly to 2x2 and flatten it to 4 C inputs.
        layer: Kind of the layers.
        activation: Between layers, if there are several.
        leaky_classifier: A LeakyReLU before the classifier, which the released code has.
    """

    def __init__(
        self,
        inputs: int,
        sizes: Sequence[int],
        identities: int,
        *,
        enlarge: bool,
        layer: Layer,
        activation: Activation,
        leaky_classifier: bool,
    ) -> None:
        super().__init__()
        self.enlarge = enlarge
        inputs = 4 * inputs if enlarge else inputs
        self.head = ProjectionHead(inputs, sizes, layer=layer, activation=activation)
        self.classifier = IdentityClassifier(self.head.outputs, identities, leaky=leaky_classifier)

    def forward(self, vectors: Tensor, labels: Tensor, visible_rows: int) -> HeadOutput:
        """Return the output for the pooled block ``(R, C)`` of one modality."""
        if self.enlarge:
            block = vectors[..., None, None]
            vectors = F.interpolate(block, scale_factor=2, mode="bilinear").flatten(1)
        features = self.head(vectors, activate_last=False)
        return HeadOutput(features, self.classifier(features), labels, visible_rows)


class CrossModalityPrediction(nn.Module):
    """Main, fusion, RGB and IR blocks with their heads; every component can be left out (Table 5).

    Heads in the output: "main" (the IR-RGB block: rows of both modalities along the batch axis),
    "fusion", "visible", "infrared". The test embedding is the main head's features after their
    activation, or the pooled C(5) where no main head learns.

    Args:
        channels: C.
        level_channels: P.
        identities: M.
        fusion: Which pyramid features form the fusion block, as `FusionSpec.parse` reads it: one
            row is "horizontal", "/" starts another; "none" leaves the block out.
        fusion_redrawn: Every step of training joins features that are drawn anew, in the shape of
            ``fusion``, so that no single joining is learnt by heart. Not in the paper, which
            searches for one and keeps it.
        layer: "eigenlayer" (``paper``) or "linear-batchnorm" (``released``).
        main_layers: Layer sizes of the main head; ``(512, 512)`` is Table 6's double SVD.
        fusion_layers: Layer sizes of the fusion head; one of them is Table 6's single SVD.
        modality_layers: Layer sizes of the RGB and the IR block's own heads; "shared" modality
            blocks have none.
        main_activation: After each main layer.
        fusion_activation: After the activated fusion layers.
        fusion_activated_layers: "first" (``paper``, section 3.2: fusion block -> SVD -> ReLU ->
            SVD -> classifier) or "all" (``released``: a ReLU after the second layer as well).
        leaky_classifier: A LeakyReLU before every classifier, as in the released code.
        main: Whether there is a main block.
        modality_blocks: "none"; "shared" (``released``: RGB and IR block pass the main head and
            classifier, without the head's last activation); "own" (own layers and classifier per
            modality); "enlarged" (``paper``: own, after the 2x enlargement).
    """

    def __init__(
        self,
        channels: int,
        level_channels: int,
        identities: int,
        *,
        fusion: str = "r5 i5 i4 r4 r5 i5 i2 r2",
        fusion_redrawn: bool = False,
        layer: Layer = "eigenlayer",
        main_layers: LayerSizes = (512,),
        fusion_layers: LayerSizes = (128, 64),
        modality_layers: LayerSizes = (512,),
        main_activation: Activation = "leaky-relu",
        fusion_activation: Activation = "relu",
        fusion_activated_layers: ActivatedLayers = "all",
        leaky_classifier: bool = False,
        main: bool = True,
        modality_blocks: ModalityBlocks = "enlarged",
    ) -> None:
        super().__init__()
        if modality_blocks not in ("none", "shared", "own", "enlarged"):
            raise ValueError(
                f"modality_blocks is {modality_blocks!r}; use none, shared, own or enlarged"
            )
        spec = None if fusion == "none" else FusionSpec.parse(fusion)
        if not main and spec is None:
            raise ValueError("without a main block there must be a fusion block; give a spec")
        self.spec = spec
        self.redrawn = fusion_redrawn
        self.with_main = main
        self.modality_blocks: ModalityBlocks = modality_blocks
        self.main_head: ProjectionHead | None = None
        self.main_classifier: IdentityClassifier | None = None
        if main or modality_blocks == "shared":
            self.main_head = ProjectionHead(
                channels, main_layers, layer=layer, activation=main_activation
            )
            self.main_classifier = IdentityClassifier(
                self.main_head.outputs, identities, leaky=leaky_classifier
            )
        self.fusion_head: ProjectionHead | None = None
        self.fusion_classifier: IdentityClassifier | None = None
        if spec is not None:
            self.fusion_head = ProjectionHead(
                len(spec.rows) * level_channels,
                fusion_layers,
                layer=layer,
                activation=fusion_activation,
                activated_layers=fusion_activated_layers,
            )
            self.fusion_classifier = IdentityClassifier(
                self.fusion_head.outputs, identities, leaky=leaky_classifier
            )
        own = MODALITIES if modality_blocks in ("own", "enlarged") else ()
        self.modality_heads = nn.ModuleDict(
            {
                modality: ModalityHead(
                    channels,
                    modality_layers,
                    identities,
                    enlarge=modality_blocks == "enlarged",
                    layer=layer,
                    activation=main_activation,
                    leaky_classifier=leaky_classifier,
                )
                for modality in own
            }
        )
        self.embedding_size = channels if self.main_head is None else self.main_head.outputs
        # An attribute, since tracing evaluates every property of a module; None: no main head.
        self.main_features = None if self.main_head is None else self.main_head.outputs

    def stripes_of(self, modality: Modality) -> dict[int, int]:
        """Return level -> 1 of the pyramid levels that training needs of one modality."""
        if self.spec is None:
            return {}
        return dict.fromkeys(LEVELS if self.redrawn else self.spec.levels(modality), 1)

    @property
    def embedding_levels(self) -> tuple[int, ...]:
        """Pyramid levels that the test embedding needs: none."""
        return ()

    def pool_main(self, maps: Tensor) -> Tensor:
        """Return the main block's vectors ``(N, C)`` of C(5), ``(N, C, H, W)``."""
        return pool_stripes(maps)

    def forward(self, vectors: Mapping[str, Pair], labels: Pair) -> dict[str, HeadOutput]:
        """Return every head's output.

        Args:
            vectors: Vectors of the whole batch: "main" ``(V + I, C)``, and "level<k>", each
                modality's ``(., P)``; a modality of which the fusion block takes no such level may
                lack it.
            labels: ``(V + I,)``.

        With "shared" modality blocks the main head's BatchNorm runs three times (both modalities,
        RGB, IR), as released.
        """
        outputs: dict[str, HeadOutput] = {}
        block = vectors["main"]
        if self.with_main:
            outputs["main"] = self._main(
                block.joint, labels.joint, labels.visible_rows, activate_last=True
            )
        if self.spec is not None:
            assert self.fusion_head is not None
            assert self.fusion_classifier is not None
            spec = self.spec.redrawn() if self.redrawn and self.training else self.spec
            pooled = {c: vectors[f"level{c.level}"].part(c.modality) for c in spec.cells}
            rows, row_labels = spec.fuse(pooled, labels.visible, labels.infrared)
            features = self.fusion_head(rows)
            outputs["fusion"] = HeadOutput(features, self.fusion_classifier(features), row_labels)
        if self.modality_blocks != "none":
            for modality in MODALITIES:
                rows, row_labels = block.part(modality), labels.part(modality)
                visible_rows = len(rows) if modality == "visible" else 0
                outputs[modality] = (
                    self._main(rows, row_labels, visible_rows, activate_last=False)
                    if self.modality_blocks == "shared"
                    else self.modality_heads[modality](rows, row_labels, visible_rows)
                )
        return outputs

    def embed(self, vectors: Mapping[str, Pair]) -> Tensor:
        """Return ``(N, embedding_size)`` float32, every row of unit length."""
        parts = self.embedding_parts({"main": vectors["main"].joint})
        return unit_length(parts["main"])

    def embedding_parts(self, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what the test embedding is made of: "main" ``(N, D)``, of any length."""
        block = vectors["main"]
        return {"main": block if self.main_head is None else self.main_head(block)}

    def embedding_maps(
        self, stages: Mapping[int, Pair], levels: Mapping[int, Pair]
    ) -> dict[str, StripedMaps]:
        """Return the maps whose pooled stripes are the heads' vectors: those of C(5)."""
        return {"main": StripedMaps(stages[5].joint, 1)}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return groups "fusion" (the fusion block's head and classifier) and "head"."""
        groups: dict[str, list[nn.Parameter]] = {"fusion": [], "head": []}
        for name, parameter in self.named_parameters():
            groups["fusion" if name.startswith("fusion") else "head"].append(parameter)
        return groups

    @staticmethod
    def faults(options: Mapping[str, Any], config: Any) -> Iterable[str]:  # noqa: ANN401
        """Yield what does not fit between the blocks, the pyramid and the data."""
        fusion, order = options["fusion"], config.model.options["pyramid"].order
        if fusion != "none":
            try:
                FusionSpec.parse(fusion)
            except ConfigError as error:
                yield f"model.head.fusion: {error}"
        if (fusion == "none") != (order == "none"):
            yield (
                f"model.head.fusion is {fusion} but model.pyramid.order is {order}; a fusion block "
                "needs a pyramid and a pyramid needs a fusion block"
            )
        if options["fusion_redrawn"] and fusion == "none":
            yield "model.head.fusion_redrawn is true but model.head.fusion none; give a fusion spec"
        if not options["main"] and fusion == "none":
            yield "model.head.main is false and model.head.fusion none; switch one on"
        if not options["main"] and config.model.options.get("auxiliaries"):
            yield "model.head.main is false but model.auxiliaries need its features; set it to true"
        if config.data.modalities == "visible":
            yield "data.modalities is visible but model.head cross-modality needs both"

    def _main(
        self, rows: Tensor, labels: Tensor, visible_rows: int, *, activate_last: bool
    ) -> HeadOutput:
        assert self.main_head is not None
        assert self.main_classifier is not None
        features = self.main_head(rows, activate_last=activate_last)
        return HeadOutput(features, self.main_classifier(features), labels, visible_rows)
