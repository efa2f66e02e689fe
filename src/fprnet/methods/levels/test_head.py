"""Level prediction: heads, their shapes, and the test embedding against its definition."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pooled_vectors import pool_plainly

from fprnet.methods.levels.head import LevelPrediction, NeckedHead
from fprnet.models.pair import Pair

SIZES = {5: (3, 2), 4: (6, 3), 3: (12, 6)}
LABELS = Pair.of(torch.tensor([0, 0, 1]), torch.tensor([1, 0]))


def prediction(**options: Any) -> LevelPrediction:
    torch.manual_seed(0)
    options = {"stripes": {5: 1, 4: 2, 3: 6}, "level_size": 16, **options}
    return LevelPrediction(32, 8, 7, **options)


def maps() -> tuple[dict[int, Pair], dict[int, Pair]]:
    generator = torch.Generator().manual_seed(1)
    stages = {5: Pair.joined(torch.rand(5, 32, *SIZES[5], generator=generator), 3)}
    levels = {
        k: Pair.joined(torch.randn(5, 8, *size, generator=generator), 3)
        for k, size in SIZES.items()
    }
    return stages, levels


def test_heads_and_shapes() -> None:
    module = prediction()
    vectors = pool_plainly(module, *maps())
    assert {name: tuple(v.joint.shape) for name, v in vectors.items()} == {
        "main": (5, 32), "level5": (5, 8), "level4": (5, 16), "level3": (5, 48),
    }  # fmt: skip
    outputs = module(vectors, LABELS)
    assert list(outputs) == ["main", "level5", "level4", "level3"]
    for name, output in outputs.items():
        assert output.features.shape == (5, 32 if name == "main" else 16)
        assert output.logits.shape == (5, 7)
        assert output.labels.tolist() == [0, 0, 1, 1, 0]


def test_a_level_is_linear_then_neck_then_classifier() -> None:
    module = prediction()
    vectors = pool_plainly(module, *maps())
    output = module(vectors, LABELS)["level3"]
    head = module.levels["3"]
    assert isinstance(head, NeckedHead)
    features = vectors["level3"].joint @ head.embedding.weight.T
    normalised = (features - features.mean(dim=0)) / (
        features.var(dim=0, correction=0) + 1e-5
    ).sqrt()
    torch.testing.assert_close(output.features, features)
    torch.testing.assert_close(output.logits, normalised @ head.classifier.weight.T)
    names = [name for name, _ in head.named_parameters()]
    assert names == ["embedding.weight", "neck.weight", "classifier.weight"]  # no bias anywhere


def test_main_features_are_the_pooled_stage_5() -> None:
    stages, levels = maps()
    module = prediction()
    outputs = module(pool_plainly(module, stages, levels), LABELS)
    torch.testing.assert_close(outputs["main"].features, stages[5].joint.mean(dim=(2, 3)))


@pytest.mark.parametrize("side", ["before", "after"])
def test_embedding_is_every_head_at_equal_weight(side: str) -> None:
    module = prediction(embedding_from=side).eval()
    vectors = pool_plainly(module, *maps())
    parts = []
    for name, output in module(vectors, LABELS).items():
        head = module.main if name == "main" else module.levels[name.removeprefix("level")]
        features = output.features if side == "before" else head.neck(output.features)
        parts.append(F.normalize(features, dim=1) / 2)  # four heads: sqrt(4)
    embedding = module.embed(vectors)
    torch.testing.assert_close(embedding, torch.cat(parts, dim=1))
    assert embedding.shape == (5, module.embedding_size) == (5, 32 + 3 * 16)
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(5))


def test_without_levels_it_is_a_baseline() -> None:
    module = prediction(stripes={})
    outputs = module(pool_plainly(module, maps()[0], {}), LABELS)
    assert list(outputs) == ["main"]
    assert module.embedding_size == 32
    assert module.stripes_of("visible") == {}
    assert module.embedding_levels == ()


def test_baseline_with_an_embedding_layer_and_no_neck() -> None:
    module = prediction(stripes={}, main_size=10, neck="none")
    outputs = module(pool_plainly(module, maps()[0], {}), LABELS)
    assert outputs["main"].features.shape == (5, 10)
    head = module.main
    torch.testing.assert_close(
        outputs["main"].logits,
        F.linear(outputs["main"].features, head.classifier.weight, head.classifier.bias),
    )
    assert sum(p.numel() for p in module.parameters()) == 32 * 10 + 10 + 10 * 7 + 7


def test_gem_pools_stage_5_and_leaves_the_levels_alone() -> None:
    module = prediction(pooling="gem")
    stages, levels = maps()
    vectors = pool_plainly(module, stages, levels)
    cubes = stages[5].joint.pow(3).mean(dim=(2, 3)).pow(1 / 3)
    torch.testing.assert_close(vectors["main"].joint, cubes)
    torch.testing.assert_close(vectors["level5"].joint, levels[5].joint.mean(dim=(2, 3)))


def test_heads_know_which_rows_are_visible() -> None:
    module = prediction()
    outputs = module(pool_plainly(module, *maps()), LABELS)
    assert {name: output.visible_rows for name, output in outputs.items()} == dict.fromkeys(
        outputs, 3
    )


def svdnet(**options: Any) -> LevelPrediction:
    return prediction(
        stripes={}, main_size=10, main_layer="eigenlayer", neck="none", dropout=0.5, **options
    )


def test_svdnets_head_is_an_eigenlayer_then_dropout_then_classifier() -> None:
    module = svdnet()
    names = [name for name, _ in module.named_parameters()]
    assert names == ["main.embedding.weight", "main.classifier.weight", "main.classifier.bias"]
    vectors = pool_plainly(module, maps()[0], {})
    x, head = vectors["main"].joint, module.main
    torch.manual_seed(3)
    output = module(vectors, LABELS)["main"]
    torch.testing.assert_close(output.features, x @ head.embedding.weight.T)
    torch.manual_seed(3)
    kept = F.dropout(torch.ones(5, 10), 0.5)  # of the same seed: 0, or 2 for half of them
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    torch.testing.assert_close(output.logits, head.classifier(output.features * kept))
    quiet = module.eval()(vectors, LABELS)["main"]
    torch.testing.assert_close(quiet.logits, head.classifier(output.features))


def test_embedding_may_be_the_input_of_the_heads() -> None:
    stages, levels = maps()
    module = svdnet(embedding_from="pooled").eval()
    vectors = pool_plainly(module, stages, {})
    pooled = stages[5].joint.mean(dim=(2, 3))
    assert module.embedding_size == 32
    torch.testing.assert_close(module.embed(vectors), F.normalize(pooled, dim=1))
    striped = prediction(embedding_from="pooled").eval()
    embedding = striped.embed(pool_plainly(striped, stages, levels))
    assert embedding.shape == (5, striped.embedding_size) == (5, 32 + 8 * (1 + 2 + 6))
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(5))


def test_cmgans_identity_head_has_a_hidden_layer() -> None:
    module = prediction(stripes={}, neck="none", classifier_layers=(6,))
    vectors = pool_plainly(module, maps()[0], {})
    output = module(vectors, LABELS)["main"]
    torch.testing.assert_close(output.features, vectors["main"].joint)
    hidden = module.main.hidden[0](output.features).relu()
    torch.testing.assert_close(output.logits, module.main.classifier(hidden))
    assert (output.logits.shape, module.embedding_size) == ((5, 7), 32)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="main_layer is 'conv'"):
        prediction(main_layer="conv")
    with pytest.raises(ValueError, match="pooling 'max' is unknown"):
        prediction(pooling="max")
    with pytest.raises(ValueError, match="neck 'layernorm' is unknown"):
        prediction(neck="layernorm")
    with pytest.raises(ValueError, match="embedding_from is 'middle'"):
        prediction(embedding_from="middle")
