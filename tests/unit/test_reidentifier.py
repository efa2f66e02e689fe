"""The whole network: published size, gradients everywhere, embeddings, the gather seam."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fprnet.data.records import Modality
from fprnet.losses.modality import AmplitudeDiscrepancy
from fprnet.methods.levels.head import LevelPrediction
from fprnet.methods.levels.objective import LevelLoss
from fprnet.methods.paper.fusion import FusionSpec
from fprnet.methods.paper.head import CrossModalityPrediction
from fprnet.methods.paper.objective import HybridLoss
from fprnet.models.pyramid import FeaturePyramid
from fprnet.models.reidentifier import Reidentifier
from fprnet.models.resnet import ResNet
from fprnet.models.streams import Streams

IDENTITIES = 6
RELEASED: Any = {
    **{"layer": "linear-batchnorm", "modality_blocks": "shared", "leaky_classifier": True},
}


def default(width: int = 8) -> Reidentifier:
    torch.manual_seed(0)
    backbone = ResNet(18, width=width)
    stages = {k: backbone.stage_channels[k] for k in (3, 4, 5)}
    pyramid = FeaturePyramid(stages, channels=8, order="linear")
    channels = backbone.stage_channels[5]
    prediction = LevelPrediction(channels, 8, IDENTITIES, stripes={5: 1, 4: 2, 3: 6}, level_size=16)
    return Reidentifier(Streams(backbone, 0), pyramid, prediction)


def released(spec: str = "r5 i5 i4 r4 r5 i5 i2 r2", split: int = 5, width: int = 4) -> Reidentifier:
    torch.manual_seed(0)
    backbone, fusion = ResNet(18, width=width), FusionSpec.parse(spec)
    channels = backbone.stage_channels
    visible, infrared = (
        FeaturePyramid(channels, channels=8, levels=fusion.levels(m))
        for m in ("visible", "infrared")
    )
    prediction = CrossModalityPrediction(
        channels[5], 8, IDENTITIES, fusion=spec, main_layers=(10,), **RELEASED
    )
    return Reidentifier(Streams(backbone, split), (visible, infrared), prediction)


def batch(
    rows: int = 6, height: int = 96, width: int = 48
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, rows, 3, height, width, generator=generator)
    labels = torch.arange(rows) % 3
    return images[0], images[1], labels, labels


def test_released_has_the_published_number_of_parameters() -> None:
    spec = FusionSpec.parse("r5 i5 i4 r4 r5 i5 i2 r2")
    with torch.device("meta"):
        backbone = ResNet(50)
        pyramids = tuple(
            FeaturePyramid(backbone.stage_channels, order="released", levels=spec.levels(m))
            for m in ("visible", "infrared")
        )
        prediction = CrossModalityPrediction(2048, 256, 395, fusion=str(spec), **RELEASED)
        model = Reidentifier(Streams(backbone, 5), pyramids, prediction)
        embeddings = model.eval().embed(torch.zeros(2, 3, 288, 144), "visible")
    assert sum(p.numel() for p in model.parameters()) == 53_844_630
    assert embeddings.shape == (2, 512)


@pytest.mark.parametrize("make", [default, released])
def test_every_parameter_gets_a_gradient(make: object) -> None:
    model: nn.Module = make()  # type: ignore[operator]
    loss = LevelLoss() if make is default else HybridLoss(game="sum", discrepancy="none")
    loss(model(*batch())).total.backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.any(), name
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    assert all(".smooth.3." in name for name in frozen)  # P(3), which the authors never use
    assert make is released or frozen == []


@pytest.mark.parametrize("size", [(96, 48), (97, 50), (288, 144)])
def test_sizes_that_do_not_divide(size: tuple[int, int]) -> None:
    outputs = default(width=4)(*batch(2, *size))
    assert {head: tuple(o.logits.shape) for head, o in outputs.items()} == dict.fromkeys(
        ("main", "level5", "level4", "level3"), (4, IDENTITIES)
    )


@pytest.mark.parametrize("modality", ["visible", "infrared"])
@pytest.mark.parametrize("make", [default, released])
def test_embeddings_are_float32_rows_of_unit_length(make: object, modality: Modality) -> None:
    model: Reidentifier = make().eval()  # type: ignore[operator]
    images = batch(3)[0]
    with torch.no_grad():
        embeddings = model.embed(images, modality)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model.embed(images, modality)
    assert embeddings.shape == (3, model.embedding_size)
    assert embeddings.dtype == rounded.dtype == torch.float32
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))
    assert (embeddings * rounded).sum(dim=1).min() > 0.99


def test_embeddings_go_through_the_stream_of_their_modality() -> None:
    model = released().eval()
    images = batch(2)[0]
    with torch.no_grad():
        torch.testing.assert_close(model.embed(images, "visible"), model.embed(images, "infrared"))
        model.streams.infrared.conv1.weight.neg_()
        changed = model.embed(images, "infrared")
        assert not torch.allclose(model.embed(images, "visible"), changed, atol=1e-3)


def test_embedding_is_what_training_calls_the_main_features() -> None:
    model = released().eval()
    visible, infrared, *labels = batch(3)
    main = model(visible, infrared, *labels)["main"].features
    embeddings = torch.cat((model.embed(visible, "visible"), model.embed(infrared, "infrared")))
    torch.testing.assert_close(embeddings, nn.functional.normalize(main, dim=1))


@pytest.mark.parametrize("split", [0, 2, 5])
def test_one_modality_may_be_absent_from_a_batch(split: int) -> None:
    backbone = ResNet(18, width=4)
    model = Reidentifier(Streams(backbone, split), None, LevelPrediction(32, 8, IDENTITIES))
    visible, _, labels, _ = batch(4)
    outputs = model(visible, visible[:0], labels, labels[:0])
    assert outputs["main"].logits.shape == (4, IDENTITIES)
    LevelLoss()(outputs).total.backward()


def test_predictions_are_float32_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        outputs = default()(*batch())
    assert {o.features.dtype for o in outputs.values()} == {torch.float32}
    assert {o.logits.dtype for o in outputs.values()} == {torch.float32}


@pytest.mark.parametrize("make", [default, released])
def test_gather_is_applied_to_vectors_and_labels_of_each_modality(make: object) -> None:
    """A gather that brings the same rows from two processes doubles every block."""
    model: nn.Module = make()  # type: ignore[operator]
    visible, infrared, visible_labels, infrared_labels = batch(4)
    twice = model(
        visible,
        infrared,
        visible_labels,
        infrared_labels,
        gather=lambda rows: rows.repeat(2, *[1] * (rows.ndim - 1)),
    )
    alone = model(visible, infrared, visible_labels, infrared_labels)
    for head, output in twice.items():
        assert len(output.labels) == 2 * len(alone[head].labels)
        assert len(output.logits) == len(output.features) == len(output.labels)
    main = twice["main"].features
    torch.testing.assert_close(main[:4], main[4:8])  # visible rows first, then infrared ones
    torch.testing.assert_close(main[:4], alone["main"].features[:4])
    assert (
        twice["main"].labels.tolist() == 2 * visible_labels.tolist() + 2 * infrared_labels.tolist()
    )


def test_levels_of_one_modality_only() -> None:
    model = released("r5 r2 r5 r2")
    outputs = model(*batch(4))
    assert outputs["fusion"].labels.tolist() == 4 * [0, 1, 2, 0]
    HybridLoss(game="sum")(outputs).total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (parameter.grad is not None), name


def test_a_pyramid_that_does_not_give_what_the_prediction_needs() -> None:
    backbone = ResNet(18, width=4)
    prediction = LevelPrediction(32, 8, IDENTITIES, stripes={5: 1, 4: 2})
    pyramid = FeaturePyramid({5: 32}, channels=8, order="linear")
    with pytest.raises(ValueError, match="needs visible level 4, but the pyramid gives"):
        Reidentifier(Streams(backbone, 0), pyramid, prediction)
    with pytest.raises(ValueError, match="needs visible level 4"):
        Reidentifier(Streams(backbone, 0), None, prediction)


@pytest.mark.parametrize("make", [default, released])
def test_heads_on_rows_of_the_batch_give_out_its_maps(make: object) -> None:
    model: Reidentifier = make().eval()  # type: ignore[operator]
    visible, infrared, *labels = batch(3)
    stages = model.streams(visible, infrared)
    outputs = model(visible, infrared, *labels)
    own = {name: o.maps() for name, o in outputs.items() if o.maps is not None}
    levels = {"level5": 5, "level4": 4, "level3": 3} if make is default else {}
    assert own.keys() == {"main", *levels}
    for name, stage in {"main": 5, **levels}.items():
        torch.testing.assert_close(own[name], stages[stage].joint)
        maps = outputs[name].maps
        assert maps is not None
        torch.testing.assert_close(maps(2), stages[2].joint)


def test_maps_of_all_processes_are_gathered_only_where_a_loss_asks_for_them() -> None:
    gathered: list[tuple[int, ...]] = []

    def gather(rows: Tensor) -> Tensor:
        gathered.append(tuple(rows.shape[1:]))
        return torch.cat((rows, rows))

    model = default().eval()
    output = model(*batch(3), gather=gather)["main"]
    assert {len(shape) for shape in gathered} == {0, 1}  # labels and vectors
    assert output.maps is not None
    maps = output.maps(4)
    assert gathered[-2:] == [(32, 6, 3)] * 2
    assert len(maps) == len(output.features) == 12
    alone = model(*batch(3))["main"].maps
    assert alone is not None
    torch.testing.assert_close(maps[3:6], alone(4)[:3])  # visible rows first, then infrared ones


@pytest.mark.parametrize("make", [default, released])
@pytest.mark.parametrize("stage", [None, 3])
def test_a_loss_on_maps_reaches_the_trunk(make: object, stage: Any) -> None:
    model: Reidentifier = make()  # type: ignore[operator]
    with torch.autocast("cpu", torch.bfloat16):
        output = model(*batch())["main"]
    loss = AmplitudeDiscrepancy(stage)(output)
    assert loss.dtype == torch.float32
    assert 0 < float(loss.detach()) < 2
    loss.backward()
    trained = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert trained == {"streams"}
