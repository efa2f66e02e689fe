"""A run that was stopped, or killed, and started again ends as if nothing had happened."""

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

import fprnet as package
from conftest import (
    ROOT,
    TINY,
    assert_identical,
    assert_same_run,
    checkpoint,
    command,
    environment,
    history,
)
from fprnet.config import preset_names

# 3 epochs of 6 steps, so that a checkpoint every 4 steps lies inside epochs as well as at ends.
# Narrow networks: their checkpoints are small and hold the same parts.
LONGER = [
    *(*TINY, "--model.backbone.width", "8"),
    *("--training.steps_per_epoch", "6", "--training.epochs", "3"),
]
EVERY = ["--training.checkpoint_every", "4"]
RATE = {"paper": "0.0001"}  # from random weights; others 0.003


def words_for(preset: str, data: Path, out: Path) -> list[str]:
    rate = ["--optimizer.learning_rate", RATE.get(preset, "0.003")]
    if preset == "svdnet":  # an epoch each of base training, restraint and relaxation
        rate += ["--callbacks.restraint.base_epochs", "1"]
    return ["train", "--preset", preset, *LONGER, *rate, "--data", str(data), "--out", str(out)]


@pytest.fixture(scope="module")
def straight(tiny_set, tmp_path_factory):
    """Finished runs that nothing interrupted, by preset."""
    from fprnet.cli.main import main

    runs = {}
    for preset in ("fprnet", "paper", "cmgan", "svdnet"):
        runs[preset] = tmp_path_factory.mktemp("straight") / preset
        assert main(words_for(preset, tiny_set, runs[preset])) == 0
    return runs


def test_a_loss_that_learns_and_remembers_goes_on_where_it_was(
    fprnet, tiny_set, tmp_path, monkeypatch
):
    monkeypatch.setenv("FPRNET_PLUGINS", "")  # what it allows is forgotten at its end
    plugin = ROOT / "tests" / "plugins" / "my_centres.py"
    centres = ("--loss.ranking", "my_centres:Centres")
    more = ("--optimizer.multipliers.loss", "0.5", "--callbacks.watching", "my_centres:Watching")
    runs = [tmp_path / "straight", tmp_path / "stopped"]
    for run, stops in zip(runs, ([], ["--max-steps", "8"]), strict=True):
        words = [*words_for("fprnet", tiny_set, run), *centres, *more, "--plugin", plugin]
        for last in (stops, []):
            result = fprnet(*words, *last)
            assert result.status == 0, result.err
    assert_same_run(*runs)
    end, record = checkpoint(runs[1] / "checkpoints" / "last.pt"), history(runs[1])[0]
    assert record["moved"] is True
    assert [epoch["last_begun"] for epoch in history(runs[1])] == [5, 11, 17]
    assert record["learning_rates"]["loss"] == pytest.approx(
        0.5 * record["learning_rates"]["trunk"]
    )
    shapes = {name: tuple(value.shape) for name, value in end["loss"].items()}
    heads = ("main", "level5", "level4", "level3")
    assert shapes.pop("0.seen") == shapes["0.centres.main"]
    assert shapes.keys() == {f"0.centres.{head}" for head in heads}
    assert {people for people, _ in shapes.values()} == {12}
    begun = checkpoint(runs[0] / "checkpoints" / "best.pt")["loss"]
    assert all(end["loss"][name].abs().sum() > 0 for name in begun)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["fprnet", "paper"])
def test_killed_at_random_moments_ends_as_the_straight_run(straight, tiny_set, tmp_path, preset):
    run = tmp_path / "killed"
    words = [*words_for(preset, tiny_set, run), *EVERY]
    moments = random.Random(preset)
    kills = 0
    for _ in range(2):
        process = subprocess.Popen(
            command(*words),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )
        last = run / "checkpoints" / "last.pt"
        before = last.stat().st_mtime_ns if last.exists() else 0
        while process.poll() is None:  # until it has made progress, and then a random moment more
            if last.exists() and last.stat().st_mtime_ns != before:
                break
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills > 0
    finished = subprocess.run(
        command(*words), capture_output=True, text=True, env=environment(), check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert_same_run(run, straight[preset])
    assert not list(run.rglob(".*.part*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "stop"),
    [
        *(("fprnet", 5), ("fprnet", 12), ("paper", 5), ("paper", 12), ("cmgan", 5)),
        *(("svdnet", 8), ("svdnet", 16)),  # inside restraint, inside relaxation
    ],
)
def test_stopped_by_max_steps_ends_as_the_straight_run(
    fprnet, straight, tiny_set, tmp_path, preset, stop
):
    run = tmp_path / "stopped"
    words = words_for(preset, tiny_set, run)
    stopped = fprnet(*words, "--max-steps", stop)
    assert stopped.status == 0, stopped.err
    assert stopped.out == f"{stop} of 18 steps done; the same command goes on\n"
    assert checkpoint(run / "checkpoints" / "last.pt")["step"] == stop
    assert len(history(run)) == stop // 6
    assert fprnet(*words).status == 0
    assert_same_run(run, straight[preset])
    assert f"continued at step {stop} of 18" in (run / "log.txt").read_text()


# One epoch of two steps, without people to validate on.
SHORTEST = [
    *("--training.epochs", "1", "--training.steps_per_epoch", "2"),
    *("--training.validate_every", "0", "--training.selection", "last"),
]


@pytest.mark.slow
@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_continues_bit_for_bit_and_can_be_used(fprnet, tiny_set, tmp_path, preset):
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    rounds = ["--callbacks.restraint.base_epochs", "0"] if preset == "svdnet" else []
    for run, *options in ((straight,), (stopped, "--max-steps", "1"), (stopped,)):
        result = fprnet(*words_for(preset, tiny_set, run), *SHORTEST, *rounds, *options)
        assert result.status == 0, result.err
    assert_same_run(straight, stopped)
    scores = fprnet("evaluate", stopped, "--data", tiny_set, "--json")
    assert scores.status == 0, scores.err
    model = package.load_model(stopped)
    pictures = sorted((tiny_set / "cam6" / "0001").glob("*.jpg"))
    features = model.embed(pictures, modality="infrared")
    assert features.shape == (len(pictures), model.embedding_size)
    assert features.dtype == "float32"


def test_rounds_decorrelate_the_eigenlayer(straight):
    base, restrained, relaxed = (
        record["correlation"]["head.main.embedding"] for record in history(straight["svdnet"])
    )
    assert restrained == pytest.approx(1, abs=1e-4)  # as decorrelated, and frozen since
    assert base < relaxed <= 1


def test_both_players_are_in_the_checkpoint(straight):
    state = checkpoint(straight["cmgan"] / "checkpoints" / "last.pt")
    names = [name for name in state["model"] if name.startswith("auxiliaries.")]
    adversary = state["adversary_optimizer"]
    assert len(names) == len(adversary["state"]) == 6
    assert all(s["momentum_buffer"].any() for s in adversary["state"].values())
    assert [group["name"] for group in state["optimizer"]["param_groups"]] == ["trunk", "head"]
    assert [group["name"] for group in adversary["param_groups"]] == ["discriminator"]
    assert state["adversary_scheduler"]["last_epoch"] == state["scheduler"]["last_epoch"] == 18


def test_validation_does_not_disturb_training(fprnet, straight, tiny_set, tmp_path):
    words = words_for("fprnet", tiny_set, tmp_path / "blind")
    never = ("--training.validate_every", "0", "--training.selection", "last")
    assert fprnet(*words, *never).status == 0
    blind = checkpoint(tmp_path / "blind" / "checkpoints" / "last.pt")
    seeing = checkpoint(straight["fprnet"] / "checkpoints" / "last.pt")
    for part in ("model", "optimizer", "random"):
        assert_identical(blind[part], seeing[part], part)


def test_finished_run_says_so_and_changes_nothing(fprnet, straight, tiny_set):
    run = straight["fprnet"]

    def files():
        return {f: f.read_bytes() for f in run.rglob("*") if f.is_file()}

    before = files()
    result = fprnet(*words_for("fprnet", tiny_set, run))
    assert result.status == 0
    assert "was finished already, 18 steps" in result.out
    assert files() == before


def test_finished_run_is_extended_as_if_it_had_been_longer_from_the_start(
    fprnet, tiny_set, tmp_path
):
    def run(out, epochs):
        # A cosine ends with the run, so that a longer run is another one from the first step.
        words = [*words_for("fprnet", tiny_set, out), "--schedule", "step"]
        result = fprnet(*words, *SHORTEST, "--training.epochs", epochs)
        assert result.status == 0, result.err

    run(tmp_path / "straight", 2)
    run(tmp_path / "extended", 1)
    run(tmp_path / "extended", 2)
    assert_same_run(tmp_path / "straight", tmp_path / "extended")


def test_metrics_lost_by_a_kill_come_back(fprnet, straight, tiny_set, tmp_path):
    import shutil

    run = tmp_path / "copy"
    shutil.copytree(straight["fprnet"], run)
    before = (run / "metrics.jsonl").read_text()
    (run / "metrics.jsonl").write_text(before.splitlines(keepends=True)[0])
    (run / "checkpoints" / ".last.0123abcd.part.pt").write_bytes(b"half of a checkpoint")
    assert fprnet(*words_for("fprnet", tiny_set, run)).status == 0
    assert (run / "metrics.jsonl").read_text() == before
    assert not list(run.rglob(".*.part*"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (["--optimizer.learning_rate", "0.5"], "optimizer.learning_rate 0.003 (not 0.5)"),
        (["--training.epochs", "2"], "training.epochs 3 (not 2)"),
        (["--training.epochs", "4", "--schedule", "cosine"], "schedule"),
        (["--seed", "3"], "seed 0 (not 3)"),
    ],
)
def test_another_config_is_refused(fprnet, straight, tiny_set, change, told):
    result = fprnet(*words_for("fprnet", tiny_set, straight["fprnet"]), *change)
    assert result.status == 2
    assert told in result.complaint
    assert "--out" in result.complaint


def test_one_process_at_a_time_trains_in_a_folder(fprnet, straight, tiny_set):
    import fcntl

    with (straight["fprnet"] / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = fprnet(*words_for("fprnet", tiny_set, straight["fprnet"]))
    assert result.status == 2
    assert "another process is training in" in result.complaint


def test_weights_file_is_not_needed_to_continue(fprnet, tiny_set, trained, tmp_path):
    import shutil

    weights = tmp_path / "warm.pt"
    shutil.copy(trained / "checkpoints" / "best.pt", weights)
    words = words_for("one-stream", tiny_set, tmp_path / "run")
    words += [
        "--model.backbone.width",
        "32",
        "--model.weights",
        str(weights),
    ]  # as wide as they are
    assert fprnet(*words, "--max-steps", 1).status == 0
    weights.unlink()
    assert fprnet(*words, "--max-steps", 2).status == 0
