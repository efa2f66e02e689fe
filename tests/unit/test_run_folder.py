"""Run folder: a process killed between its two checkpoints has lost nothing."""

import shutil

import pytest
import torch

from fprnet.config import config_as_dict, load_config
from fprnet.errors import ConfigError
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


def test_a_run_that_failed_before_its_first_checkpoint_is_begun_with_other_values(tmp_path):
    first, second = (
        load_config("fprnet", scale="tiny", overrides=["--training.epochs", epochs])
        for epochs in ("7", "3")
    )
    with training_folder(tmp_path / "run", first).opened():
        pass  # its first step raised an error
    folder = training_folder(tmp_path / "run", second)
    with folder.opened():
        assert "epochs: 3" in (tmp_path / "run" / "config.yaml").read_text()
        folder.save(state_of(second, 60), best=True)
    with pytest.raises(ConfigError, match=r"epochs 3 .not 6"):
        training_folder(tmp_path / "run", load_config("fprnet", scale="tiny"))


def test_a_config_of_something_else_is_no_run_that_failed(tmp_path):
    (tmp_path / "config.yaml").write_text("epochs: 3\n")
    config = load_config("fprnet", scale="tiny")
    with pytest.raises(ConfigError, match=r"cannot be used as the config of a run: .*--out"):
        training_folder(tmp_path, config)
    assert (tmp_path / "config.yaml").read_text() == "epochs: 3\n"
