"""What the demo sets out to do, and how it follows its trainings."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from fprnet.cli.main import main
from fprnet.errors import TrainingError
from fprnet_lab.demo.plan import ROWS, plan_demo
from fprnet_lab.jobs import Training, read_history, run_jobs
from fprnet_lab.people.layouts.sysu_mm01 import images_of
from fprnet_lab.people.options import PeopleOptions


@pytest.mark.parametrize("quick", [False, True])
def test_both_models_differ_in_the_preset_only(quick):
    plan = plan_demo(Path("demo"), quick=quick)
    configs = {label: training.config for label, training in plan.trainings.items()}
    one, ours = configs["one-stream"], configs["fprnet"]
    assert one.augmentation == ours.augmentation
    assert one.augmentation.gray_projection > 0
    weights = {config.model.options["weights"] for config in (one, ours)}
    assert weights == {str(plan.warm_start.training.best)}
    # Each preset clips its gradients as it was found to train best.
    assert replace(one.training, clip_norm=None) == replace(ours.training, clip_norm=None)
    assert one.seed == ours.seed
    batches = [config.batches.options for config in configs.values()]
    assert {options["identities"] * options["images"] for options in batches} == {32}
    assert set(configs) < set(ROWS)


def test_warm_start_sees_other_people():
    plan = plan_demo(Path("demo"), quick=False)
    pretraining_set = plan.warm_start.options
    assert pretraining_set.seed != plan.people.seed
    assert pretraining_set.cameras == (1, 2, 4, 5)
    assert plan.people.splits["test"] == tuple(range(233, 297))
    for job in plan.jobs():
        assert [need.name for need in job.needs] == [plan.warm_start.training.name]


def test_the_pretraining_set_by_hand_holds_the_same_visible_images():
    # The bytes of an image depend on its seed, identity, camera and number alone (and on the size).
    warm = plan_demo(Path("demo"), quick=False).warm_start.options
    by_hand = replace(
        warm, validation_identities=1, test_identities=1, cameras=PeopleOptions().cameras
    )
    for person in warm.splits["train"]:
        visible = {c: n for c, n in images_of(by_hand, person).items() if c in warm.cameras}
        assert visible == images_of(warm, person)


def test_sizes_keep_their_files_apart_but_share_the_report():
    full, quick = (plan_demo(Path("demo"), quick=quick) for quick in (False, True))
    assert full.data == Path("demo/data")
    assert quick.data == Path("demo/quick/data")
    assert full.out == quick.out
    assert full.features("chance") == Path("demo/features/chance.npz")


def test_commands_are_what_the_command_line_takes(tmp_path, capsys):
    plan = plan_demo(tmp_path / "a folder", quick=True)
    lines = [shlex.split(command.line) for command in plan.commands()]
    assert [words[0] for words in lines] == ["fprnet"] * len(lines)
    assert lines[1][1:] == plan.warm_start.training.arguments
    plan.data.mkdir(parents=True)
    for training in plan.trainings.values():
        assert main([*training.arguments, "--print-config"]) == 0
        assert f"preset: {training.preset}" in capsys.readouterr().out


def test_history_of_a_run_that_has_not_begun_is_empty(tmp_path):
    assert read_history(tmp_path) == []


def test_finished_runs_are_left_alone(tmp_path):
    training = Training(
        "fprnet", tmp_path / "nowhere", tmp_path / "run", "tiny", ("--training.epochs", "2")
    )
    training.best.parent.mkdir(parents=True)
    metrics = training.out / "metrics.jsonl"
    metrics.write_text(json.dumps({"epoch": 1}) + "\n")
    training.best.touch()
    assert training.next_command() == training.arguments
    metrics.write_text("".join(json.dumps({"epoch": epoch}) + "\n" for epoch in (1, 2)))
    assert training.next_command() is None
    run_jobs([training.job()], description="nothing", workers=1)  # there is no data set at all
    assert not training.log.exists()


def test_a_training_that_fails_is_one_sentence_with_its_reason(tmp_path, capsys):
    training = Training("fprnet", tmp_path / "nowhere", tmp_path / "runs" / "a", "tiny")
    with pytest.raises(TrainingError, match=r"status 2: .*nowhere is no folder.*a\.log"):
        run_jobs([training.job()], description="training", workers=1)
