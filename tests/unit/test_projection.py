"""Compact embeddings: what a projection keeps, how its size is chosen, where it is stored."""

import json

import numpy as np
import pytest

from fprnet.embeddings.loading import load_model
from fprnet.embeddings.projection import (
    ProjectedBackend,
    Projection,
    fit_projection,
    read_projection,
    write_projection,
)
from fprnet.embeddings.store import Features
from fprnet.errors import CheckpointError, FeaturesError, GalleryModelError, UsageError
from fprnet.gallery import calibrating
from fprnet.gallery.calibrating import choose_projection, mean_average_precision, pairs_of
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import ModelIdentity
from gallery_cases import unit

SHA = "c" * 64


def test_numbers_without_any_length_are_left_out():
    # Three of five numbers are always 0: two keep every inner product.
    plane = np.random.default_rng(0).standard_normal((40, 2))
    embeddings = unit(np.insert(plane, [0, 1, 2], 0, axis=1))
    projection = fit_projection(embeddings, SHA, 2)
    compact = projection(embeddings)
    assert compact.shape == (40, 2)
    np.testing.assert_allclose(compact @ compact.T, embeddings @ embeddings.T, atol=1e-6)
    np.testing.assert_allclose(projection.matrix.T @ projection.matrix, np.eye(2), atol=1e-6)


def test_kept_numbers_are_the_singular_vectors():
    """By definition: the right singular vectors of the matrix as it is, the largest first."""
    embeddings = unit(np.random.default_rng(1).standard_normal((60, 12)) + 0.5)
    projection = fit_projection(embeddings, SHA, 5)
    _, _, rows = np.linalg.svd(embeddings, full_matrices=False)
    overlap = np.abs(projection.matrix.T @ rows[:5].T)
    np.testing.assert_allclose(overlap, np.eye(5), atol=1e-4)
    np.testing.assert_array_equal(projection.first(3).matrix, projection.matrix[:, :3])
    assert projection.first(3).sha256 != projection.sha256


def test_too_few_images_for_a_size():
    with pytest.raises(FeaturesError, match="7"):
        fit_projection(unit(np.ones((7, 20))), SHA, 8)


def test_file_comes_back_as_it_was(tmp_path):
    matrix = np.linalg.qr(np.random.default_rng(2).standard_normal((6, 3)))[0].astype(np.float32)
    given = Projection(matrix, SHA, {6: 0.5, 3: 0.4})
    file = tmp_path / "best.projection.safetensors"
    write_projection(file, given)
    (tmp_path / "usual").touch()
    assert file.stat().st_mode == (tmp_path / "usual").stat().st_mode  # others may read it as well
    back = read_projection(file)
    np.testing.assert_array_equal(back.matrix, matrix)
    assert (back.sha256, back.checkpoint_sha256, back.measured) == (
        given.sha256,
        SHA,
        {6: 0.5, 3: 0.4},
    )


@pytest.mark.parametrize("content", [b"", b"nothing", b"\xff" * 40])
def test_damaged_file_is_one_line(tmp_path, content):
    file = tmp_path / "best.projection.safetensors"
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"no projection.*fprnet calibrate"):
        read_projection(file)


def features(people, seed, noise):
    """Two infrared and two visible images of each person, in 24 numbers of which 6 say who."""
    generator = np.random.default_rng(seed)
    identity = np.repeat(np.arange(people), 4)
    middle = np.zeros((people, 24))
    middle[:, :6] = np.random.default_rng(seed + 100).standard_normal((people, 6))
    vectors = unit(middle[identity] + noise * generator.standard_normal((4 * people, 24)))
    modality = np.tile(["infrared", "infrared", "visible", "visible"], people)
    return Features(
        features=vectors,
        identity=identity,
        camera=np.tile([1, 1, 2, 2], people),
        modality=modality,
        path=np.array([f"{row}.png" for row in range(4 * people)]),
        index=None,
        meta={},
    )


def test_mean_average_precision_is_that_of_loops():
    some = features(12, 0, 0.3)
    pairs = pairs_of(some, some.camera)
    total = []
    for query in range(len(pairs.query_identity)):
        order = sorted(
            np.flatnonzero(pairs.compared[query]), key=lambda row: -pairs.similarity[query, row]
        )
        hits, precisions = 0, []
        for rank, row in enumerate(order, start=1):
            if pairs.gallery_identity[row] == pairs.query_identity[query]:
                hits += 1
                precisions.append(hits / rank)
        total.append(sum(precisions) / len(precisions))
    assert mean_average_precision(pairs) == pytest.approx(sum(total) / len(total))


def test_smallest_size_that_loses_nearly_nothing(monkeypatch):
    monkeypatch.setattr(calibrating, "SIZES", (2, 6, 12))
    training, some = features(60, 0, 0.05), features(20, 1, 0.05)
    chosen = choose_projection(training, some, some.camera, SHA)
    assert chosen.size == 6  # what says who
    assert chosen.measured.keys() == {24, 2, 6, 12}
    assert (
        chosen.measured[24] - chosen.measured[6] <= 0.001 < chosen.measured[24] - chosen.measured[2]
    )
    monkeypatch.setattr(calibrating, "SIZES", (1, 2))
    assert choose_projection(training, some, some.camera, SHA) is None
    monkeypatch.setattr(calibrating, "SIZES", (24, 48))  # no less than there are
    assert choose_projection(training, some, some.camera, SHA) is None


class Backend:
    runtime, precision, embedding_size = "pytorch", "float32", 4

    def embed_batches(self, batches, modality, *, bulk):
        for batch in batches:
            yield unit(batch.reshape(len(batch), -1)[:, :4] + 1.0)


def test_backend_projects_what_it_is_given():
    projection = Projection(np.eye(4, 2, dtype=np.float32), SHA)
    backend = ProjectedBackend(Backend(), projection)
    batch = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    (full,) = Backend().embed_batches([batch], "visible", bulk=False)
    (compact,) = backend.embed_batches([batch], "visible", bulk=False)
    np.testing.assert_array_equal(compact, full[:, :2])
    assert backend.embedding_size == 2


def test_gallery_keeps_its_projection(tmp_path):
    uri = str(tmp_path / "people.db")
    projection = Projection(np.eye(4, 2, dtype=np.float32), SHA)
    model = ModelIdentity(SHA, "fprnet", 2, "", projection.sha256)
    with Gallery.create(uri, model, projection=projection) as gallery:
        gallery.require(model)
        with pytest.raises(GalleryModelError):
            gallery.require(ModelIdentity(SHA, "fprnet", 2, "", "d" * 64))
    with Gallery.open(uri) as gallery:
        assert gallery.projection().sha256 == projection.sha256
        np.testing.assert_array_equal(gallery.projection().matrix, projection.matrix)


def test_projection_of_another_model_is_refused(untrained):
    with pytest.raises(UsageError, match="fprnet calibrate"):
        untrained.compact()
    with pytest.raises(UsageError, match="cccccccccccc"):
        untrained.compact(Projection(np.eye(4, 2, dtype=np.float32), SHA))


@pytest.mark.slow
def test_calibrated_model_fills_a_compact_gallery_and_exports_it(
    fprnet, trained, tiny_set, tmp_path, monkeypatch
):
    """Calibrate, create, add, search; and the same by the exported graph."""
    import shutil

    import onnxruntime

    monkeypatch.setattr(calibrating, "SIZES", (8, 16))
    monkeypatch.setattr(calibrating, "MAX_LOSS", 1.0)
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    result = fprnet("calibrate", run, "--data", tiny_set, "--people", "test", "--json")
    assert result.status == 0, result.err
    learnt = json.loads(result.out)
    assert learnt["embedding"]["size"] == 8
    assert learnt["projection_sha256"]
    uri = tmp_path / "people.db"
    assert fprnet("gallery", "create", "--uri", uri, "--model", run).status == 0
    assert fprnet("gallery", "add", "--uri", uri, "--data", tiny_set).status == 0
    info = json.loads(fprnet("gallery", "info", "--uri", uri, "--json").out)
    assert info["model"]["embedding_size"] == 8
    image = next((tiny_set / "cam1").rglob("*.jpg"))
    words = ("search", image, "--gallery", uri, "--modality", "visible", "--json")
    found = json.loads(fprnet(*words).out)
    assert found["decision"] is not None
    query = load_model(run).compact().embed([image], "visible")
    with Gallery.open(str(uri)) as gallery:
        ids = gallery.select()
        scores = gallery.embeddings(ids) @ query[0]
    assert found["matches"][0]["id"] == ids[scores.argmax()]
    assert found["matches"][0]["similarity"] == pytest.approx(
        scores.max(), abs=5e-3
    )  # bfloat16 here
    assert fprnet("export", run, "--format", "onnx", "--out", tmp_path / "onnx").status == 0
    again = json.loads(fprnet(*words, "--model", tmp_path / "onnx").out)
    assert again["matches"][0]["id"] == found["matches"][0]["id"]
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "visible.onnx")
    assert [one.name for one in session.get_outputs()] == ["embeddings", "compact"]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 32, 3), dtype=np.uint8)
    embeddings, compact = session.run(None, {"images": pixels})
    matrix = read_projection(tmp_path / "onnx" / "projection.safetensors").matrix
    np.testing.assert_allclose(compact, embeddings @ matrix, atol=1e-5)
    # Calibrated anew, the gallery still answers, without the calibration of other embeddings.
    monkeypatch.setattr(calibrating, "SIZES", (16, 32))
    assert fprnet("calibrate", run, "--data", tiny_set, "--people", "test").status == 0
    later = json.loads(fprnet(*words).out)
    assert later["matches"][0]["id"] == found["matches"][0]["id"]
    assert later["decision"] is None
