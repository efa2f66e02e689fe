"""Run folder: a process killed between its two checkpoints has lost nothing."""

import shutil

import pytest
import torch

from fprnet.config import config_as_dict, load_config
from fprnet.training.run_folder import training_folder


def state_of(config, step):
    return {
        "config": config_as_dict(config),
        "identities": [1, 2],
        "selection": "last",
        "model": {"weight": torch.full((2,), float(step))},
        "step": step,
    }


def test_killed_between_best_and_last_repeats_the_steps_of_best(tmp_path, monkeypatch):
    config = load_config("fprnet", scale="tiny")
    folder = training_folder(tmp_path / "run", config)
    with folder.opened(writes=True):
        folder.save(state_of(config, 60), best=True)

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(shutil, "copyfile", killed)
        with pytest.raises(KeyboardInterrupt):
            folder.save(state_of(config, 120), best=True)
    assert torch.load(folder.best, weights_only=True)["step"] == 120
    state = folder.read()
    assert state is not None
    assert state["step"] == 60  # so that the run goes on from there and makes best.pt again


def test_only_last_is_written_where_it_is_not_the_best(tmp_path):
    config = load_config("fprnet", scale="tiny")
    folder = training_folder(tmp_path / "run", config)
    with folder.opened(writes=True):
        folder.save(state_of(config, 60), best=True)
        folder.save(state_of(config, 120), best=False)
    steps = [torch.load(f, weights_only=True)["step"] for f in (folder.last, folder.best)]
    assert steps == [120, 60]
