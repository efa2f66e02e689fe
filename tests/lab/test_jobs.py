"""Jobs side by side: order, number of processes, and what is said where one fails."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from fprnet.errors import TrainingError
from fprnet_lab import jobs
from fprnet_lab.jobs import Job, run_jobs


class Process:
    """Stands for a process that is looked at twice before it ends, as its command says."""

    running: ClassVar[set["Process"]] = set()
    most: ClassVar[int] = 0
    begun: ClassVar[list[str]] = []

    def __init__(self, words, *, stdout, env, **_):
        assert env["OMP_NUM_THREADS"] == "1"
        self.words, self.looks, self.stopped = words[3:], 0, False
        stdout.write(f"progress\rfprnet: {self.words[0]} says why\n\n")
        Process.begun.append(self.words[0])
        Process.running.add(self)
        Process.most = max(Process.most, len(Process.running))

    def poll(self):
        self.looks += 1
        if self.looks < 2 and not self.stopped:
            return None
        Process.running.discard(self)
        return 2 if "bad" in self.words[0] else 0

    def terminate(self):
        self.stopped = True
        Process.running.discard(self)

    def wait(self):
        pass


@pytest.fixture(autouse=True)
def processes(monkeypatch):
    Process.running, Process.most, Process.begun = set(), 0, []
    monkeypatch.setattr(jobs.subprocess, "Popen", Process)
    monkeypatch.setattr(jobs, "POLL_SECONDS", 0)


@pytest.fixture
def steps(tmp_path: Path) -> Callable[..., Job]:
    """Make a job whose commands are done once their processes have begun."""

    def make(name: str, *commands: str, already: tuple[str, ...] = (), needs=()) -> Job:
        def left() -> list[str]:
            return [c for c in commands if c not in already and c not in Process.begun]

        return Job(
            name,
            tmp_path / f"{name}.log",
            lambda: left()[:1] or None,
            len(commands),
            lambda: len(commands) - len(left()),
            tuple(needs),
        )

    return make


def test_commands_of_a_job_follow_each_other_and_only_so_many_are_at_work(steps, tmp_path):
    letters = [steps(n, f"{n}1", f"{n}2") for n in "abcd"]
    assert run_jobs(letters, description="letters", workers=3) == []
    assert sorted(Process.begun) == ["a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2"]
    assert Process.begun[:3] == ["a1", "b1", "c1"]
    assert Process.most == 3
    for name in "abcd":
        assert Process.begun.index(f"{name}1") < Process.begun.index(f"{name}2")
        assert f"{name}2 says why" in (tmp_path / f"{name}.log").read_text()


def test_what_is_finished_is_not_begun_and_what_was_stopped_goes_on(steps, tmp_path):
    finished = steps("a", "a1", already=("a1",))
    begun = steps("b", "b1", "b2", already=("b1",))
    assert run_jobs([finished, begun], description="letters", workers=2) == []
    assert Process.begun == ["b2"]


def test_a_failure_stops_the_others_and_is_one_sentence(steps, tmp_path):
    letters = [steps("first", "bad"), steps("other", "o1", "o2")]
    with pytest.raises(
        TrainingError, match=r"^first ended with status 2: bad says why; .*first\.log"
    ):
        run_jobs(letters, description="letters", workers=2)
    assert Process.running == set()


def test_sigterm_leaves_no_process_behind(steps, monkeypatch):
    handlers = {signal.SIGTERM: signal.SIG_DFL}

    def change(number, handler):
        before, handlers[number] = handlers[number], handler
        return before

    # Tests may run in another thread than the first, where no handler can be set.
    monkeypatch.setattr(jobs.threading, "main_thread", jobs.threading.current_thread)
    monkeypatch.setattr(jobs.signal, "signal", change)
    monkeypatch.setattr(
        jobs.time, "sleep", lambda _: handlers[signal.SIGTERM](signal.SIGTERM, None)
    )
    with pytest.raises(KeyboardInterrupt):
        run_jobs([steps("a", "a1"), steps("b", "b1")], description="letters", workers=2)
    assert Process.begun == ["a1", "b1"]
    assert Process.running == set()
    assert handlers == {signal.SIGTERM: signal.SIG_DFL}


def test_a_failure_can_leave_the_others_alone(steps, tmp_path):
    letters = [steps("first", "bad", "never"), steps("other", "o1", "o2")]
    (failure,) = run_jobs(letters, description="x", workers=1, keep_going=True)
    assert failure.job is letters[0]
    assert failure.reason.startswith("first ended with status 2: bad says why")
    assert Process.begun == ["bad", "o1", "o2"]


def test_a_process_that_leaves_nothing_is_not_begun_again_and_again(steps, tmp_path):
    idle = Job("idle", tmp_path / "idle.log", lambda: ["same"], 1, lambda: 0)
    with pytest.raises(TrainingError, match="ended without its result"):
        run_jobs([idle], description="x", workers=1)
    assert Process.begun == ["same"]


def test_what_is_needed_comes_first_and_others_need_not_wait_for_it(steps, tmp_path):
    base = steps("base", "b1", "b2")
    letters = [steps(n, n, needs=[base]) for n in "xy"]
    free = steps("free", "f1")
    assert run_jobs([*letters, free], description="x", workers=2) == []
    assert Process.begun[:2] == ["b1", "f1"]
    assert sorted(Process.begun) == ["b1", "b2", "f1", "x", "y"]
    assert Process.begun.index("b2") < min(Process.begun.index(n) for n in "xy")


def test_what_is_needed_by_what_is_needed_comes_before_both(steps, tmp_path):
    first = steps("first", "1")
    second = steps("second", "2", needs=[first])
    third = steps("third", "3", needs=[second])
    assert run_jobs([third, first], description="x", workers=2) == []
    assert Process.begun == ["1", "2", "3"]


def test_what_needs_something_that_failed_has_failed(steps, tmp_path):
    base = steps("base", "bad", "never")
    letters = [steps("x", "x", needs=[base]), steps("free", "f1")]
    failures = run_jobs(letters, description="x", workers=1, keep_going=True)
    assert [failure.job.name for failure in failures] == ["base", "x"]
    assert failures[1].reason == "x needs base, which failed"
    assert Process.begun == ["bad", "f1"]


def test_what_only_finished_jobs_need_is_left_alone(steps, tmp_path):
    base = steps("base", "b1")
    finished = steps("x", "x", already=("x",), needs=[base])
    assert run_jobs([finished], description="x", workers=1) == []
    assert Process.begun == []
