"""Every runtime and precision gives the embeddings of the plain model, in any order of use."""

import copy
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from fprnet import plugins
from fprnet.config import load_config, preset_names
from fprnet.cores import available_cores
from fprnet.data.augmentation import normalise
from fprnet.data.records import MODALITIES
from fprnet.embeddings import backend as backends
from fprnet.embeddings import graph_cache
from fprnet.embeddings.backend import choose_precision, choose_runtime
from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.extract import batch_size_for, embed_images
from fprnet.embeddings.inference_graph import folded
from fprnet.embeddings.loading import load_model
from fprnet.embeddings.openvino_backend import backend_of_model, has_bfloat16
from fprnet.embeddings.pytorch_backend import PyTorchBackend
from fprnet.embeddings.runtimes import backend_of
from fprnet.errors import ConfigError, UsageError
from fprnet.methods.network import untrained
from models_cases import pictures, preset

FLOAT32 = 2e-5  # of numbers of unit rows, the largest difference
CPU = torch.device("cpu")


def expected(model, images, modality):
    """The embeddings by the model itself: nothing folded, nothing converted."""
    with torch.inference_mode():
        return model.embed(normalise(torch.from_numpy(images)), modality).numpy()


def cosines(one, other):
    return (one * other).sum(axis=1)


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache of graphs that nobody else has filled."""
    monkeypatch.setenv("FPRNET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "graphs"


QUICK = ("fprnet", "paper", "zero-padding")  # levels, cross-modality, a channel per modality


@pytest.mark.parametrize(
    "name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in preset_names()
    ],
)
def test_every_preset_gives_the_same_embeddings(name):
    model, config = preset(name)
    images = pictures(5)
    size = (config.data.height, config.data.width)
    runtime = backend_of_model(model, size, precision="float32", threads=1, keep=False)
    eager = PyTorchBackend(model, precision="float32")
    for modality in MODALITIES:
        right = expected(model, images, modality)
        np.testing.assert_allclose(cosines(right, right), 1, atol=1e-5)
        for backend in (runtime, eager):
            embeddings = embed_images(backend, images, modality)
            assert embeddings.shape == (5, model.embedding_size)
            np.testing.assert_allclose(embeddings, right, atol=FLOAT32)
    different = expected(model, images, "visible") - expected(model, images, "infrared")
    options = config.model.options
    own_weights = options["separate_stages"] > 0 or options["input"] == "zero-padded"
    assert (np.abs(different).max() > 1e-3) == own_weights


def test_without_a_main_head_the_pooled_stage_is_traced():
    without_main = ("--model.head.main", "false")
    model, config = preset("paper", overrides=without_main)
    assert model.head.main_features is None
    images = pictures(2)
    size = (config.data.height, config.data.width)
    backend = backend_of_model(model, size, precision="float32", threads=1, keep=False)
    embeddings = embed_images(backend, images, "visible")
    np.testing.assert_allclose(embeddings, expected(model, images, "visible"), atol=FLOAT32)


def test_norms_of_each_modality_are_folded_into_copies_of_what_they_share():
    model, config = preset("one-stream", overrides=("--model.separate_norms", "true"))
    images = pictures(2)
    size = (config.data.height, config.data.width)
    sides = (
        backend_of_model(model, size, precision="float32", threads=1, keep=False),
        PyTorchBackend(model, precision="float32"),
    )
    right = {modality: expected(model, images, modality) for modality in MODALITIES}
    assert np.abs(right["visible"] - right["infrared"]).max() > 1e-3
    for backend in sides:
        for modality in MODALITIES:
            embeddings = embed_images(backend, images, modality)
            np.testing.assert_allclose(embeddings, right[modality], atol=FLOAT32)


@pytest.mark.parametrize("name", ["fprnet", "agw"])
def test_a_mirrored_network_tells_no_image_from_its_mirror_image(name):
    plain, config = preset(name)
    model, _ = preset(name, overrides=("--model.mirrored", "true"))
    images, size = pictures(3), (config.data.height, config.data.width)
    sides = (
        backend_of_model(model, size, precision="float32", threads=1, keep=False),
        PyTorchBackend(model, precision="float32"),
    )
    for modality in MODALITIES:
        right = expected(model, images, modality)
        assert np.abs(right - expected(plain, images, modality)).max() > 1e-3
        for backend in sides:
            for shown in (images, images[:, :, ::-1].copy()):
                embeddings = embed_images(backend, shown, modality)
                np.testing.assert_allclose(embeddings, right, atol=FLOAT32)


def test_a_mirrored_embedding_is_that_of_both_images_together():
    plain, _ = preset("fprnet")
    mirrored, _ = preset("fprnet", overrides=("--model.mirrored", "true"))
    fresh = [copy.deepcopy(network) for network in (plain, mirrored)]
    images = normalise(torch.from_numpy(pictures(2)))
    both = [{}, {}]
    with torch.inference_mode():
        for means, shown in zip(both, (images, images.flip(3)), strict=True):
            for name, striped in plain.embedding_maps(shown, "visible").items():
                means[name] = striped.maps.mean(dim=(2, 3))
        found = mirrored.embedding_maps(images, "visible")
        trained = [network.train().embed(images, "visible") for network in fresh]
    torch.testing.assert_close(*trained)
    for name, striped in found.items():
        right = (both[0][name] + both[1][name]) / 2
        torch.testing.assert_close(striped.maps.mean(dim=(2, 3)), right, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "size"), [("fprnet", (97, 49)), ("agw", (95, 50)), ("paper", (66, 33))]
)
def test_sizes_that_halve_badly(name, size):
    model, _ = preset(name, size)
    images = pictures(2, size)
    backend = backend_of_model(model, size, precision="float32", threads=1, keep=False)
    embeddings = embed_images(backend, images, "infrared")
    np.testing.assert_allclose(embeddings, expected(model, images, "infrared"), atol=FLOAT32)


@pytest.mark.parametrize("name", ["fprnet", "zero-padding"])
def test_bfloat16_stays_within_a_cosine(name):
    model, config = preset(name)
    images = pictures(6)
    runs = [PyTorchBackend(model, precision="bfloat16")]
    if has_bfloat16():
        size = (config.data.height, config.data.width)
        runs.append(backend_of_model(model, size, precision="bfloat16", threads=1, keep=False))
    for backend in runs:
        right = expected(model, images, "infrared")
        embeddings = embed_images(backend, images, "infrared")
        assert embeddings.dtype == np.float32
        assert cosines(embeddings, right).min() >= 0.999
        assert np.abs(embeddings - right).max() > FLOAT32  # it is another precision


def test_folding_removes_the_norms_and_leaves_the_model_alone():
    model, _ = preset("fprnet")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    copy = folded(model)
    count = sum(isinstance(module, torch.nn.BatchNorm2d) for module in copy.modules())
    assert count == 0
    assert sum(isinstance(module, torch.nn.BatchNorm2d) for module in model.modules()) > 0
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_any_number_of_images_in_any_batches():
    model, config = preset("fprnet")
    size = (config.data.height, config.data.width)
    backend = backend_of_model(model, size, precision="float32", threads=2, keep=False)
    images = pictures(2 * batch_size_for(size) + 3)
    right = expected(model, images, "visible")
    for count in (0, 1, 2, 7, len(images)):
        embeddings = embed_images(backend, images[:count], "visible")
        np.testing.assert_allclose(embeddings, right[:count], atol=FLOAT32)
    sizes = (1, 4, 1, 3, 2)
    starts = np.cumsum([0, *sizes])
    batches = [images[a:b] for a, b in pairwise(starts)]
    for bulk in (False, True):
        found = list(backend.embed_batches(batches, "visible", bulk=bulk))
        assert [len(some) for some in found] == list(sizes)
        np.testing.assert_allclose(np.concatenate(found), right[: starts[-1]], atol=FLOAT32)


def test_a_reader_that_stops_early_takes_nothing_away():
    model, config = preset("fprnet")
    size = (config.data.height, config.data.width)
    backend = backend_of_model(model, size, precision="float32", threads=2, keep=False)
    images = pictures(3)
    for _ in range(5):  # more often than there are requests
        stream = backend.embed_batches((images for _ in range(9)), "visible", bulk=True)
        next(iter(stream))
        stream.close()
    np.testing.assert_allclose(
        embed_images(backend, images, "visible"), expected(model, images, "visible"), atol=FLOAT32
    )


def test_a_broken_source_of_images_takes_nothing_away():
    model, config = preset("fprnet")
    size = (config.data.height, config.data.width)
    backend = backend_of_model(model, size, precision="float32", threads=2, keep=False)
    images = pictures(2)

    def broken():
        yield images
        yield images
        raise OSError("the disk is gone")

    for _ in range(5):
        with pytest.raises(OSError, match="the disk is gone"):
            list(backend.embed_batches(broken(), "infrared", bulk=True))
    assert embed_images(backend, images, "infrared").shape == (2, model.embedding_size)


@pytest.mark.parametrize("runtime", ["openvino", "pytorch"])
def test_threads_at_the_same_time(runtime):
    model, config = preset("fprnet")
    embedder = Embedder(model, config, {}, runtime=runtime, precision="float32")
    images = pictures(8)
    right = {modality: expected(model, images, modality) for modality in MODALITIES}
    start = threading.Barrier(6)

    def embed(number):
        start.wait(timeout=30)
        modality = MODALITIES[number % 2]
        count = 1 + number
        found = [embedder.embed(images[:count], modality) for _ in range(4)]
        return [np.abs(some - right[modality][:count]).max() for some in found]

    with ThreadPoolExecutor(6) as pool:
        differences = list(pool.map(embed, range(6)))
    assert np.max(differences) < FLOAT32


def test_flip_is_the_mean_with_the_mirror_image():
    model, config = preset("fprnet")
    embedder = Embedder(model, config, {}, precision="float32")
    images = pictures(3)
    mirrored = np.ascontiguousarray(images[:, :, ::-1])
    total = expected(model, images, "visible") + expected(model, mirrored, "visible")
    right = total / np.linalg.norm(total, axis=1, keepdims=True)
    np.testing.assert_allclose(embedder.embed(images, "visible", flip=True), right, atol=FLOAT32)


def test_second_process_reads_the_compiled_graph(own_cache, monkeypatch):
    model, config = preset("one-stream")
    size = (config.data.height, config.data.width)
    images = pictures(2)

    def embed():
        backend = backend_of_model(model, size, precision="float32", threads=1)
        return embed_images(backend, images, "visible")

    first = embed()
    (kept,) = own_cache.iterdir()
    monkeypatch.setattr("fprnet.embeddings.openvino_backend.converted", None)  # not called again
    np.testing.assert_array_equal(embed(), first)
    assert list(own_cache.iterdir()) == [kept]


def test_damaged_graph_is_made_again(own_cache, capfd):
    model, config = preset("one-stream")
    size = (config.data.height, config.data.width)
    images = pictures(1)

    def embed():
        backend = backend_of_model(model, size, precision="float32", threads=1)
        return embed_images(backend, images, "visible")

    first = embed()
    (kept,) = own_cache.iterdir()
    content = kept.read_bytes()
    for damaged in (b"", content[: len(content) // 2]):
        kept.write_bytes(damaged)
        np.testing.assert_array_equal(embed(), first)
        assert "damaged" in capfd.readouterr().err
        assert len(kept.read_bytes()) > len(content) // 2


def test_other_weights_are_another_graph(own_cache):
    model, config = preset("one-stream")
    settings = {"size": (config.data.height, config.data.width)}
    key = graph_cache.fingerprint(model, settings)
    assert graph_cache.fingerprint(model, settings) == key
    assert graph_cache.fingerprint(model, {"size": (1, 1)}) != key
    changed = folded(model)
    changed.load_state_dict(changed.state_dict())
    with torch.no_grad():
        next(changed.parameters()).view(-1)[0] += 1
    assert graph_cache.fingerprint(changed, settings) != key


def test_cache_forgets_the_least_recently_used(own_cache, monkeypatch):
    monkeypatch.setattr(graph_cache, "MAX_BYTES", 25)
    for number, key in enumerate(("first", "second")):
        graph_cache.write_graph(key, bytes(10))
        file = own_cache / f"{key}.graph"
        os.utime(file, (number, number))
    assert graph_cache.read_graph("first") == bytes(10)  # which makes it the recent one
    graph_cache.write_graph("third", bytes(10))
    assert {file.stem for file in own_cache.iterdir()} == {"first", "third"}


def test_cache_that_cannot_be_written_is_said(tmp_path, monkeypatch, capfd):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FPRNET_CACHE", str(tmp_path / "file"))
    model, config = preset("one-stream")
    size = (config.data.height, config.data.width)
    backend = backend_of_model(model, size, precision="float32", threads=1)
    assert embed_images(backend, pictures(1), "visible").shape == (1, model.embedding_size)
    assert "FPRNET_CACHE names another folder" in capfd.readouterr().err


def test_choices(monkeypatch):
    assert choose_runtime("auto", CPU) == "openvino"
    assert choose_runtime("auto", torch.device("cuda")) == "pytorch"
    assert choose_runtime("pytorch", CPU) == "pytorch"
    with pytest.raises(UsageError, match="computes on the CPU"):
        choose_runtime("openvino", torch.device("cuda"))
    with pytest.raises(UsageError, match="'tensorrt' is unknown"):
        choose_runtime("tensorrt", CPU)
    for faster, chosen in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(backends, "bfloat16_is_faster", lambda faster=faster: faster)
        assert choose_precision("auto", CPU) == chosen
        assert choose_precision("auto", CPU, bfloat16_instructions=False) == "float32"
        assert choose_precision("float32", CPU) == "float32"
    with pytest.raises(UsageError, match="is not there on this CPU"):
        choose_precision("bfloat16", CPU, bfloat16_instructions=False)
    with pytest.raises(UsageError, match="'float16' is unknown"):
        choose_precision("float16", CPU)


def test_threads_follow_the_environment(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert backends.worker_threads() == 3
    for nothing in ("", "0", "many"):
        monkeypatch.setenv("OMP_NUM_THREADS", nothing)
        assert backends.worker_threads() == available_cores() >= 1


def test_features_say_what_computed_them():
    embedder = load_model("one-stream", scale="tiny", runtime="pytorch", precision="float32")
    assert (embedder.about["runtime"], embedder.about["precision"]) == ("pytorch", "float32")
    embedder = load_model("one-stream", scale="tiny", runtime="openvino", precision="float32")
    assert (embedder.about["runtime"], embedder.about["precision"]) == ("openvino", "float32")


@pytest.mark.parametrize(
    "change",
    [("model.head.main_activation", "relu"), ("model.head.main_activation", "none")],
)
def test_graphs_of_equal_weights_and_other_options_are_told_apart(change):
    """An activation leaves no trace in the weights, and yet another graph is needed."""
    models = []
    for overrides in ((), (f"--{change[0]}", change[1])):
        config = load_config("paper", scale="tiny", overrides=overrides)
        torch.manual_seed(0)
        models.append(untrained(config.model).build(3).eval())
    one, other = (model.state_dict() for model in models)
    assert all(torch.equal(one[name], other[name]) for name in one)
    key = graph_cache.fingerprint(models[0], {})
    assert key != graph_cache.fingerprint(models[1], {})
    assert key == graph_cache.fingerprint(copy.deepcopy(models[0]), {})


class Constant:
    """A runtime of somebody else: every embedding is the same."""

    runtime = "constant"
    precision = "float32"
    embedding_size = 2

    def __init__(self, model, size, precision, *, angle: float = 0.0) -> None:
        del model, size, precision
        self.vector = np.array([np.cos(angle), np.sin(angle)], np.float32)

    def embed_batches(self, batches, modality, *, bulk):
        del modality, bulk
        for batch in batches:
            yield np.tile(self.vector, (len(batch), 1))


def test_a_runtime_of_ones_own_computes_embeddings() -> None:
    offered = plugins.offer(Constant)
    embedder = load_model("one-stream", scale="tiny", runtime=offered)
    assert embedder.about["runtime"] == "constant"
    images = np.zeros((3, *embedder.size, 3), np.uint8)
    np.testing.assert_array_equal(embedder.embed(images, "visible"), [[1, 0]] * 3)


def test_a_runtime_that_nobody_allowed_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"os:system.*not allowed"):
        load_model("one-stream", scale="tiny", runtime="os:system")


class Tokens(nn.Module):
    """A class token before the pixels; ``len`` fixes the number of images in a converted graph."""

    embedding_size = 3

    def __init__(self, *, fixed: bool) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.ones(1, 1, 3))
        self.fixed = fixed

    def embed(self, images, modality):
        rows = images.flatten(2).transpose(1, 2)
        count = len(rows) if self.fixed else rows.shape[0]
        rows = torch.cat([self.token.expand(count, -1, -1), rows], dim=1)
        return nn.functional.normalize(rows.mean(dim=1), dim=1)


class Branching(nn.Module):
    """Embeds dark images and others differently: a conversion keeps the branch of its example."""

    embedding_size = 3

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))

    def embed(self, images, modality):
        means = images.mean(dim=(2, 3)) * self.scale
        if images.max() > 0:
            means = means.flip(1) * torch.tensor([-1.0, 1.0, 1.0])
        return nn.functional.normalize(means, dim=1)


@pytest.mark.usefixtures("own_cache")
def test_a_foreign_network_that_does_not_convert_is_run_by_pytorch(capfd) -> None:
    model = Tokens(fixed=True).eval()
    assert backend_of(model, (8, 4), "auto", "float32").runtime == "pytorch"
    assert "graph does not embed 3 images" in capfd.readouterr().err
    with pytest.raises(UsageError, match=r"OpenVINO cannot .*use runtime pytorch"):
        backend_of(model, (8, 4), "openvino", "float32")


@pytest.mark.usefixtures("own_cache")
def test_a_foreign_network_that_converts_to_another_is_run_by_pytorch(capfd) -> None:
    model = Branching().eval()
    assert backend_of(model, (8, 4), "auto", "float32").runtime == "pytorch"
    assert "with PyTorch's" in capfd.readouterr().err


@pytest.mark.usefixtures("own_cache")
def test_a_foreign_network_that_converts_is_run_by_openvino(capfd) -> None:
    assert backend_of(Tokens(fixed=False).eval(), (8, 4), "auto", "float32").runtime == "openvino"
    assert capfd.readouterr().err == ""
