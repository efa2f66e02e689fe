"""Mistakes of a user: one line, exit status 2, and nothing that existed before is lost."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from conftest import TINY, Result, command, environment
from fprnet.runs.trained_model import load_trained


@pytest.fixture
def copied_set(tiny_set, tmp_path) -> Path:
    """A data set that a test may damage."""
    return Path(shutil.copytree(tiny_set, tmp_path / "set", ignore=shutil.ignore_patterns(".*")))


@pytest.fixture
def copied_run(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def train_words(data: Path, out: Path, preset: str = "fprnet") -> list[object]:
    return ["train", "--preset", preset, *TINY, "--data", data, "--out", out]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["train", "--data", "nowhere", "--out", "run"], "argument --data: nowhere is no folder"),
        (["evaluate", "nowhere.npz", "--data", "SET"], "nowhere.npz does not exist"),
        (["evaluate", "nowhere.pt", "--data", "SET"], "nowhere.pt does not exist"),
        (["evaluate", "frpnet", "--data", "SET"], "frpnet is no checkpoint, run folder"),
        (["evaluate", ".", "--data", "SET"], "checkpoints/best.pt does not exist"),
        (["extract", "nowhere.pt", "--data", "SET", "--out", "f.npz"], "does not exist"),
        (["train", "--data", ".", "--out", "run"], "cam1"),
        (
            ["train", "--data", "SET", "--config", "no.yaml", "--out", "run"],
            "no.yaml cannot be read",
        ),
        (["data", "check", "nowhere"], "nowhere is no folder"),
    ],
)
def test_wrong_path(fprnet, tiny_set, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    result = fprnet(*(tiny_set if word == "SET" else word for word in words))
    assert result.status == 2
    assert told in result.complaint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (("watch", "", "--gallery", "people.db", "--camera", "door"), "'watch'"),
        (("search", "--tracklet", "", "--gallery", "people.db"), "'--tracklet'"),
        (("train", "--data", "set", "--out="), "--out is empty"),
    ],
)
def test_a_shell_variable_that_is_not_set_is_not_the_folder_one_is_in(fprnet, words, value):
    result = fprnet(*words)
    assert result.status == 2
    assert value in result.complaint
    assert "is empty" in result.complaint


def test_identities_without_images(fprnet, copied_set, tmp_path):
    with (copied_set / "exp" / "train_id.txt").open("a") as file:
        file.write(",77")
    result = fprnet(*train_words(copied_set, tmp_path / "run"))
    assert result.status == 2
    assert "1 identities of train_id have no image" in result.complaint
    assert "the first is 77" in result.complaint


def test_image_that_is_no_image(fprnet, copied_set, tmp_path):
    image = sorted((copied_set / "cam1").rglob("*.jpg"))[3]
    image.write_bytes(b"not an image")
    result = fprnet(*train_words(copied_set, tmp_path / "run"))
    assert result.status == 2
    assert f"{image} is no image of a known format" in result.complaint
    assert "data check" in result.complaint


@pytest.mark.parametrize(
    ("override", "told"),
    [
        (["--training.epoch", "3"], "training.epoch is not a key (did you mean training.epochs?)"),
        (["--batches.identities", "13"], "a batch of 13 identities cannot be drawn from 12"),
        (["--training.epochs", "few"], "training.epochs is few, expected a whole number"),
        (["--max-step", "3"], "did you mean --max-steps?"),
        (["--model.weights", "gone.pth"], "gone.pth does not exist"),
        (["--model.weights", "imagenet"], "ImageNet weights exist for a ResNet of width 64"),
    ],
)
def test_option_that_does_not_fit(fprnet, tiny_set, tmp_path, override, told):
    result = fprnet(*train_words(tiny_set, tmp_path / "run"), *override)
    assert result.status == 2
    assert told in result.complaint
    assert not (tmp_path / "run").exists()


def test_misspelled_key_in_a_file(fprnet, tiny_set, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("optimizer: {learning_rat: 0.1}\n")
    result = fprnet(*train_words(tiny_set, tmp_path / "run"), "--config", file)
    assert result.status == 2
    assert "optimizer.learning_rat is not" in result.complaint
    assert "did you mean optimizer.learning_rate?" in result.complaint


def test_out_folder_that_is_no_run(fprnet, tiny_set, tmp_path):
    letter = tmp_path / "letter.txt"
    letter.write_text("dear reader")
    for out in (tmp_path, letter):
        result = fprnet(*train_words(tiny_set, out))
        assert result.status == 2
        assert "is not empty and holds no run" in result.complaint
    assert letter.read_text() == "dear reader"


def change_checkpoint(file: Path, **changes: object) -> None:
    torch.save(torch.load(file, weights_only=True) | changes, file)


def test_checkpoint_of_another_format(fprnet, copied_run, tiny_set):
    file = copied_run / "checkpoints" / "last.pt"
    change_checkpoint(file, format=99)
    for words in (["evaluate", file, "--data", tiny_set], train_words(tiny_set, copied_run)):
        result = fprnet(*words)
        assert result.status == 2
        assert f"{file} has checkpoint format 99 but this fprnet reads 2" in result.complaint
    assert torch.load(file, weights_only=True)["format"] == 99


def test_damaged_checkpoint(fprnet, copied_run, tiny_set):
    file = copied_run / "checkpoints" / "last.pt"
    damaged = file.read_bytes()[:5000]
    file.write_bytes(damaged)
    for words in (["evaluate", file, "--data", tiny_set], train_words(tiny_set, copied_run)):
        result = fprnet(*words)
        assert result.status == 2
        assert f"{file} cannot be read as a checkpoint" in result.complaint
    assert file.read_bytes() == damaged


def test_checkpoint_of_another_preset(fprnet, copied_run, tiny_set, tmp_path):
    other = tmp_path / "other"
    words = train_words(tiny_set, other, preset="one-stream")
    assert fprnet(*words, "--max-steps", 1).status == 0
    file = other / "checkpoints" / "last.pt"
    shutil.copy(copied_run / "checkpoints" / "last.pt", file)
    result = fprnet(*words)
    assert result.status == 2
    assert f"{file} is of a run with" in result.complaint
    assert "preset fprnet (not one-stream)" in result.complaint


def test_checkpoint_of_another_number_of_identities(fprnet, copied_run, copied_set):
    lists = copied_set / "exp"
    (lists / "train_id.txt").write_text(",".join(str(i) for i in range(1, 12)))  # 11 of 12
    result = fprnet(*train_words(copied_set, copied_run), "--batches.identities", "4")
    assert result.status == 2
    assert "was trained on 12 identities, not on the 11 of this data set" in result.complaint


def test_weights_that_do_not_fit_their_config(fprnet, copied_run, tiny_set):
    file = copied_run / "checkpoints" / "best.pt"
    state = torch.load(file, weights_only=True)
    state["model"].pop("head.main.classifier.weight")
    torch.save(state, file)
    result = fprnet("evaluate", file, "--data", tiny_set)
    assert result.status == 2
    assert "do not fit this model" in result.complaint


@pytest.mark.slow
def test_full_disk_keeps_the_old_checkpoint(fprnet, tiny_set, tmp_path):
    """A limit on file size stands for the full disk: writing fails in the middle of a file."""
    run, limit = tmp_path / "run", 3_000_000
    words = [*train_words(tiny_set, run), "--optimizer.learning_rate", "0.001"]
    assert fprnet(*words, "--max-steps", 1).status == 0
    files = [run / "checkpoints" / name for name in ("last.pt", "best.pt")]
    before = [file.read_bytes() for file in files]
    # Limited by a program of its own: code after a fork of this process, which may have loaded
    # gRPC and its threads, can abort.
    limited = f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    program = f"import os, resource, sys; {limited}; os.execv(sys.argv[1], sys.argv[1:])"
    full = subprocess.run(
        [sys.executable, "-c", program, *command(*words)],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    complaint = Result(full.returncode, full.stdout, full.stderr).complaint
    assert full.returncode == 2
    assert f"checkpoint {files[1]} cannot be written (File too large)" in complaint
    assert [file.read_bytes() for file in files] == before
    assert load_trained(files[0]).step == 1
    assert not list(run.rglob("*.part*"))
    assert fprnet(*words).status == 0  # after some space was made
    assert load_trained(files[0]).step == 4


def test_loss_that_is_no_number_stops_the_run(fprnet, tiny_set, tmp_path):
    words = train_words(tiny_set, tmp_path / "run", preset="one-stream")
    result = fprnet(*words, "--optimizer.learning_rate", "1e30")
    assert result.status == 2
    assert "lower --optimizer.learning_rate (now 1e+30)" in result.complaint
    assert not (tmp_path / "run" / "checkpoints" / "last.pt").exists()


def test_weights_that_are_no_numbers_are_not_saved(fprnet, tiny_set, tmp_path):
    # One step: its loss is still finite, what it leaves is not.
    words = train_words(tiny_set, tmp_path / "run", preset="one-stream")
    result = fprnet(*words, "--optimizer.learning_rate", "1e38", "--max-steps", "1")
    assert result.status == 2
    assert "weights are not numbers after step 1" in result.complaint


def test_constant_loss_stops_the_run(fprnet, tiny_set, trained, tmp_path):
    # A trunk of zeros sees nothing: logits 0, cross entropy ln 12 at every step.
    weights = torch.load(trained / "checkpoints" / "best.pt", weights_only=True)["model"]
    dead = tmp_path / "dead.pt"
    torch.save({name: torch.zeros_like(value) for name, value in weights.items()}, dead)
    words = train_words(tiny_set, tmp_path / "run", preset="one-stream")
    result = fprnet(*words, "--model.weights", dead, "--training.steps_per_epoch", "10")
    assert result.status == 2
    assert "the loss was 2.48491 at every step of an epoch" in result.complaint


def test_everything_cheap_is_found_before_an_image_is_resized(fprnet, tiny_set, tmp_path):
    """Weights, numbers of people: no cache is made, and no precision is tried."""
    (tmp_path / "page.pth").write_bytes(b"<!DOCTYPE html><html></html>")
    words = ("train", "--preset", "fprnet", "--scale", "tiny", "--data", tiny_set)
    cache = tmp_path / "cache"
    for change, what in (
        (("--model.weights", tmp_path / "page.pth"), "HTML page"),
        (("--batches.identities", "9999"), "9999"),
    ):
        place = ("--out", tmp_path / "run", "--data.cache", cache)
        result = fprnet(*words, *place, *change)
        assert result.status == 2
        assert what in result.complaint
        assert "faster precision" not in result.err
        assert not cache.exists()


def test_training_needs_neither_permutations_nor_test_identities(fprnet, tiny_set, tmp_path):
    data = tmp_path / "set"
    shutil.copytree(tiny_set, data, ignore=shutil.ignore_patterns(".fprnet-cache"))
    (data / "exp" / "rand_perm_cam.mat").unlink()
    (data / "exp" / "test_id.txt").rename(data / "exp" / "test_id.bak")
    words = ("train", "--preset", "fprnet", "--scale", "tiny", "--data", data)
    short = ("--training.epochs", "1", "--training.steps_per_epoch", "1")
    result = fprnet(*words, *short, "--out", tmp_path / "run")
    assert result.status == 0, result.err
    (data / "exp" / "test_id.bak").rename(data / "exp" / "test_id.txt")
    score = ("evaluate", tmp_path / "run", "--data", data)
    refused = fprnet(*score)
    assert refused.status == 2
    assert "wuancong/SYSU-MM01" in refused.complaint
    assert fprnet(*score, "--gallery", "seeded").status == 0
