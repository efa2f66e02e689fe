"""A saved model embeds as before; folders, the hub's cache offline, and files that are wrong."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import fprnet
from fprnet import pretrained as shipped
from fprnet.components import Component
from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.loading import from_pretrained, load_model
from fprnet.errors import CheckpointError, UsageError
from fprnet.kinds import NETWORK
from fprnet.methods.network import classifier_keys
from fprnet.plugins import offer
from fprnet.runs import pretrained
from fprnet.runs.pretrained import CONFIG, WEIGHTS, read_pretrained, weights_file
from models_cases import IDENTITIES, pictures, preset

ABOUT = {
    "preset": "fprnet",
    "trained": True,
    "scale": "tiny",
    "checkpoint_sha256": "0" * 64,
    "step": 12,
    "selection": "validation",
    "trained_identities": IDENTITIES,
}
PLAIN = {"runtime": "pytorch", "precision": "float32"}


def embedder(name="fprnet", **about):
    model, config = preset(name)
    return Embedder(model, config, ABOUT | about, **PLAIN)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "mine"
    embedder().save_pretrained(folder)
    return folder


def cosines(one, other):
    return (one * other).sum(axis=1)


@pytest.mark.parametrize("name", ["fprnet", "paper", "cmgan", "agw"])
def test_loaded_model_embeds_as_the_saved_one(name, tmp_path):
    before = embedder(name)
    before.save_pretrained(tmp_path)
    after = load_model(tmp_path, **PLAIN)
    for modality in ("visible", "infrared"):
        images = pictures(3)
        alike = cosines(before.embed(images, modality), after.embed(images, modality))
        assert alike.min() > 1 - 1e-5
    assert after.about["step"] == 12
    assert after.about["selection"] == "validation"
    assert after.about["trained_identities"] == IDENTITIES
    assert after.about["trained"]
    assert after.config.model == before.config.model


def test_weights_are_half_and_know_nobody(saved):
    weights = load_file(saved / WEIGHTS)
    assert not [key for key in weights if "classifier" in key]
    for value in weights.values():
        if value.is_floating_point():
            assert value.dtype == (torch.float16 if value.ndim > 1 else torch.float32)


def test_config_says_nothing_of_this_machine(saved, tmp_path):
    content = json.loads((saved / CONFIG).read_text())
    assert content["config"]["data"]["root"] == ""
    embedder = load_model(saved, **PLAIN)
    model = embedder.config.model.with_options(weights="/home/somebody/first.safetensors")
    embedder.config = replace(embedder.config, model=model)
    embedder.save_pretrained(tmp_path / "warm")
    content = json.loads((tmp_path / "warm" / "config.json").read_text())
    assert content["config"]["model"]["init_args"]["weights"] == "first.safetensors"
    assert content["config"]["data"]["cache"] is None
    assert "# fprnet" in (saved / "README.md").read_text()


def test_random_state_is_left_alone(saved):
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    read_pretrained(saved)
    assert torch.equal(torch.rand(1), expected)


def test_digest_names_the_model(saved, tmp_path):
    embedder().save_pretrained(tmp_path)
    one, same = load_model(saved, **PLAIN), load_model(tmp_path, **PLAIN)
    assert one.about["checkpoint_sha256"] == same.about["checkpoint_sha256"]
    assert weights_file(saved) == saved / WEIGHTS


def test_equal_weights_in_another_network_are_another_model(saved, tmp_path):
    model, config = preset("fprnet", overrides=("--model.mirrored", "true"))
    Embedder(model, config, ABOUT, **PLAIN).save_pretrained(tmp_path)
    one, other = (load_file(folder / WEIGHTS) for folder in (saved, tmp_path))
    assert all(torch.equal(one[key], other[key]) for key in one.keys() | other.keys())
    digests = [read_pretrained(folder).sha256 for folder in (saved, tmp_path)]
    assert digests[0] != digests[1]


def test_offline_from_the_hubs_cache(saved, tmp_path, monkeypatch):
    snapshot = tmp_path / "models--somebody--mine" / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    for file in saved.iterdir():
        (snapshot / file.name).write_bytes(file.read_bytes())
    refs = tmp_path / "models--somebody--mine" / "refs"
    refs.mkdir()
    (refs / "main").write_text("a" * 40)
    found = from_pretrained("somebody/mine", cache_dir=tmp_path, local_files_only=True, **PLAIN)
    assert found.about["name"] == "mine"
    with pytest.raises(CheckpointError, match="somebody/other"):
        from_pretrained("somebody/other", cache_dir=tmp_path, local_files_only=True)
    assert fprnet.from_pretrained is from_pretrained


def test_offline_mode_of_the_environment(tmp_path):
    import subprocess
    import sys

    code = "import fprnet; fprnet.load_model('hf:nobody/nothing')"
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert "CheckpointError" in done.stderr
    assert "nobody/nothing" in done.stderr.splitlines()[-1]


def test_name_that_no_repository_can_have(tmp_path):
    with pytest.raises(CheckpointError, match="a b/c"):
        from_pretrained("a b/c", local_files_only=True)


def test_repository_without_a_model(tmp_path):
    snapshot = tmp_path / "models--somebody--text" / "snapshots" / ("b" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "README.md").write_text("nothing here")
    refs = tmp_path / "models--somebody--text" / "refs"
    refs.mkdir()
    (refs / "main").write_text("b" * 40)
    with pytest.raises(CheckpointError, match="somebody/text"):
        from_pretrained("somebody/text", cache_dir=tmp_path, local_files_only=True)


def changed(saved, tmp_path, change):
    for file in saved.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    change(tmp_path)
    return tmp_path


def rewritten(**values):
    def change(folder):
        content = json.loads((folder / CONFIG).read_text()) | values
        (folder / CONFIG).write_text(json.dumps(content))

    return change


def without_a_weight(folder):
    weights = load_file(folder / WEIGHTS)
    del weights["streams.shared.conv1.weight"]
    save_file(weights, folder / WEIGHTS)


def of_another_width(folder):
    content = json.loads((folder / CONFIG).read_text())
    content["config"]["model"]["init_args"]["backbone"]["init_args"]["width"] = 16
    (folder / CONFIG).write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda folder: (folder / CONFIG).write_text("{"), CONFIG),
        (lambda folder: (folder / CONFIG).write_text("[]"), "format"),
        (rewritten(format=9), "9"),
        (rewritten(config={"nonsense": 1}), "nonsense"),
        (lambda folder: (folder / WEIGHTS).write_bytes(b"damaged"), WEIGHTS),
        (without_a_weight, "conv1"),
        (of_another_width, "shape"),
    ],
)
def test_wrong_files_are_named(saved, tmp_path, change, word):
    folder = changed(saved, tmp_path, change)
    with pytest.raises(CheckpointError, match=word) as raised:
        load_model(folder, **PLAIN)
    assert "\n" not in str(raised.value)


def test_key_that_is_missing_is_named(saved, tmp_path):
    folder = changed(saved, tmp_path, lambda folder: None)
    content = json.loads((folder / CONFIG).read_text())
    del content["step"]
    (folder / CONFIG).write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="step"):
        load_model(folder, **PLAIN)


def test_weight_too_large_for_half_precision(tmp_path):
    model, config = preset("one-stream")
    state = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.no_grad():
        model.streams.shared.conv1.weight[0, 0, 0, 0] = 1e6
    try:
        large = Embedder(model, config, ABOUT, **PLAIN)
        with pytest.raises(CheckpointError, match="conv1"):
            large.save_pretrained(tmp_path)
        assert not (tmp_path / CONFIG).exists()
    finally:
        model.load_state_dict(state)


def test_untrained_model_is_not_saved(tmp_path):
    with pytest.raises(UsageError, match="fprnet"):
        embedder(trained=False).save_pretrained(tmp_path)


def test_old_calibration_goes_with_the_old_weights(saved, tmp_path):
    folder = changed(saved, tmp_path, lambda folder: None)
    names = ("model.calibration.json", "model.projection.safetensors")
    for name in names:
        (folder / name).write_text("{}")
    embedder().save_pretrained(folder)
    assert not [name for name in names if (folder / name).exists()]


def test_a_full_disk_leaves_the_older_model(saved, tmp_path):
    resource = pytest.importorskip("resource", reason="limits of a process are those of POSIX")
    folder = changed(saved, tmp_path, lambda folder: None)
    (folder / "model.calibration.json").write_text("{}")
    (folder / ".model.0123abcd.part.safetensors").write_text("of a killed process")
    (folder / ".mine.part").write_text("of somebody else")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limit[1]))
    try:
        with pytest.raises(CheckpointError, match="free some space"):
            embedder().save_pretrained(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    del before[".model.0123abcd.part.safetensors"]
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="file"):
        embedder().save_pretrained(tmp_path / "file")


def test_shipped_name_and_a_folder_of_that_name(tmp_path, monkeypatch, saved):
    monkeypatch.setattr(shipped, "SHIPPED", saved.parent)
    monkeypatch.chdir(tmp_path)
    assert shipped.shipped_models() == ["mine"]
    assert load_model("mine", **PLAIN).about["name"] == "mine"
    (tmp_path / "mine").mkdir()
    with pytest.raises(UsageError, match=r"\./mine"):
        load_model("mine", **PLAIN)


def test_unknown_name_lists_what_there_is():
    with pytest.raises(CheckpointError, match="hf:"):
        load_model("no-such-model")


def test_saved_array_type(saved):
    vectors = load_model(saved, **PLAIN).embed(pictures(2), "visible")
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_how_a_gallery_remembers_its_model(tmp_path, monkeypatch, saved):
    monkeypatch.setattr(shipped, "SHIPPED", saved.parent)
    monkeypatch.chdir(tmp_path)
    assert pretrained.remembered_as("mine") == "mine"
    assert pretrained.remembered_as("hf:somebody/mine") == "hf:somebody/mine"
    assert pretrained.remembered_as("runs/a") == str(tmp_path / "runs" / "a")
    assert weights_file("mine") == saved / WEIGHTS
    assert weights_file(tmp_path) == tmp_path / "checkpoints" / "best.pt"
    assert weights_file("runs/a.pt").name == "a.pt"


class Centred(nn.Module):
    """A network that looks at its own weights when it is made."""

    def __init__(self, identities: int) -> None:
        super().__init__()
        self.embedding_size = 3
        self.body = nn.Linear(3, 3)
        self.classifier = nn.Linear(3, identities)
        self.scale = self.body.weight.abs().mean().item()

    def forward(self, visible, infrared, visible_labels, infrared_labels): ...

    def embed(self, images, modality): ...


def test_weights_of_a_network_that_needs_numbers_when_it_is_made():
    network = Component(NETWORK, offer(Centred))
    state = torch.get_rng_state()
    assert classifier_keys(network) == {"classifier.weight", "classifier.bias"}
    assert torch.equal(torch.get_rng_state(), state)
