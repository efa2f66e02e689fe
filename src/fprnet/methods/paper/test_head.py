"""Cross-modality prediction: the authors' steps written out, and every variant."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pooled_vectors import pool_plainly
from torch import Tensor

from fprnet.methods.paper.fusion import LEVELS, FusionSpec
from fprnet.methods.paper.head import CrossModalityPrediction
from fprnet.models.pair import Pair

C, P, B, M = 24, 8, 6, 7
SPEC = FusionSpec.parse("r5 i5 i4 r4 r5 i5 i2 r2")
LABELS = Pair.of(torch.arange(B) % M, torch.arange(B) % M)


def prediction(**options: Any) -> CrossModalityPrediction:
    torch.manual_seed(0)
    released = {
        "layer": "linear-batchnorm", "main_layers": (10,), "fusion_layers": (6, 5),
        "modality_layers": (10,), "leaky_classifier": True, "modality_blocks": "shared",
    }  # fmt: skip
    return CrossModalityPrediction(C, P, M, **{"fusion": str(SPEC), **released, **options})


def paper(**options: Any) -> CrossModalityPrediction:
    return prediction(
        **{
            "layer": "eigenlayer",
            "fusion_activated_layers": "first",
            "leaky_classifier": False,
            "modality_blocks": "enlarged",
            **options,
        }
    )


def maps() -> tuple[dict[int, Pair], dict[int, Pair]]:
    generator = torch.Generator().manual_seed(1)

    def pair(channels: int) -> Pair:
        shape = (B, channels, 3, 2)
        return Pair.of(
            torch.randn(shape, generator=generator), torch.rand(shape, generator=generator)
        )

    return {5: pair(C)}, {level: pair(P) for level in (5, 4, 2)}


def batch_norm(x: Tensor, state: dict[str, Tensor], name: str, running: Tensor) -> Tensor:
    """Normalise and blend the batch's mean into ``running`` with momentum 0.1, in place."""
    mean, variance = x.mean(dim=0), x.var(dim=0, correction=0)
    running.mul_(0.9).add_(0.1 * mean.detach())
    normalised = (x - mean) / (variance + 1e-5).sqrt()
    return normalised * state[f"{name}.weight"] + state[f"{name}.bias"]


def test_released_is_what_the_authors_code_does() -> None:
    module = prediction()
    state = {key: value.clone() for key, value in module.state_dict().items()}
    stages, levels = maps()

    def mean(pair: Pair) -> tuple[Tensor, Tensor]:
        return pair.visible.mean(dim=(2, 3)), pair.infrared.mean(dim=(2, 3))

    def leaky(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, 0.1 * x)

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    running = torch.zeros(10)

    def main_head(x: Tensor) -> Tensor:
        return batch_norm(linear(x, "main_head.layers.0.0"), state, "main_head.layers.0.1", running)

    def classify(x: Tensor, name: str) -> Tensor:
        return linear(leaky(x), f"{name}.linear")

    (r5, i5), (pr5, pi5) = mean(stages[5]), mean(levels[5])
    (pr4, pi4), (pr2, pi2) = mean(levels[4]), mean(levels[2])
    y = LABELS.visible
    # The authors' order: mixed, then RGB, then IR through one and the same head.
    main = leaky(main_head(torch.cat((r5, i5))))
    visible, infrared = main_head(r5), main_head(i5)
    block = torch.cat((pr5, pi5, pi4, pr4, pr5, pi5, pi2, pr2))
    unused = torch.zeros(6), torch.zeros(5)
    name = "fusion_head.layers"
    hidden = batch_norm(linear(block, f"{name}.0.0"), state, f"{name}.0.1", unused[0]).relu()
    fusion = batch_norm(linear(hidden, f"{name}.1.0"), state, f"{name}.1.1", unused[1]).relu()
    expected = {
        "main": (main, classify(main, "main_classifier"), torch.cat((y, y))),
        "fusion": (fusion, classify(fusion, "fusion_classifier"), y.repeat(8)),
        "visible": (visible, classify(visible, "main_classifier"), y),
        "infrared": (infrared, classify(infrared, "main_classifier"), y),
    }
    outputs = module(pool_plainly(module, stages, levels), LABELS)
    assert set(outputs) == set(expected)
    for head, (features, logits, labels) in expected.items():
        torch.testing.assert_close(outputs[head].features, features, msg=head)
        torch.testing.assert_close(outputs[head].logits, logits, msg=head)
        assert outputs[head].labels.tolist() == labels.tolist()
    norm = module.main_head.layers[0][1]
    assert norm.num_batches_tracked.item() == 3
    torch.testing.assert_close(norm.running_mean, running)


def test_released_embedding_is_the_main_head_after_its_leaky_relu() -> None:
    module = prediction().eval()
    vectors = pool_plainly(module, maps()[0], {})
    linear, norm = module.main_head.layers[0]
    expected = F.normalize(F.leaky_relu(norm(linear(vectors["main"].joint)), 0.1), dim=1)
    torch.testing.assert_close(module.embed(vectors), expected)
    assert module.embedding_size == 10


def test_paper_enlarges_each_modality_to_its_own_layer() -> None:
    module = paper()
    stages, levels = maps()
    outputs = module(pool_plainly(module, stages, levels), LABELS)
    for modality in ("visible", "infrared"):
        head = module.modality_heads[modality]
        (svd,) = head.head.layers
        assert svd.weight.shape == (10, 4 * C)
        pooled = stages[5].part(modality).mean(dim=(2, 3))
        copies = pooled.repeat_interleave(4, dim=1)  # bilinear from 1x1: four equal pixels
        features = copies @ svd.weight.T  # an SVD layer, then the classifier: nothing between
        torch.testing.assert_close(outputs[modality].features, features)
        classifier = head.classifier.linear
        logits = F.linear(features, classifier.weight, classifier.bias)
        torch.testing.assert_close(outputs[modality].logits, logits)


def test_paper_main_and_fusion_heads() -> None:
    module = paper()
    stages, levels = maps()
    vectors = pool_plainly(module, stages, levels)
    outputs = module(vectors, LABELS)
    (svd,) = module.main_head.layers
    features = F.leaky_relu(vectors["main"].joint @ svd.weight.T, 0.1)
    torch.testing.assert_close(outputs["main"].features, features)
    torch.testing.assert_close(outputs["main"].logits, module.main_classifier.linear(features))
    first, second = module.fusion_head.layers
    pooled = {c: vectors[f"level{c.level}"].part(c.modality) for c in SPEC.cells}
    rows, _ = SPEC.fuse(pooled, LABELS.visible, LABELS.infrared)
    features = (rows @ first.weight.T).relu() @ second.weight.T  # no ReLU after the second
    torch.testing.assert_close(outputs["fusion"].features, features)
    torch.testing.assert_close(outputs["fusion"].logits, module.fusion_classifier.linear(features))
    assert not any(isinstance(m, torch.nn.BatchNorm1d) for m in module.modules())


def test_each_head_has_sizes_of_its_own() -> None:
    single = paper(modality_layers=(7,))
    double = paper(modality_layers=(7,), main_layers=(10, 10))  # Table 6: of the IR-RGB block
    for module in (single, double):
        for head in module.modality_heads.values():
            assert [tuple(layer.weight.shape) for layer in head.head.layers] == [(7, 4 * C)]
    changed = {
        name
        for name, parameter in double.named_parameters()
        if name not in dict(single.named_parameters())
        or parameter.shape != single.get_parameter(name).shape
    }
    assert changed == {"main_head.layers.1.weight"}


@pytest.mark.parametrize(
    ("options", "heads"),
    [
        ({}, {"main", "fusion", "visible", "infrared"}),
        ({"modality_blocks": "none"}, {"main", "fusion"}),  # Table 5: RGB and IR domain
        ({"main": False}, {"fusion", "visible", "infrared"}),  # IR-RGB block
        ({"fusion": "none"}, {"main", "visible", "infrared"}),  # fusion block
        ({"modality_blocks": "own"}, {"main", "fusion", "visible", "infrared"}),  # upsample 2x
        ({"fusion_layers": (5,)}, {"main", "fusion", "visible", "infrared"}),  # Table 6: single
        ({"main_layers": (10, 10)}, {"main", "fusion", "visible", "infrared"}),  # double
        ({"fusion": "r5 r4 / i5 i4"}, {"main", "fusion", "visible", "infrared"}),
    ],
)
@pytest.mark.parametrize("make", [prediction, paper])
def test_components_can_be_left_out_and_every_parameter_learns(
    make: Any, options: dict[str, Any], heads: set[str]
) -> None:
    module = make(**options)
    outputs = module(pool_plainly(module, *maps()), LABELS)
    assert set(outputs) == heads
    sum(output.logits.square().sum() for output in outputs.values()).backward()
    assert all(p.grad is not None for p in module.parameters())


def test_without_a_main_head_the_embedding_is_the_pooled_stage() -> None:
    module = paper(main=False)
    vectors = pool_plainly(module, maps()[0], {})
    torch.testing.assert_close(module.embed(vectors), F.normalize(vectors["main"].joint, dim=1))
    assert module.embedding_size == C
    assert prediction(main=False).embedding_size == 10  # shared: RGB and IR blocks train it


def test_activations_of_table_6() -> None:
    module = paper(main_activation="relu", fusion_activation="leaky-relu")
    outputs = module(pool_plainly(module, *maps()), LABELS)
    assert (outputs["main"].features >= 0).all()
    assert (outputs["fusion"].features < 0).any()


def test_levels_that_training_needs() -> None:
    module = prediction(fusion="r5 r2 i4 i4")
    assert module.stripes_of("visible") == {2: 1, 5: 1}
    assert module.stripes_of("infrared") == {4: 1}
    assert prediction(fusion="none").stripes_of("visible") == {}


def test_a_fusion_that_is_drawn_anew_has_any_cells_in_its_shape() -> None:
    head = prediction(fusion="r5 i4 / i5 r2", fusion_redrawn=True, modality_blocks="none")
    assert (
        head.stripes_of("visible") == head.stripes_of("infrared") == dict.fromkeys((2, 3, 4, 5), 1)
    )
    constant = {
        f"level{k}": Pair.of(torch.full((B, P), 1.0 * k), torch.full((B, P), 10.0 + k))
        for k in LEVELS
    }
    vectors = {"main": Pair.of(torch.zeros(B, C), torch.zeros(B, C)), **constant}
    seen: list[Tensor] = []
    assert head.fusion_head is not None
    head.fusion_head.register_forward_pre_hook(lambda _, rows: seen.append(rows[0][::B, ::P]))
    torch.manual_seed(3)
    for _ in range(200):
        head(vectors, LABELS)
    drawn = torch.stack(seen)  # (steps, columns, rows)
    assert drawn.shape == (200, 2, 2)
    values, counts = drawn.unique(return_counts=True)
    assert values.tolist() == [2, 3, 4, 5, 12, 13, 14, 15]
    assert (counts - 100).abs().max() < 5 * (800 * 1 / 8 * 7 / 8) ** 0.5
    torch.manual_seed(3)
    seen.clear()
    head(vectors, LABELS)
    assert torch.equal(seen[0], drawn[0])  # so a run that is continued draws the same
    seen.clear()
    head.eval()(vectors, LABELS)
    assert seen[0].tolist() == [[5, 15], [14, 2]]


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ValueError, match="there must be a fusion block"):
        prediction(main=False, fusion="none")
    with pytest.raises(ValueError, match="modality_blocks is 'twice'"):
        prediction(modality_blocks="twice")
