"""Work side by side: order, number of processes, and what is said where one fails."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from fprnet.errors import TrainingError
from fprnet_lab import jobs
from fprnet_lab.jobs import work_side_by_side


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
    monkeypatch.setattr(jobs, "LOOK_EVERY", 0)


@dataclass(frozen=True)
class Steps:
    """Work whose commands are done once their processes have begun."""

    folder: Path
    name: str
    commands: tuple[str, ...]
    already: set[str] = field(default_factory=set)
    needs: tuple["Steps", ...] = ()

    @property
    def log(self):
        return self.folder / f"{self.name}.log"

    @property
    def size(self):
        return len(self.commands)

    @property
    def done(self):
        return len([c for c in self.commands if c in self.already or c in Process.begun])

    def next_command(self):
        left = [c for c in self.commands if c not in self.already and c not in Process.begun]
        return [left[0]] if left else None


def test_commands_of_a_work_follow_each_other_and_only_so_many_are_at_work(tmp_path):
    works = [Steps(tmp_path, n, (f"{n}1", f"{n}2")) for n in "abcd"]
    assert work_side_by_side(works, description="letters", workers=3) == []
    assert sorted(Process.begun) == ["a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2"]
    assert Process.begun[:3] == ["a1", "b1", "c1"]
    assert Process.most == 3
    for name in "abcd":
        assert Process.begun.index(f"{name}1") < Process.begun.index(f"{name}2")
        assert f"{name}2 says why" in (tmp_path / f"{name}.log").read_text()


def test_what_is_finished_is_not_begun_and_what_was_stopped_goes_on(tmp_path):
    finished = Steps(tmp_path, "a", ("a1",), {"a1"})
    begun = Steps(tmp_path, "b", ("b1", "b2"), {"b1"})
    assert work_side_by_side([finished, begun], description="letters", workers=2) == []
    assert Process.begun == ["b2"]


def test_a_failure_stops_the_others_and_is_one_sentence(tmp_path):
    works = [Steps(tmp_path, "first", ("bad",)), Steps(tmp_path, "other", ("o1", "o2"))]
    with pytest.raises(
        TrainingError, match=r"^first ended with status 2: bad says why; .*first\.log"
    ):
        work_side_by_side(works, description="letters", workers=2)
    assert Process.running == set()


def test_a_failure_can_leave_the_others_alone(tmp_path):
    works = [Steps(tmp_path, "first", ("bad", "never")), Steps(tmp_path, "other", ("o1", "o2"))]
    (failure,) = work_side_by_side(works, description="x", workers=1, keep_going=True)
    assert failure.work is works[0]
    assert failure.reason.startswith("first ended with status 2: bad says why")
    assert Process.begun == ["bad", "o1", "o2"]


def test_a_process_that_leaves_nothing_is_not_begun_again_and_again(tmp_path):
    class Idle(Steps):
        def next_command(self):
            return ["same"]

    with pytest.raises(TrainingError, match="ended without its result"):
        work_side_by_side([Idle(tmp_path, "idle", ("same",))], description="x", workers=1)
    assert Process.begun == ["same"]


def test_what_is_needed_comes_first_and_others_need_not_wait_for_it(tmp_path):
    base = Steps(tmp_path, "base", ("b1", "b2"))
    works = [Steps(tmp_path, n, (n,), needs=(base,)) for n in "xy"]
    free = Steps(tmp_path, "free", ("f1",))
    assert work_side_by_side([*works, free], description="x", workers=2) == []
    assert Process.begun[:2] == ["b1", "f1"]
    assert sorted(Process.begun) == ["b1", "b2", "f1", "x", "y"]
    assert Process.begun.index("b2") < min(Process.begun.index(n) for n in "xy")


def test_what_is_needed_by_what_is_needed_comes_before_both(tmp_path):
    first = Steps(tmp_path, "first", ("1",))
    second = Steps(tmp_path, "second", ("2",), needs=(first,))
    third = Steps(tmp_path, "third", ("3",), needs=(second,))
    assert work_side_by_side([third, first], description="x", workers=2) == []
    assert Process.begun == ["1", "2", "3"]


def test_what_needs_something_that_failed_has_failed(tmp_path):
    base = Steps(tmp_path, "base", ("bad", "never"))
    works = [Steps(tmp_path, "x", ("x",), needs=(base,)), Steps(tmp_path, "free", ("f1",))]
    failures = work_side_by_side(works, description="x", workers=1, keep_going=True)
    assert [failure.work.name for failure in failures] == ["base", "x"]
    assert failures[1].reason == "x needs base, which failed"
    assert Process.begun == ["bad", "f1"]


def test_what_only_finished_works_need_is_left_alone(tmp_path):
    base = Steps(tmp_path, "base", ("b1",))
    finished = Steps(tmp_path, "x", ("x",), {"x"}, needs=(base,))
    assert work_side_by_side([finished], description="x", workers=1) == []
    assert Process.begun == []
