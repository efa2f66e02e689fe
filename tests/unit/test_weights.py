"""Backbone weights: which files fit, and one clear line for each that does not."""

from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import save_file
from torch import Tensor

from fprnet.errors import CheckpointError
from fprnet.models.foreign_keys import unwrap
from fprnet.models.resnet import ResNet
from fprnet.models.streams import Streams
from fprnet.models.weights import backbone_state, load_backbone_weights


def network(seed: int, width: int = 4) -> ResNet:
    torch.manual_seed(seed)
    return ResNet(18, width=width)


@pytest.fixture
def state() -> dict[str, Tensor]:
    source = network(1)
    source.bn1.running_mean.fill_(3.0)
    return {**source.state_dict(), "fc.weight": torch.ones(5, 32), "fc.bias": torch.ones(5)}


def assert_loaded(backbone: ResNet, state: dict[str, Tensor]) -> None:
    for key, value in backbone.state_dict().items():
        torch.testing.assert_close(value, state[key], rtol=0, atol=0)


def test_pth_file_with_a_classifier(tmp_path: Path, state: dict[str, Tensor]) -> None:
    torch.save(state, tmp_path / "resnet.pth")
    backbone = network(2)
    load_backbone_weights(backbone, tmp_path / "resnet.pth")
    assert_loaded(backbone, state)


def test_safetensors_file(tmp_path: Path, state: dict[str, Tensor]) -> None:
    save_file(state, tmp_path / "resnet.safetensors")
    backbone = network(2)
    load_backbone_weights(backbone, str(tmp_path / "resnet.safetensors"))
    assert_loaded(backbone, state)


def test_old_files_without_batch_counters(state: dict[str, Tensor]) -> None:
    old = {key: value for key, value in state.items() if not key.endswith("tracked")}
    assert backbone_state(old, network(2)).keys() == network(2).state_dict().keys()


@pytest.mark.parametrize("split", [0, 2, 5])
def test_trunk_of_an_fprnet_model(tmp_path: Path, split: int) -> None:
    source = network(1)
    model = {f"streams.{k}": v for k, v in Streams(source, split).state_dict().items()}
    model["head.main.classifier.weight"] = torch.zeros(3, 3)
    torch.save({"format": 1, "model": model}, tmp_path / "last.pt")
    backbone = network(2)
    load_backbone_weights(backbone, tmp_path / "last.pt")
    assert_loaded(backbone, source.state_dict())


def test_missing_extra_and_misshapen_keys_are_named(state: dict[str, Tensor]) -> None:
    without = {key: value for key, value in state.items() if key != "layer2.0.conv1.weight"}
    with pytest.raises(
        CheckpointError, match=r"'layer2\.0\.conv1\.weight' of a ResNet-18 is missing"
    ):
        backbone_state(without, network(2))
    with pytest.raises(CheckpointError, match="'layer9' does not belong to a ResNet-18"):
        backbone_state({**state, "layer9": torch.zeros(1)}, network(2))
    with pytest.raises(
        CheckpointError, match=r"'conv1\.weight' is \(4, 3, 7, 7\) but .* width 8 needs"
    ):
        backbone_state(state, network(2, width=8))


def test_a_refused_file_changes_nothing(tmp_path: Path, state: dict[str, Tensor]) -> None:
    torch.save({**state, "layer9": torch.zeros(1)}, tmp_path / "odd.pth")
    backbone = network(2)
    with pytest.raises(CheckpointError, match=r"odd\.pth: key 'layer9'"):
        load_backbone_weights(backbone, tmp_path / "odd.pth")
    assert_loaded(backbone, network(2).state_dict())


@pytest.mark.parametrize(
    ("name", "content"),
    [("broken.pth", b"not weights"), ("broken.safetensors", b"not weights"), ("empty.pth", b"")],
)
def test_damaged_files_are_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{name} cannot be read as weights") as caught:
        load_backbone_weights(network(2), tmp_path / name)
    assert "\n" not in str(caught.value)
    assert "--model.weights" in str(caught.value)


def test_files_that_hold_something_else(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="holds no weights by name"):
        load_backbone_weights(network(2), tmp_path / "list.pth")
    torch.save({"epoch": 3}, tmp_path / "epoch.pth")
    with pytest.raises(CheckpointError, match=r"epoch\.pth holds no tensors but epoch"):
        load_backbone_weights(network(2), tmp_path / "epoch.pth")


def test_missing_file() -> None:
    with pytest.raises(
        CheckpointError, match=r"weights file nowhere\.pth does not exist; give a local"
    ):
        load_backbone_weights(network(2), "nowhere.pth")


def test_imagenet_offline_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(repository: str, file: str) -> str:
        assert (repository, file) == ("timm/resnet18.tv_in1k", "model.safetensors")
        raise LocalEntryNotFoundError("no connection,\nno cache")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    with pytest.raises(CheckpointError, match=r"resnet18\.tv_in1k cannot be downloaded") as caught:
        load_backbone_weights(ResNet(18), "imagenet")
    assert "\n" not in str(caught.value)
    assert "--model.weights none" in str(caught.value)


def test_imagenet_from_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, Tensor]
) -> None:
    torch.manual_seed(1)
    source = {**ResNet(18).state_dict(), "fc.weight": torch.zeros(1), "fc.bias": torch.zeros(1)}
    save_file(source, tmp_path / "model.safetensors")
    monkeypatch.setattr(
        huggingface_hub, "hf_hub_download", lambda *_: str(tmp_path / "model.safetensors")
    )
    backbone = ResNet(18)
    load_backbone_weights(backbone, "imagenet")
    assert_loaded(backbone, source)


def test_imagenet_has_no_narrow_network() -> None:
    with pytest.raises(CheckpointError, match="width 64, not 4"):
        load_backbone_weights(network(2), "imagenet")


PREFIXES = ("module.", "backbone.", "base.", "model.", "base_resnet.base.", "module.model.base.")


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    "wrapper", ["net", "params", "model_state_dict", "model_state", "state_dict", None]
)
def test_weights_of_other_toolkits(tmp_path, capsys, state, prefix, wrapper) -> None:
    held = {f"{prefix}{key}": value for key, value in state.items()}
    head = prefix if prefix == "module." else ""
    held |= {f"{head}classifier.weight": torch.zeros(2, 2), f"{head}bottleneck.bias": torch.ones(1)}
    torch.save(held if wrapper is None else {wrapper: held, "epoch": 3}, tmp_path / "a.pth")
    backbone = network(2)
    load_backbone_weights(backbone, tmp_path / "a.pth")
    assert_loaded(backbone, state)
    note = capsys.readouterr().err
    assert f"{len(network(2).state_dict())} entries are the backbone's, without {prefix!r}" in note
    assert "left out: " in note


def test_stem_and_stages_of_the_two_stream_baseline(tmp_path, capsys) -> None:
    """The stem of one whole ResNet and the stages of another."""
    visible, thermal, base = network(1), network(3), network(4)
    parts = {
        "visible_module.visible.": visible,
        "thermal_module.thermal.": thermal,
        "base_resnet.base.": base,
    }
    held = {f"{p}{k}": v for p, part in parts.items() for k, v in part.state_dict().items()}
    torch.save({"net": held}, tmp_path / "agw.t")
    backbone = network(2)
    load_backbone_weights(backbone, tmp_path / "agw.t")
    stem = ("conv1.", "bn1.")
    expected = {
        key: (visible if key.startswith(stem) else base).state_dict()[key]
        for key in backbone.state_dict()
    }
    assert_loaded(backbone, expected)
    assert "thermal_module" in capsys.readouterr().err


def test_entries_of_a_deeper_network_are_not_left_out(state) -> None:
    deeper = {**state, "layer3.7.conv1.weight": torch.zeros(1)}
    with pytest.raises(CheckpointError, match=r"'layer3\.7\.conv1\.weight' does not belong"):
        backbone_state({f"module.{key}": value for key, value in deeper.items()}, network(2))


def test_run_folder_stands_for_its_best_checkpoint(tmp_path) -> None:
    source = network(1)
    model = {f"streams.{k}": v for k, v in Streams(source, 2).state_dict().items()}
    (tmp_path / "checkpoints").mkdir()
    torch.save({"format": 1, "model": model}, tmp_path / "checkpoints" / "best.pt")
    backbone = network(2)
    load_backbone_weights(backbone, tmp_path)
    assert_loaded(backbone, source.state_dict())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_named(tmp_path, state, value) -> None:
    state["layer1.0.conv1.weight"][0, 0, 0, :2] = value
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"'layer1\.0\.conv1\.weight' of .* NaN .* in 2 of"):
        load_backbone_weights(network(2), tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<!DOCTYPE html><html><body>404</body></html>", "it is an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "it is a Git LFS pointer"),
    ],
)
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_what_was_downloaded_instead_is_named(tmp_path, content, what, suffix) -> None:
    file = tmp_path / f"a.{suffix}"
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=what):
        load_backbone_weights(network(2), file)


class Anything:
    """A class of somebody else, which a pickle would have to import."""


def test_nobody_is_advised_to_read_unsafely(tmp_path) -> None:
    torch.save({"model": Anything()}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError) as caught:
        load_backbone_weights(network(2), tmp_path / "a.pth")
    assert "plain values and tensors" in str(caught.value)
    assert "weights_only" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_sums_of_a_training_beside_its_weights_are_no_weights():
    weights = {"conv1.weight": torch.ones(1)}
    assert unwrap({"lowest": torch.zeros(()), "model": weights, "step": 3}) is weights
    assert unwrap(weights) is weights
