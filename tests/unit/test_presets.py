"""Presets become networks and objectives: what a key says is what is built."""

import pytest
import torch

from fprnet.config import load_config, preset_names
from fprnet.errors import ConfigError
from fprnet.losses.ranking import BatchHardTriplet, CrossModalityTopRanking
from fprnet.methods.levels.head import LevelPrediction
from fprnet.methods.levels.objective import LevelLoss
from fprnet.methods.network import untrained
from fprnet.methods.paper.head import CrossModalityPrediction
from fprnet.methods.paper.objective import HybridLoss
from fprnet.models.svd_layer import SvdLayer
from fprnet.runs.preset_summary import summarise


def model_of(preset: str, *overrides: str, scale="tiny", identities=5):
    config = load_config(preset, scale=scale, overrides=overrides)
    return untrained(config.model).build(identities)


@pytest.mark.parametrize("preset", preset_names())
def test_weights_come_from_the_global_seed(preset):
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(model_of(preset).state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_released_has_the_published_number_of_parameters():
    # Counted in the authors' public code at 395 identities, ImageNet classifiers left out.
    assert summarise(load_config("released"), identities=395).parameters == 53_844_630


def test_default_costs_as_little_more_than_one_stream_as_section_11_says():
    costs = [
        summarise(load_config(preset, scale="tiny"), identities=5).multiply_adds
        for preset in ("fprnet", "one-stream")
    ]
    assert 1 <= costs[0] / costs[1] <= 1.03


@pytest.mark.parametrize("preset", ["fprnet", "one-stream", "two-stream", "zero-padding", "agw"])
def test_level_presets(preset):
    model = model_of(preset)
    assert isinstance(model.head, LevelPrediction)
    assert model.head.stripes == ({5: 1, 4: 2, 3: 6} if preset == "fprnet" else {})


def test_cross_modality_presets():
    paper, released = model_of("paper"), model_of("released")
    for model in (paper, released):
        assert isinstance(model.head, CrossModalityPrediction)
        assert list(model.pyramids) == ["visible", "infrared"]
        assert model.embedding_size == 512
    assert any(isinstance(module, SvdLayer) for module in paper.modules())
    assert not any(isinstance(module, SvdLayer) for module in released.modules())
    assert (paper.head.modality_blocks, released.head.modality_blocks) == (
        "enlarged",
        "shared",
    )


@pytest.mark.parametrize("preset", ["resnet50", "bctr", "bdtr"])
def test_resnet50_and_its_ranking_variants_are_the_main_block_alone(preset):
    model = model_of(preset, scale="full", identities=395) if preset == "resnet50" else None
    tiny = model_of(preset)
    assert not tiny.pyramids
    assert [name for name, _ in tiny.head.named_children()] == [
        "main_head", "main_classifier", "modality_heads",
    ]  # fmt: skip
    assert len(tiny.head.modality_heads) == 0
    assert tiny.embedding_size == (512 if preset == "resnet50" else 1024)
    if model is not None:
        # Two ResNet-50 (23,508,032 each), Linear 2048 x 512 and its bias, BatchNorm, classifier.
        count = 2 * 23_508_032 + (2048 + 1) * 512 + 2 * 512 + (512 + 1) * 395
        assert sum(p.numel() for p in model.parameters()) == count


def test_resnet50_embeds_before_the_leaky_relu_of_its_classifier():
    torch.manual_seed(0)
    model = model_of("resnet50").eval()
    prediction, images = model.head, torch.randn(3, 3, 96, 48)
    maps = model.streams(images, images[:0])[5].joint
    vectors = maps.mean(dim=(2, 3))
    linear, norm = prediction.main_head.layers[0]
    features = norm(linear(vectors))
    assert (features < 0).any()
    expected = torch.nn.functional.normalize(features, dim=1)
    torch.testing.assert_close(model.embed(images, "visible"), expected)
    labels = torch.tensor([0, 1, 2])
    output = model(images, images, labels, labels)["main"]
    assert output.visible_rows == 3
    leaky = torch.nn.functional.leaky_relu(output.features, 0.1)
    torch.testing.assert_close(output.logits, prediction.main_classifier.linear(leaky))


@pytest.mark.parametrize(("stages", "networks"), [("0", 1), ("5", 2)])
def test_separate_stages_count_the_networks(stages, networks):
    one, several = (
        sum(p.numel() for p in model_of("two-stream", *words).streams.parameters())
        for words in (("--model.separate_stages", "0"), ("--model.separate_stages", stages))
    )
    assert several == networks * one


def test_single_component_models():
    overrides = ("--model.head.fusion", "none", "--model.pyramid.order", "none")
    model = model_of("released", *overrides)
    assert not model.pyramids
    assert model.head.fusion_head is None


def test_fusion_spec_that_cannot_be_read():
    with pytest.raises(ConfigError, match="x9"):
        model_of("released", "--model.head.fusion", "x9 r5")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            {
                "": "levels",
                ".ranking": "batch-hard-triplet",
                ".ranking.margin": "0.7",
                ".ranking_weight": "2",
                ".level_weight": "3",
                ".label_smoothing": "0.1",
            },
            LevelLoss(BatchHardTriplet(0.7), ranking_weight=2, level_weight=3, label_smoothing=0.1),
        ),
        ({"": "levels", ".ranking": "null"}, LevelLoss()),
        (
            {
                "": "hybrid",
                ".game": "sum",
                ".joint_weight": "1.5",
                ".visible_weight": "0.2",
                ".infrared_weight": "0.3",
                ".discrepancy": "detached",
                ".label_smoothing": "0.1",
                ".ranking": "cross-modality-top-ranking",
                ".ranking.margin": "0.6",
                ".ranking.intra_modality_weight": "0.2",
                ".ranking.intra_modality_margin": "0.3",
                ".ranking_weight": "3",
            },
            HybridLoss(
                joint_weight=1.5,
                visible_weight=0.2,
                infrared_weight=0.3,
                discrepancy="detached",
                game="sum",
                label_smoothing=0.1,
                ranking=CrossModalityTopRanking(0.6, 0.2, 0.3),
                ranking_weight=3,
            ),
        ),
    ],
)
def test_objectives_take_every_key_of_the_loss(words, expected):
    preset = "fprnet" if words[""] == "levels" else "paper"
    overrides = [word for key, value in words.items() for word in (f"--loss{key}", value)]
    assert load_config(preset, overrides=overrides).loss.build() == expected
