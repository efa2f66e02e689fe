"""An explanation is exact: levels, stripes and maps add up to the similarity, of every preset."""

import numpy as np
import pytest
import torch

from fprnet.config import preset_names
from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.explanation import explain
from fprnet.embeddings.loading import load_model
from fprnet.models.pooling import GeneralisedMean
from models_cases import preset


def picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (96, 48, 3), dtype=np.uint8)


PRESETS = [name for name in preset_names() if name != "warm-start"]


@pytest.mark.parametrize(
    ("name", "mirrored"), [*((name, False) for name in PRESETS), ("fprnet", True), ("agw", True)]
)
def test_everything_adds_up_to_the_similarity(name, mirrored):
    model, config = preset(name, overrides=("--model.mirrored", str(mirrored).lower()))
    embedder = Embedder(model, config, {}, runtime="pytorch", precision="float32")
    query, match = picture(0), picture(1)
    explanation = explain(embedder, (query, "infrared"), (match, "visible"))
    # By definition: the cosine of the two embeddings that a gallery would hold.
    (ours,) = embedder.embed([query], "infrared")
    (theirs,) = embedder.embed([match], "visible")
    similarity = float(ours.astype(np.float64) @ theirs)
    assert explanation.similarity == pytest.approx(similarity, abs=1e-5)
    assert sum(part.share for part in explanation.parts) == pytest.approx(similarity, abs=1e-5)
    for part in explanation.parts:
        for split in (
            part.query_stripes,
            part.gallery_stripes,
            part.query_map,
            part.gallery_map,
        ):
            assert np.sum(split) == pytest.approx(part.share, abs=1e-5)
    for heat in (explanation.query_map, explanation.gallery_map):
        assert heat.shape == embedder.size
        assert heat.sum() == pytest.approx(similarity, abs=1e-4)


def test_an_image_is_like_itself():
    embedder = load_model("fprnet", scale="tiny", device="cpu", runtime="pytorch")
    explanation = explain(embedder, (picture(0), "visible"), (picture(0), "visible"))
    assert [part.name for part in explanation.parts] == ["main", "level5", "level4", "level3"]
    assert explanation.similarity == pytest.approx(1, abs=1e-5)
    # Four parts of equal weight.
    assert [part.share for part in explanation.parts] == pytest.approx([0.25] * 4, abs=1e-5)


def test_shares_of_a_generalised_mean():
    # Cubes of 1 and 2: 1 + 8, so that the second position has 8/9 of the result.
    maps = torch.tensor([[[[1.0, 2.0]]]])
    shares = GeneralisedMean(3.0).shares(maps)
    expected = (9 / 2) ** (1 / 3)
    assert shares.mean().item() == pytest.approx(expected, rel=1e-6)
    assert (shares[..., 1] / shares.sum()).item() == pytest.approx(8 / 9, rel=1e-6)
