"""Every preset trains, leaves the files of a run folder, and learns with all its parameters."""

import json
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

import fprnet as package
from conftest import TINY, checkpoint, history, run_process
from fprnet.config import config_from_dict, load_config, preset_names
from fprnet.embeddings.loading import load_model
from fprnet.errors import ConfigError
from fprnet.methods.callbacks import Callback
from fprnet.methods.network import untrained
from fprnet.models.heads import HeadOutput
from fprnet.runs.start import config_of_model
from fprnet.runs.trained_model import load_trained
from fprnet.training.optimizer import with_rates

GAME = ("paper", "released")
ONE_STEP = {
    **{"training__epochs": 1, "training__steps_per_epoch": 1, "batches__identities": 4},
    **{"data__height": 64, "data__width": 32},
}


@pytest.mark.slow
@pytest.mark.parametrize("preset", preset_names())
def test_preset_trains_and_leaves_a_run_folder(fprnet, tiny_set, tmp_path, preset):
    run = tmp_path / "run"
    # The paper's e^|d| from random weights and 4 people makes steps that 0.01 does not survive.
    rate = ("--optimizer.learning_rate", "0.0001") if preset == "paper" else ()
    rounds = ("--callbacks.restraint.base_epochs", "0") if preset == "svdnet" else ()
    words = ("train", "--preset", preset, *TINY, "--data", tiny_set, "--out", run)
    result = fprnet(*words, *rate, *rounds)
    assert result.status == 0, result.err
    assert f"fprnet evaluate {run}/checkpoints/best.pt" in result.out

    config = config_from_dict(yaml.safe_load((run / "config.yaml").read_text()))
    assert (config.preset, config.scale, config.training.epochs) == (preset, "tiny", 2)
    records = history(run)
    assert [record["step"] for record in records] == [2, 4]
    assert all(np.isfinite(list(record["losses"].values())).all() for record in records)
    if preset in GAME:  # each of the 2 steps of an epoch has one winner
        assert [sum(record["wins"].values()) for record in records] == [2, 2]
        assert set(records[0]["wins"]) == {"main", "fusion"}
    else:
        assert "wins" not in records[0]
    if preset != "warm-start":  # which has nobody to validate on
        assert set(records[0]["validation"]) == {"rank-1", "rank-10", "mAP", "mINP"}
    assert len(list(run.glob("events.out.tfevents.*"))) == 1
    first, *_, last = (run / "log.txt").read_text().splitlines()
    assert first.startswith("begun at step 0 of 4, 20")
    assert f"fprnet {version('fprnet')}, " in first
    assert f"torch {version('torch')}, " in first
    assert last.startswith("epoch 2: loss")
    assert load_trained(run / "checkpoints" / "last.pt").step == 4
    assert len(load_trained(run / "checkpoints" / "best.pt").identities) == 12


def own_optimiser(groups, *, learning_rate: float = 0.001):
    return torch.optim.RMSprop(with_rates(groups, learning_rate, {}), lr=learning_rate)


class Quiet(Callback):
    def __init__(self, model) -> None:
        del model

    def record(self):
        return {"quiet": True}


def test_code_and_null_are_values_of_the_config_in_python(tiny_set, tmp_path):
    run = package.train(
        "one-stream",
        tiny_set,
        tmp_path / "run",
        scale="tiny",
        optimizer=own_optimiser,
        optimizer__learning_rate=1e-5,
        callbacks__quiet=Quiet,
        model__backbone__width=8,
        training__clip_norm=None,
        training__precision="float32",
        **ONE_STEP,
    )
    assert run.history[0]["quiet"]
    assert run.config.training.clip_norm is None
    assert run.config.optimizer.options == {"learning_rate": 1e-5}
    assert run.config.optimizer.source.startswith("test_training.py sha256:")


class Anchored(nn.Module):
    def __init__(self, people: int, size: int) -> None:
        super().__init__()
        self.anchors = nn.Parameter(torch.zeros(people, size))

    def forward(self, output):
        return (output.features - self.anchors[output.labels]).square().mean()


def test_an_object_is_a_part_of_a_run_and_learns(tiny_set, tmp_path):
    loss = Anchored(12, 512)
    run = package.train(
        "one-stream",
        tiny_set,
        tmp_path / "run",
        scale="tiny",
        ranking=loss,
        max_steps=1,
        model__backbone__width=8,
        training__precision="float32",
        data__height=64,
        data__width=32,
        batches__identities=4,
    )
    assert not run.finished
    assert loss.anchors.abs().sum() > 0
    assert run.config.loss.options["ranking"].name.endswith(":Anchored")


class Means(nn.Module):
    """Mean colours; ``fault`` says what it returns that it must not."""

    def __init__(self, identities: int, *, fault: str) -> None:
        super().__init__()
        self.embedding_size = 7 if fault == "size" else 3
        self.classifier, self.fault = nn.Linear(3, identities), fault

    def embed(self, images, modality):
        return images.mean(dim=(2, 3)) + 0 * self.classifier.weight.sum()

    def forward(self, visible, infrared, visible_labels, infrared_labels):
        rows = torch.cat([self.embed(visible, "visible"), self.embed(infrared, "infrared")])
        labels = torch.cat([visible_labels, infrared_labels])
        output = HeadOutput(rows, self.classifier(rows), labels, len(visible))
        return (output,) if self.fault == "tuple" else {"main": output}


@pytest.mark.parametrize(
    ("fault", "told"), [("size", "embedding_size is 7"), ("tuple", "returned a tuple")]
)
def test_a_network_that_breaks_its_word_is_told_so(tiny_set, tmp_path, fault, told):
    with pytest.raises(ConfigError, match=told):
        package.train(
            "one-stream",
            tiny_set,
            tmp_path / "run",
            scale="tiny",
            network=Means,
            model__fault=fault,
            training__precision="float32",
            **ONE_STEP,
        )


def test_learning_rates_on_record_are_those_of_the_last_step_of_the_epoch(trained):
    # Preset fprnet at tiny scale: 0.1 for the trunk, 0.3 for the rest; warm-up to the full rate
    # over epoch 1 (2 steps), then half a cosine over epoch 2: 1 at its first step, 1/2 at its last.
    assert [record["learning_rates"] for record in history(trained)] == [
        pytest.approx({"trunk": 0.1, "pyramid": 0.3, "head": 0.3}),
        pytest.approx({"trunk": 0.05, "pyramid": 0.15, "head": 0.15}),
    ]


def test_best_checkpoint_is_that_of_the_best_validation_score(trained):
    scores = [record["validation"]["mAP"] for record in history(trained)]
    best = checkpoint(trained / "checkpoints" / "best.pt")
    assert best["best"] == max(scores)
    assert len(best["history"]) == int(np.argmax(scores)) + 1
    assert checkpoint(trained / "checkpoints" / "last.pt")["best"] == max(scores)


def test_a_run_that_ends_before_its_first_validation_has_a_best_checkpoint(
    fprnet, tiny_set, tmp_path
):
    words = ("train", "--preset", "one-stream", *TINY, "--data", tiny_set, "--out", tmp_path / "a")
    late = ("--training.validate_every", "2")
    best = tmp_path / "a" / "checkpoints" / "best.pt"
    assert fprnet(*words, *late, "--max-steps", 2).status == 0  # the end of the first epoch
    assert (checkpoint(best)["step"], checkpoint(best)["best"]) == (2, None)
    assert fprnet(*words, *late).status == 0
    assert checkpoint(best)["step"] == 4  # the first that was validated


def test_tensorboard_holds_every_epoch_once_though_the_run_was_continued(
    fprnet, tiny_set, tmp_path
):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    words = ("train", "--preset", "one-stream", *TINY, "--data", tiny_set, "--out", tmp_path / "a")
    assert fprnet(*words, "--max-steps", 2).status == 0
    # A process of its own, as users have it: TensorBoard orders files by their second of birth.
    assert run_process(*words).status == 0
    events = EventAccumulator(str(tmp_path / "a"))
    events.Reload()
    assert [event.step for event in events.Scalars("losses/total")] == [2, 4]
    losses = [record["losses"]["total"] for record in history(tmp_path / "a")]
    assert [event.value for event in events.Scalars("losses/total")] == pytest.approx(losses)


@pytest.mark.parametrize("preset", sorted({*preset_names()} - {"released", "warm-start"}))
def test_every_parameter_receives_a_gradient(preset):
    config = load_config(preset, scale="tiny")
    loss = config.loss
    if preset == "paper":  # the loser of a game gets none, which is the paper's rule
        loss = loss.with_options(game="sum")
    torch.manual_seed(0)
    model = untrained(config.model).build(6)
    visible, infrared = torch.randn(2, 12, 3, 96, 48)
    labels = torch.arange(6).repeat_interleave(2)
    terms = loss.build()(model(visible, infrared, labels, labels))
    terms.total_with_adversary.backward()
    silent = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]
    assert silent == []


def test_warm_start_gives_its_trunk_to_another_run(fprnet, tiny_set, tmp_path):
    warm, run = tmp_path / "warm", tmp_path / "run"
    data = ("--data", tiny_set)
    assert fprnet("train", "--preset", "warm-start", *TINY, *data, "--out", warm).status == 0
    weights = warm / "checkpoints" / "best.pt"
    words = ("train", "--preset", "fprnet", *TINY, *data, "--out", run)
    rate = ("--optimizer.learning_rate", "1e-20", "--optimizer.weight_decay", "0")
    assert fprnet(*words, "--model.weights", weights, *rate, "--max-steps", 1).status == 0
    before, after = checkpoint(weights)["model"], checkpoint(run / "checkpoints/last.pt")["model"]
    trunk = [name for name in before if name.startswith("streams.") and name.endswith("weight")]
    assert len(trunk) > 20
    for name in trunk:
        assert torch.equal(before[name], after[name]), name


@pytest.mark.parametrize("saved", [False, True])
def test_a_run_starts_from_a_whole_model(fprnet, trained, tiny_set, tmp_path, saved):
    source = trained
    if saved:
        source = tmp_path / "model"
        load_model(trained, runtime="pytorch").save_pretrained(source)
    run = tmp_path / "run"
    words = ("train", "--start-from", source, "--data", tiny_set, "--out", run, "--max-steps", 1)
    still = ("--optimizer.learning_rate", "1e-20", "--optimizer.weight_decay", "0")
    result = fprnet(*words, *still)
    assert result.status == 0, result.err
    before = checkpoint(trained / "checkpoints/best.pt")["model"]
    after = checkpoint(run / "checkpoints/last.pt")
    learnt = [name for name in before if name.endswith("weight") and before[name].ndim > 1]
    taken = {
        name: torch.allclose(before[name], after["model"][name], rtol=2e-3, atol=1e-6)
        for name in learnt
    }
    assert len(taken) > 25
    others = [name for name, equal in taken.items() if not equal]
    assert others
    assert all("classifier" in name for name in others)
    config = config_from_dict(after["config"])
    assert config.training.start_from == str(source)
    assert (config.preset, config.scale) == ("fprnet", "tiny")
    assert config.model.options["weights"] == "none"


def test_a_run_that_started_from_a_model_goes_on_without_it(fprnet, trained, tiny_set, tmp_path):
    source, run = tmp_path / "source", tmp_path / "run"
    shutil.copytree(trained, source)
    one = ("--training.precision", "float32")  # what is faster is measured anew in each folder
    words = ("train", "--start-from", source, "--data", tiny_set, *one, "--out", run)
    assert fprnet(*words, "--max-steps", 1).status == 0
    assert fprnet("train", "--config", run / "config.yaml", "--out", run).status == 0
    whole = tmp_path / "whole"
    assert fprnet(*words[:-1], whole).status == 0
    assert history(run)[-1]["losses"] == history(whole)[-1]["losses"]


def test_the_model_in_the_box_gives_its_config_to_a_run_that_starts_from_it(fprnet):
    result = fprnet("train", "--start-from", "fprnet-people", "--print-config")
    config = config_from_dict(yaml.safe_load(result.out))
    shipped = config_of_model("fprnet-people")
    assert config.model == untrained(shipped.model)
    assert (config.data.height, config.data.width) == (shipped.data.height, shipped.data.width)
    assert config.training.start_from == "fprnet-people"
    assert (config.training.precision, config.seed, config.data.root) == (None, 0, "")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--start-from", "nobody"), "nobody, which is no trained model; give"),
        (("--start-from", "{run}", "--model.backbone.width", "8"), "of another shape"),
        (("--start-from", "{run}", "--preset", "agw"), "is for preset fprnet, not agw"),
        (("--preset", "fprnet", "--training.start_from", "nobody"), "no trained model"),
    ],
)
def test_what_a_run_cannot_start_from(fprnet, trained, tiny_set, tmp_path, words, named):
    run = tmp_path / "run"
    words = [word.format(run=trained) for word in words]
    result = fprnet("train", *words, "--data", tiny_set, "--out", run)
    assert (result.status, result.err.count("\n")) == (2, 1)
    assert named in result.err
    assert not run.exists()


def test_a_runs_config_makes_the_same_run_again(fprnet, trained, tiny_set, tmp_path):
    again = tmp_path / "again"
    result = fprnet("train", "--config", trained / "config.yaml", "--out", again, "--json")
    assert result.status == 0, result.err
    assert history(again) == history(trained)
    outcome = json.loads(result.out)
    assert (outcome["step"], outcome["total_steps"]) == (4, 4)
    assert Path(outcome["checkpoint"]) == again / "checkpoints" / "best.pt"


def test_selection_needs_people_who_are_not_trained_on(fprnet, tiny_set, tmp_path):
    words = ("train", "--preset", "fprnet", *TINY, "--data", tiny_set, "--out", tmp_path / "a")
    result = fprnet(*words, "--data.identities", "train+validation")
    assert result.status == 2
    assert "training.selection is validation" in result.complaint
    last = ("--data.identities", "train+validation", "--training.selection", "last")
    assert fprnet(*words, *last).status == 0
    assert len(load_trained(tmp_path / "a" / "checkpoints" / "best.pt").identities) == 16
    assert "validation" not in history(tmp_path / "a")[0]
