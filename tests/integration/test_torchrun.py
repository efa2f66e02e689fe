"""``torchrun`` with two processes computes what one process computes on the whole batch."""

import subprocess
from typing import Any

import pytest
import torch

from conftest import TINY, checkpoint, command, environment, history

pytestmark = pytest.mark.slow

# Rounding grows some 50-fold with every step at a usual learning rate, with another memory layout
# in one process as much as with two processes; with small steps gradients stay comparable.
RATE = ("--optimizer.learning_rate", "1e-7", "--schedule.warmup_epochs", "0")


def torchrun(*words: object, timeout: float = 150) -> subprocess.CompletedProcess[str]:
    launcher = ("--standalone", "--nproc-per-node", 2, "-m", "fprnet")
    return subprocess.run(
        command(*launcher, *words, module="torch.distributed.run"),
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment(),
        check=False,
    )


def own_lines(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("fprnet: ")]


def losses(record: dict[str, Any]) -> dict[str, float]:
    """Without the accuracies, which jump where two logits are nearly equal."""
    return {k: v for k, v in record["losses"].items() if not k.startswith("accuracy")}


@pytest.mark.parametrize("preset", ["fprnet", "released", "cmgan"])
def test_two_processes_compute_what_one_does(fprnet, tiny_set, tmp_path, preset):
    batches = ("--batches.identities", 8)
    words = ("train", "--preset", preset, *TINY, *RATE, *batches, "--data", tiny_set)
    one, two = tmp_path / "one", tmp_path / "two"
    assert fprnet(*words, "--out", one).status == 0
    done = torchrun(*words, "--out", two)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("is finished") == 1  # the main process alone talks
    assert len(list(two.glob("events.out.tfevents.*"))) == 1  # ... and writes
    assert (two / "log.txt").read_text().count("begun at step 0") == 1

    for single, shared in zip(history(one), history(two), strict=True):
        assert losses(shared) == pytest.approx(losses(single), rel=1e-4)
        assert shared.get("wins") == single.get("wins")
        assert shared["learning_rates"] == single["learning_rates"]
    first, second = (checkpoint(run / "checkpoints" / "last.pt") for run in (one, two))
    for name, weight in first["model"].items():
        torch.testing.assert_close(second["model"][name], weight, rtol=1e-4, atol=1e-5)
    # Momentum is the sum of the gradients of all 4 steps. A wrong factor, a lost row or BatchNorm
    # of half a batch changes them by tens of percent; rounding that turns a ReLU over, by 0.3.
    momenta = [state["optimizer"]["state"] for state in (first, second)]
    assert momenta[0].keys() == momenta[1].keys()
    for parameter, state in momenta[0].items():
        one, two = state["momentum_buffer"], momenta[1][parameter]["momentum_buffer"]
        assert (one - two).norm() <= 2e-2 * one.norm() + 1e-6, parameter


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        (["--batches.identities", "5"], "batches.identities is 5, which 2 processes cannot share"),
        (["--training.epoch", "5"], "did you mean training.epochs?"),
    ],
)
def test_a_mistake_is_told_once_and_nobody_hangs(tiny_set, tmp_path, mistake, told):
    words = ("train", "--preset", "fprnet", *TINY, "--data", tiny_set, "--out", tmp_path / "run")
    done = torchrun(*words, *mistake)
    assert done.returncode != 0
    (line,) = own_lines(done.stderr)
    assert told in line
    assert "exitcode  : 2" in done.stderr  # torchrun's own report of what our process returned


def test_a_folder_of_another_run_is_told_once(fprnet, trained, tiny_set):
    before = (trained / "config.yaml").read_text()
    words = ("train", "--preset", "fprnet", *TINY, "--data", tiny_set, "--out", trained)
    done = torchrun(*words, "--optimizer.learning_rate", "0.5")
    assert done.returncode != 0
    (line,) = own_lines(done.stderr)
    assert "optimizer.learning_rate 0.1 (not 0.5)" in line
    assert (trained / "config.yaml").read_text() == before
