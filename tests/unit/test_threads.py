"""Threads: the number that is measured faster, and a run's own when it goes on."""

import pytest
import torch

from fprnet.config import load_config, to_yaml
from fprnet.training import threads as module
from fprnet.training.threads import fastest_threads, with_threads

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def thread_count_comes_back():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def measured(seconds: dict[int, list[float]]) -> tuple[int, list[int]]:
    """Choose between 1 and 4 threads that take these seconds, round by round."""
    now, tried = [0.0], []

    def work() -> None:
        threads = torch.get_num_threads()
        now[0] += seconds[threads][tried.count(threads)]
        tried.append(threads)

    rounds = len(seconds[1]) - 1
    return fastest_threads(work, most=4, rounds=rounds, clock=lambda: now[0]), tried


@pytest.mark.parametrize(
    ("one", "four", "chosen"),
    [
        ([9, 1.0, 1.0], [9, 0.5, 0.5], 4),
        ([9, 1.0, 1.0], [9, 0.9, 0.9], 1),  # hardly faster: the cores are left to others
        ([9, 1.0, 1.0], [9, 3.0, 2.0], 1),  # contended: threads wait for one another
        ([9, 1.0, 1.0], [9, 3.0, 0.5], 4),  # the best round counts
        ([0.1, 1.0, 1.0], [9, 0.5, 0.5], 4),  # the first one only warms up
    ],
)
def test_more_threads_only_where_they_pay(one, four, chosen):
    torch.set_num_threads(2)
    threads, tried = measured({1: one, 4: four})
    assert threads == chosen
    assert tried == [1, 4] * 3
    assert torch.get_num_threads() == 2  # as it was


def config(*words: str):
    return load_config("fprnet", scale="tiny", overrides=["--model.weights", "none", *words])


def test_a_number_that_is_given_stands(tmp_path):
    assert (
        with_threads(config("--training.threads", "3"), tmp_path, device=CPU).training.threads == 3
    )


def test_a_run_goes_on_with_its_own_number(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "fastest_threads", pytest.fail)
    (tmp_path / "config.yaml").write_text(to_yaml(config("--training.threads", "5")))
    assert with_threads(config(), tmp_path, device=CPU).training.threads == 5


@pytest.mark.parametrize("text", ["training: [", "training: 3", "{}", "training: {threads: no}"])
def test_a_damaged_config_is_left_to_the_run_folder_to_tell(tmp_path, text, monkeypatch):
    monkeypatch.setattr(module, "fastest_threads", lambda work, most: most)
    (tmp_path / "config.yaml").write_text(text)
    assert with_threads(config(), tmp_path, device=CPU).training.threads == torch.get_num_threads()


def test_a_new_run_is_measured_on_its_own_backbone(tmp_path, monkeypatch, capsys):
    torch.set_num_threads(2)
    asked = []

    def choose(work, most):
        work()
        asked.append(most)
        return most

    monkeypatch.setattr(module, "fastest_threads", choose)
    state = torch.get_rng_state()
    for preset in ("fprnet", "zero-padding"):  # the latter's backbone takes two channels
        chosen = load_config(preset, scale="tiny", overrides=["--model.weights", "none"])
        assert with_threads(chosen, tmp_path / "new", device=CPU).training.threads == 2
    assert asked == [2, 2]
    assert torch.equal(torch.get_rng_state(), state)
    assert "2 of 2 threads are fastest here" in capsys.readouterr().err


def test_processes_of_one_run_take_one_thread_each(tmp_path, monkeypatch):
    torch.set_num_threads(2)
    monkeypatch.setattr(module, "fastest_threads", pytest.fail)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert with_threads(config(), tmp_path, device=CPU).training.threads == 1
