"""Training of super-resolution: exact resume, its folder, and a loss that is no number."""

import json

import pytest
import torch
from superres_cases import tiny_config, write_set

from conftest import assert_identical, checkpoint, history
from fprnet.errors import CheckpointError, ConfigError, DataError, TrainingError, UsageError
from fprnet_lab.superres.run_folder import SUPERRES
from fprnet_lab.superres.train import train_superres
from fprnet_lab.superres.weights import load_network


def train(config, out, **options):
    return train_superres(config, out, progress=False, **options)


@pytest.mark.parametrize("stops", [(2,), (3, 5)])
def test_stopped_training_ends_bit_identical(tmp_path, stops):
    config = tiny_config(write_set(tmp_path / "data"), dropout=0.5, optimizer="adam")
    train(config, tmp_path / "whole")
    for stop in stops:
        assert train(config, tmp_path / "parts", max_steps=stop).step == stop
    parts = train(config, tmp_path / "parts")
    assert (parts.first_step, parts.step) == (stops[-1], 6)
    assert history(tmp_path / "parts") == history(tmp_path / "whole")
    states = [checkpoint(tmp_path / run / "checkpoints/last.pt") for run in ("whole", "parts")]
    assert_identical(*states)
    again = train(config, tmp_path / "parts")
    assert (again.first_step, again.step) == (6, 6)


def test_folder_says_what_was_measured(tmp_path):
    config = tiny_config(write_set(tmp_path / "data"))
    outcome = train(config, tmp_path / "run")
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == outcome.history
    assert [record["step"] for record in outcome.history] == [2, 4, 6]
    assert set(outcome.history[-1]["validation"]) == {
        *("psnr", "ssim", "bicubic_psnr", "bicubic_ssim")
    }
    loaded = load_network(tmp_path / "run")
    assert (loaded.name, loaded.network.factor) == ("paper", 4)
    best = SUPERRES.read(tmp_path / "run/checkpoints/best.pt")
    assert best["best"] == max(record["validation"]["psnr"] for record in outcome.history)
    with pytest.raises(UsageError, match="was trained to enlarge 4 times"):
        load_network(tmp_path / "run", scale=2)
    with pytest.raises(UsageError, match="leave --transpose out"):
        load_network(tmp_path / "run", transpose=True)


def test_another_config_or_folder_is_refused(tmp_path):
    root = write_set(tmp_path / "data")
    train(tiny_config(root), tmp_path / "run", max_steps=1)
    with pytest.raises(ConfigError, match=r"with seed 0 \(not 1\)"):
        train(tiny_config(root, seed=1), tmp_path / "run")
    with pytest.raises(ConfigError, match="is not empty and holds no training"):
        train(tiny_config(root), root)


def test_damaged_checkpoint(tmp_path):
    config = tiny_config(write_set(tmp_path / "data"))
    train(config, tmp_path / "run", max_steps=1)
    (tmp_path / "run/checkpoints/last.pt").write_bytes(b"half of it")
    with pytest.raises(CheckpointError, match=r"last\.pt cannot be read .* it is damaged"):
        train(config, tmp_path / "run")


def test_loss_that_is_no_number_keeps_the_checkpoint_of_before(tmp_path):
    config = tiny_config(
        write_set(tmp_path / "data"), optimizer="sgd", loss="sum", learning_rate=1e4, steps=40
    )
    with pytest.raises(TrainingError, match=r"not (a number|numbers) .*lower --learning_rate"):
        train(config, tmp_path / "run")
    last = tmp_path / "run/checkpoints/last.pt"
    if last.exists():
        weights = SUPERRES.read(last)["model"].values()
        assert all(torch.isfinite(tensor).all() for tensor in weights)


def test_resized_pictures(tmp_path):
    config = tiny_config(write_set(tmp_path / "data"), pictures="resize", side=24, steps=1)
    assert train(config, tmp_path / "run").step == 1


def test_camera_without_visible_images(tmp_path):
    config = tiny_config(write_set(tmp_path / "data"), camera=3)
    with pytest.raises(DataError, match="camera 3"):
        train(config, tmp_path / "run")


def test_loss_falls(tmp_path):
    config = tiny_config(write_set(tmp_path / "data"), steps=40, save_every=20, batch=8)
    first, second = (
        record["losses"]["total"] for record in train(config, tmp_path / "run").history
    )
    assert second < first
