"""``fprnet train`` and the command line as a whole, as users meet them."""

import pytest
import yaml

from conftest import run_process
from fprnet.cli.main import main
from fprnet.config import config_from_dict, load_config

COMMANDS = [
    ["data"],
    ["data", "generate"],
    ["data", "check"],
    ["train"],
    ["evaluate"],
    ["extract"],
    ["models"],
    ["demo"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_shows_an_example(capsys, words):
    with pytest.raises(SystemExit) as stop:
        main([*words, "--help"])
    assert stop.value.code == 0
    _, _, example = capsys.readouterr().out.partition("example:\n")
    assert f"fprnet {' '.join(words)}" in example


@pytest.mark.parametrize("words", COMMANDS[1:], ids=" ".join)
def test_unknown_option_is_one_line(fprnet, words, tmp_path):
    given = {
        "data generate": [tmp_path / "new"],
        "data check": [tmp_path],
        "evaluate": ["x", "--data", tmp_path],
        "extract": ["x", "--data", tmp_path, "--out", "f.npz"],
        "train": ["--data", tmp_path, "--out", tmp_path / "run"],
    }.get(" ".join(words), [])
    result = fprnet(*words, *given, "--frobnicate", "3")
    assert result.status == 2
    assert "frobnicate" in result.complaint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [[], ["fly"], ["train", "--scale", "huge"], ["data"]])
def test_wrong_usage_is_one_line_that_names_the_help(fprnet, words):
    result = fprnet(*words)
    assert result.status == 2
    assert "--help'" in result.complaint


def test_version_and_module_are_the_same_command():
    result = run_process("--version")
    assert result.status == 0
    assert result.out.startswith("fprnet ")


def test_print_config_is_a_config_file(fprnet, tmp_path):
    words = ("--preset", "paper", "--scale", "tiny", "--seed", "5", "--training.epochs", "9")
    result = fprnet("train", *words, "--print-config")
    assert result.status == 0
    expected = load_config("paper", scale="tiny", seed=5, overrides=["--training.epochs", "9"])
    assert config_from_dict(yaml.safe_load(result.out)) == expected
    file = tmp_path / "mine.yaml"
    file.write_text(result.out)
    assert fprnet("train", "--config", file, "--print-config").out == result.out


def test_data_and_out_are_asked_for(fprnet, tmp_path):
    assert "--out is missing" in fprnet("train").complaint
    assert "--data is missing" in fprnet("train", "--out", tmp_path / "run").complaint
