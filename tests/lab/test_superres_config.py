"""Configs of super-resolution: presets, overrides, and one sentence for each mistake."""

import pytest
import yaml

from fprnet.errors import ConfigError
from fprnet_lab.superres.config import SHUFFLE, config_from_dict, load_config, preset_names, to_yaml
from fprnet_lab.superres.networks import ARCHITECTURES


def test_presets():
    assert preset_names() == ["9-1-5", "9-5-5", "fprnet", "paper"]
    assert {name: load_config(name).factor for name in preset_names()} == {
        "9-1-5": 3,
        "9-5-5": 4,
        "fprnet": 4,
        "paper": 4,
    }


def test_the_paper_s_values():
    """Section 4.3.1."""
    config = load_config("paper")
    assert (config.network, config.enlargement, config.residual) == ("paper", 2, False)
    assert (config.pictures, config.side, config.dropout) == ("resize", 128, 0.5)
    assert (config.optimizer, config.learning_rate) == ("sgd", 0.001)
    assert (config.batch, config.steps) == (32, 800)


def test_shuffle_of_the_config_is_that_of_the_network():
    assert {name: a.shuffle for name, a in ARCHITECTURES.items()} == SHUFFLE


@pytest.mark.parametrize("preset", ["fprnet", "paper", "9-1-5", "9-5-5"])
def test_yaml_comes_back(preset):
    config = load_config(preset, seed=3)
    assert config_from_dict(yaml.safe_load(to_yaml(config))) == config


def test_later_sources_win(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("preset: paper\nsteps: 7\nbatch: 5\n")
    config = load_config(file=file, seed=2, overrides=["--steps", "9", "--dropout=0.25"])
    assert (config.preset, config.steps, config.batch) == ("paper", 9, 5)
    assert (config.dropout, config.seed) == (0.25, 2)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["--step", "9"], r"step is not a key .did you mean steps"),
        (["--steps", "many"], "steps is many, expected a whole number"),
        (["--steps", "0"], "steps is 0, it must be greater than 0"),
        (["--learning_rate", "nan"], "learning_rate is nan, it must be"),
        (["--flip", "2"], "flip is 2, it must be less than or equal to 1"),
        (["--dropout", "1"], "dropout is 1, it must be less than 1"),
        (["--side", "30"], "side is 30; it must be a multiple of 4"),
        (["--network", "9-1-5", "--enlargement", "1"], "leaves an image as large as it is"),
        (["--optimizer", "adan"], "optimizer is adan, expected one of adam, sgd"),
        (["--steps"], "--steps has no value"),
        (["steps", "4"], "'steps' is not an option"),
    ],
)
def test_mistakes(overrides, message):
    with pytest.raises(ConfigError, match=message):
        load_config(overrides=overrides)


def test_unknown_preset_and_another_s_file(tmp_path):
    with pytest.raises(ConfigError, match=r"no preset 'papr' .did you mean paper"):
        load_config("papr")
    file = tmp_path / "mine.yaml"
    file.write_text("preset: paper\n")
    with pytest.raises(ConfigError, match="is for preset paper, not fprnet"):
        load_config("fprnet", file=file)
    file.write_text("- a list\n")
    with pytest.raises(ConfigError, match="holds no keys"):
        load_config(file=file)
