"""Foreign code is imported when the user has allowed it, and never because a file names it."""

import hashlib
import os
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch

import fprnet
from fprnet import plugin_files, plugins
from fprnet.config import config_as_dict, config_from_dict, config_of_graphs, load_config
from fprnet.embeddings.embedder import Embedder
from fprnet.errors import CheckpointError, ConfigError, UsageError
from fprnet.methods.network import build_network, untrained
from fprnet.plugins import VARIABLE, allow_plugins, load_module, source_of
from fprnet.runs.checkpoint_file import config_of
from fprnet.runs.trained_model import REIDENTIFICATION, load_trained
from fprnet.training.run_folder import training_folder

MINE = '''
"""A ranking loss of a user's own."""
import os  # what it imports is not what it offers
from dataclasses import dataclass

from fprnet.ranges import Positive
from torch.nn import TripletMarginLoss


@dataclass(frozen=True)
class Shrink:
    scale: Positive = 1.0

    def __call__(self, output):
        return self.scale * output.features.square().mean()
'''


@pytest.fixture(autouse=True)
def nothing_allowed(monkeypatch, tmp_path):
    """Each test begins in an empty folder, as a user who has allowed nothing."""
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setattr(plugin_files, "_HELPERS", {})
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("my_"):
            del sys.modules[name]


@pytest.fixture
def mine(tmp_path) -> Path:
    file = tmp_path / "plugins" / "my_loss.py"
    file.parent.mkdir()
    file.write_text(MINE)
    return file


def config_with(*words: str):
    return load_config("one-stream", scale="tiny", overrides=["--model.backbone.width=4", *words])


def test_a_file_that_is_allowed(mine):
    allow_plugins([str(mine)])
    config = config_with("--loss.ranking", "my_loss:Shrink", "--loss.ranking.scale", "3")
    ranking = config.loss.options["ranking"]
    assert ranking.options == {"scale": 3.0}
    assert ranking.source == f"my_loss.py sha256:{hashlib.sha256(mine.read_bytes()).hexdigest()}"
    assert config_from_dict(config_as_dict(config)) == config
    assert type(config.loss.build().ranking).__name__ == "Shrink"
    assert (
        config_with("--loss.ranking", "my_loss.Shrink")
        .loss.options["ranking"]
        .name.endswith("Shrink")
    )


def test_processes_started_from_here_know_it(mine):
    allow_plugins([str(mine)])
    allow_plugins([str(mine), "numpy"])  # once each
    assert os.environ[VARIABLE].split(",") == [str(mine), "numpy"]


def test_options_of_foreign_code_are_checked(mine):
    allow_plugins([str(mine)])
    for words, part in (
        (("--loss.ranking.scale", "0"), "loss.ranking.scale is 0"),
        (("--loss.ranking.scala", "1"), "did you mean loss.ranking.scale?"),
    ):
        with pytest.raises(ConfigError) as error:
            config_with("--loss.ranking", "my_loss:Shrink", *words)
        assert part in str(error.value)


def test_a_distribution_that_is_allowed():
    allow_plugins(["hypothesis"])
    assert source_of("hypothesis.strategies") == f"hypothesis {version('hypothesis')}"
    found = plugins.find("hypothesis.errors:HypothesisException")
    assert found is not None
    assert found[1] == f"hypothesis {version('hypothesis')}"


@pytest.mark.parametrize(
    ("word", "part"),
    [("no-such-distribution", "no-such-distribution"), ("gone.py", "gone.py"), ("..", "'..'")],
)
def test_what_is_not_there_cannot_be_allowed(word, part):
    with pytest.raises(UsageError, match=part):
        allow_plugins([word])
    assert os.environ[VARIABLE] == ""


def test_a_file_with_the_name_of_another_module(tmp_path):
    file = tmp_path / "json.py"
    file.write_text("def loss(output): ...\n")
    allow_plugins([str(file)])
    with pytest.raises(ConfigError, match=r"json\.py.*rename"):
        config_with("--loss.ranking", "json:loss")


def test_a_file_that_fails(tmp_path):
    file = tmp_path / "my_broken.py"
    file.write_text("1 / 0\n")
    allow_plugins([str(file)])
    with pytest.raises(ConfigError, match=r"my_broken\.py.*division by zero"):
        config_with("--loss.ranking", "my_broken:loss")
    assert "my_broken" not in sys.modules


@pytest.mark.parametrize("word", ["my_trap:loss", "my_trap.loss", "my_trap.deep:loss"])
def test_a_module_of_the_working_directory_is_never_imported(tmp_path, monkeypatch, word):
    (tmp_path / "my_trap.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.syspath_prepend("")  # where 'python -m fprnet' puts the working directory
    with pytest.raises(ConfigError) as error:
        config_with("--loss.ranking", word)
    assert "--plugin my_trap" in str(error.value)
    assert not (tmp_path / "ran").exists()
    assert "my_trap" not in sys.modules


def test_a_file_beside_does_not_stand_in_for_an_allowed_distribution(tmp_path, monkeypatch):
    (tmp_path / "hypothesis.py").write_text("def loss(output): ...\n")
    monkeypatch.syspath_prepend("")
    for name in [name for name in sys.modules if name.partition(".")[0] == "hypothesis"]:
        monkeypatch.delitem(sys.modules, name)
    allow_plugins(["hypothesis"])
    module = load_module("hypothesis")
    assert module is not None
    assert Path(module.__file__ or "").parent != tmp_path


# What a file of somebody else may name to run code that nobody has allowed.
@pytest.mark.parametrize(
    "word",
    [
        "os:system",
        "fprnet.plugins:os.system",
        "fprnet.files:os.remove",
        "fprnet.plugins.allow_plugins",
        "fprnet.cli.main:main",
        "fprnet_lab.jobs:os.system",
        "my_loss:os.system",
        "my_loss:TripletMarginLoss",
        "my_loss:Shrink.__init__.__globals__",
        "my_loss:__loader__.load_module",
        "builtins:exec",
    ],
)
def test_only_what_allowed_code_defines_can_be_named(mine, word):
    allow_plugins([str(mine)])
    with pytest.raises(ConfigError, match=word.partition(":")[0]):
        config_with("--loss.ranking", word)


def checkpoint(file: Path, changes) -> Path:
    """Write a run's checkpoint whose config a stranger has changed."""
    config = config_with()
    torch.manual_seed(0)
    state = {
        "config": config_as_dict(config),
        "identities": [1, 2, 3],
        "selection": "last",
        "step": 1,
        "model": untrained(config.model).build(3).state_dict(),
    }
    changes(state["config"])
    REIDENTIFICATION.write(file, state)
    return file


def test_a_checkpoint_imports_and_calls_nothing_by_itself(tmp_path):
    mark = tmp_path / "ran"
    (tmp_path / "my_trap.py").write_text(f"open({str(mark)!r}, 'w')\ndef loss(output): ...\n")

    def trap(config):
        config["loss"]["init_args"]["ranking"] = {"class_path": "my_trap:loss"}

    with pytest.raises(CheckpointError, match=r"my_trap:loss.*--plugin my_trap"):
        load_trained(checkpoint(tmp_path / "a.pt", trap))

    def shell(config):
        config["model"] = {
            "class_path": "fprnet.methods.paper.objective:HybridLoss",
            "init_args": {
                "ranking": {
                    "class_path": "fprnet.plugins:os.system",
                    "init_args": {"command": f"touch {mark}"},
                }
            },
        }

    with pytest.raises(CheckpointError, match="HybridLoss"):
        load_trained(checkpoint(tmp_path / "b.pt", shell))
    assert not mark.exists()


def test_a_checkpoint_of_another_version_of_the_file_is_refused(mine, tmp_path):
    allow_plugins([str(mine)])
    digest = hashlib.sha256(mine.read_bytes()).hexdigest()

    def use(config):
        config["loss"]["init_args"]["ranking"] = {
            "class_path": "my_loss:Shrink",
            "init_args": {"scale": 2.0},
            "source": f"my_loss.py sha256:{digest}",
        }

    file = checkpoint(tmp_path / "a.pt", use)
    recorded = REIDENTIFICATION.read(file)["config"]
    assert config_from_dict(recorded).loss.options["ranking"].options == {"scale": 2.0}
    mine.write_text(MINE.replace("square", "abs"))
    del sys.modules["my_loss"]  # as in another process
    with pytest.raises(ConfigError) as error:
        config_from_dict(recorded)
    assert digest in str(error.value)
    assert hashlib.sha256(mine.read_bytes()).hexdigest() in str(error.value)
    kept = tmp_path / "run" / "code" / "my_loss.py"
    kept.parent.mkdir(parents=True)
    kept.write_text(MINE)
    (tmp_path / "run" / "checkpoints").mkdir()
    moved = tmp_path / "run" / "checkpoints" / "last.pt"
    with pytest.raises(CheckpointError, match=rf"{digest}.* is .*; a copy of it is {kept}$"):
        config_of({"config": recorded}, moved, config_from_dict)
    forget_plugins()
    with pytest.raises(CheckpointError) as error:
        config_of({"config": recorded}, moved, config_from_dict)
    told = "add --plugin my_loss.py with the path of that file"
    assert f"{told} (sha256:{digest})" in str(error.value)
    assert str(error.value).endswith(f"; a copy of it is {kept}")
    allow_plugins([str(mine)])
    loss = load_trained(file).config.loss  # which embeds as ever
    with pytest.raises(ConfigError, match=digest):
        loss.build()


def test_a_model_embeds_without_the_code_of_its_training(tmp_path):
    def use(config):
        ranking = {"class_path": "far:Loss", "init_args": {"scale": 2}, "source": "far-reid 1.5"}
        config["loss"]["init_args"]["ranking"] = ranking
        config["batches"] = {"class_path": "far:Sampler", "source": "far-reid 1.5"}
        callback = {"class_path": "far:Callback", "init_args": {}, "source": "far-reid 1.5"}
        config["callbacks"] = {"mine": callback}
        step = {"class_path": "far:Fog", "init_args": {}, "source": "far-reid 1.5"}
        config["augmentation"]["steps"] = {"fog": step}

    file = checkpoint(tmp_path / "a.pt", use)
    model = fprnet.load_model(file, runtime="pytorch", precision="float32")
    assert model.embed(np.zeros((1, *model.size, 3), np.uint8), "visible").shape[0] == 1
    model.save_pretrained(tmp_path / "model")
    again = fprnet.load_model(tmp_path / "model", runtime="pytorch", precision="float32")
    recorded = REIDENTIFICATION.read(file)["config"]
    for name in ("loss", "callbacks", "augmentation"):
        assert config_as_dict(again.config)[name] == recorded[name]
    with pytest.raises(ConfigError, match=r"far:Fog.*add --plugin far-reid"):
        again.config.augmentation.steps["fog"].build()
    with pytest.raises(ConfigError, match=r"far:Loss.*add --plugin far-reid"):
        config_from_dict(config_as_dict(again.config))


def test_an_object_of_the_running_program():
    def shrink(output):
        return output.features.square().mean()

    word = plugins.offer(shrink)
    found = plugins.find(word)
    assert found is not None
    assert found[0] is shrink
    assert found[1].startswith("Python object sha256:")
    with pytest.raises(UsageError, match="3"):
        plugins.offer(3)


def test_a_misspelled_name_of_a_plugin_is_answered_with_the_nearest(mine):
    allow_plugins([str(mine)])
    with pytest.raises(ConfigError, match=r"did you mean my_loss:Shrink\?"):
        config_with("--loss.ranking", "my_loss:Shrnk")
    with pytest.raises(ConfigError, match=r"one of .* \(did you mean my_loss:Shrink\?\), or"):
        config_with("--loss.ranking", "Shrink")
    with pytest.raises(ConfigError, match=r"name of a file; write my_loss:Shrink and name"):
        config_with("--loss.ranking", "plugins/my_loss.py:Shrink")
    with pytest.raises(ConfigError, match=r"class; it has Shrink$"):
        config_with("--loss.ranking", "my_loss:Circle")
    (mine.parent / "mine.yaml").write_text("# Mine.\n")
    with pytest.raises(ConfigError, match=r"no mien\.yaml .*did you mean mine\?"):
        load_config("my_loss:mien")


def test_a_run_keeps_the_preset_beside_its_plugin(mine, tmp_path):
    loss = "{class_path: levels, init_args: {ranking: 'my_loss:Shrink'}}"
    (mine.parent / "mine.yaml").write_text(f"# Mine.\nloss: {loss}\n")
    allow_plugins([str(mine)])
    config = load_config("my_loss:mine")
    with training_folder(tmp_path / "run", config).opened():
        kept = sorted(file.name for file in (tmp_path / "run" / "code").iterdir())
    assert kept == ["mine.yaml", "my_loss.py"]
    shutil.rmtree(mine.parent)
    forget_plugins()
    allow_plugins([str(tmp_path / "run" / "code" / "my_loss.py")])
    assert load_config("my_loss:mine") == config


def test_a_run_of_another_version_names_the_copy_that_it_keeps(mine, tmp_path):
    allow_plugins([str(mine)])
    words = ("--loss.ranking", "my_loss:Shrink", "--callbacks.mine", "my_loss:Shrink")
    with training_folder(tmp_path / "run", config_with(*words)).opened():
        (tmp_path / "run" / "checkpoints" / "last.pt").touch()
    digest = hashlib.sha256(mine.read_bytes()).hexdigest()
    mine.write_text(MINE + "# changed\n")
    forget_plugins()
    allow_plugins([str(mine)])
    with pytest.raises(ConfigError) as error:
        training_folder(tmp_path / "run", config_with(*words))
    kept = tmp_path / "run" / "code" / "my_loss.py"
    assert str(error.value).count(digest) == 1  # though two components are refused
    assert f"; a copy of it is {kept}; or give another folder" in str(error.value)


def test_a_run_keeps_the_file_whose_code_it_names(mine, tmp_path):
    mine.write_bytes(MINE.replace("\n", "\r\n").encode())
    allow_plugins([str(mine)])
    config = config_with("--loss.ranking", "my_loss:Shrink")
    with training_folder(tmp_path / "run", config).opened():
        kept = tmp_path / "run" / "code" / "my_loss.py"
        assert kept.read_bytes() == mine.read_bytes()
    written = config_as_dict(config)
    mine.write_text(MINE + "# changed\n")
    with pytest.raises(ConfigError, match="changed since it was imported"):  # nor is it what runs
        config_with("--loss.ranking", "my_loss:Shrink")
    del sys.modules["my_loss"]
    with pytest.raises(ConfigError, match=r"give that version of it .*code"):
        config_from_dict(written)
    del sys.modules["my_loss"]  # as in another process
    os.environ[VARIABLE] = ""
    allow_plugins([str(kept)])
    assert config_from_dict(written) == config


@pytest.fixture
def helped(mine) -> Path:
    """A plugin that imports a file beside it, which imports another inside a function."""
    (mine.parent / "my_margin.py").write_text("SCALE = 2.0\n")
    (mine.parent / "my_helper.py").write_text(
        "def scale():\n    from my_margin import SCALE\n\n    return SCALE\n"
    )
    (mine.parent / "my_other.py").write_text("1 / 0  # nobody imports it\n")
    mine.write_text(MINE.replace("import os ", "import my_helper, os ").replace("1.0", "2.0"))
    return mine


def test_a_file_that_imports_files_beside_it(helped, tmp_path):
    (tmp_path / "my_helper.py").write_text("1 / 0  # of the working directory\n")
    allow_plugins([str(helped)])
    config = config_with("--loss.ranking", "my_loss:Shrink")
    names = ("my_loss.py", "my_helper.py", "my_margin.py")
    lines = [
        f"{hashlib.sha256((helped.parent / name).read_bytes()).hexdigest()}  {name}\n"
        for name in names
    ]
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert config.loss.options["ranking"].source == f"my_loss.py sha256:{digest}"
    assert sys.modules["my_helper"].scale() == 2
    with training_folder(tmp_path / "run", config).opened():
        kept = tmp_path / "run" / "code"
        assert {file.name for file in kept.iterdir()} == set(names)
    written = config_as_dict(config)
    (helped.parent / "my_margin.py").write_text("SCALE = 3.0\n")
    with pytest.raises(ConfigError, match="or a file that it imports, has changed since"):
        config_from_dict(written)
    forget_plugins()
    allow_plugins([str(helped)])
    with pytest.raises(ConfigError, match=r"give that version of it .*code"):
        config_from_dict(written)
    forget_plugins()
    allow_plugins([str(kept / "my_loss.py")])
    assert config_from_dict(written) == config
    assert Path(sys.modules["my_helper"].__file__).parent == kept


def test_a_run_that_failed_at_once_begins_anew_with_code_that_was_mended(mine, tmp_path):
    allow_plugins([str(mine)])
    words = ("--loss.ranking", "my_loss:Shrink")
    with training_folder(tmp_path / "run", config_with(*words)).opened():
        pass  # the loss fails in the first step
    mine.write_text(MINE + "# mended\n")
    forget_plugins()
    allow_plugins([str(mine)])
    with training_folder(tmp_path / "run", config_with(*words)).opened():
        kept = tmp_path / "run" / "code" / "my_loss.py"
        assert kept.read_text() == mine.read_text()


def forget_plugins() -> None:
    """Another process has imported and allowed nothing yet."""
    os.environ[VARIABLE] = ""
    plugin_files._HELPERS.clear()
    for name in [name for name in sys.modules if name.startswith("my_")]:
        del sys.modules[name]


def test_a_file_beside_with_the_name_of_another_module(helped):
    (helped.parent / "numpy.py").write_text("")
    helped.write_text("import numpy\n" + helped.read_text())
    allow_plugins([str(helped)])
    with pytest.raises(ConfigError, match=r"numpy\.py has the name of another module; rename"):
        config_with("--loss.ranking", "my_loss:Shrink")
    assert "my_loss" not in sys.modules


def test_files_of_one_name_beside_two_plugins(helped, tmp_path):
    (tmp_path / "my_helper.py").write_text("")
    (tmp_path / "my_second.py").write_text("import my_helper\n\ndef loss(output): ...\n")
    allow_plugins([str(helped), str(tmp_path / "my_second.py")])
    config_with("--loss.ranking", "my_loss:Shrink")
    with pytest.raises(ConfigError, match=r"my_helper\.py.*rename"):
        config_with("--loss.ranking", "my_second:loss")


def test_a_helper_is_read_again_after_its_plugin_has_failed(helped):
    whole = helped.read_text()
    helped.write_text("import my_helper\n1 / 0\n")
    allow_plugins([str(helped)])
    with pytest.raises(ConfigError, match="division by zero"):
        config_with("--loss.ranking", "my_loss:Shrink")
    (helped.parent / "my_helper.py").write_text("def scale():\n    return 'mended'\n")
    helped.write_text(whole)
    config_with("--loss.ranking", "my_loss:Shrink")
    assert sys.modules["my_helper"].scale() == "mended"


def test_a_helper_that_has_changed_is_refused_for_another_plugin_too(helped):
    second = helped.with_name("my_second.py")
    second.write_text("import my_helper\n\ndef loss(output): ...\n")
    allow_plugins([str(helped), str(second)])
    config_with("--loss.ranking", "my_loss:Shrink")
    (helped.parent / "my_helper.py").write_text("def scale():\n    return 4\n")
    with pytest.raises(ConfigError, match=r"my_helper\.py.*has changed since it was imported"):
        config_with("--loss.ranking", "my_second:loss")


def test_a_folder_beside_a_plugin_is_no_helper(mine, monkeypatch):
    package = mine.parent / "my_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    mine.write_text("from my_package import layers\n" + MINE)
    monkeypatch.chdir(mine.parent)
    monkeypatch.syspath_prepend("")  # where 'python -m fprnet' puts the working directory
    allow_plugins([str(mine)])
    with pytest.raises(ConfigError, match=r"not folders: make my_package .*pip install -e"):
        config_with("--loss.ranking", "my_loss:Shrink")


def test_a_run_of_fprnets_own_code_keeps_none(tmp_path):
    with training_folder(tmp_path / "run", config_with()).opened():
        assert not (tmp_path / "run" / "code").exists()


def test_a_saved_model_says_whose_code_its_network_is(tmp_path):
    file = tmp_path / "my_net.py"
    file.write_text(
        "from fprnet.models.backbones import resnet18\n\n\n"
        "def small(input_channels: int = 3, *, width: int = 8):\n"
        "    return resnet18(input_channels, width=width)\n"
    )
    allow_plugins([str(file)])
    config = config_with("--model.backbone", "my_net:small")
    about = {"trained": True, "step": 1, "selection": "last", "trained_identities": 2}
    about["checkpoint_sha256"] = "0"
    model = Embedder(
        build_network(config.model, 2), config, about, runtime="pytorch", precision="float32"
    )
    model.save_pretrained(tmp_path / "saved")
    source = config.model.options["backbone"].source
    assert f"needs the code of {source}: " in (tmp_path / "saved" / "README.md").read_text()
    assert fprnet.load_model(tmp_path / "saved").embedding_size == model.embedding_size
    forget_plugins()
    with pytest.raises(CheckpointError, match=r"my_net.*add --plugin my_net\.py") as error:
        fprnet.load_model(tmp_path / "saved")
    assert "version of fprnet" not in str(error.value)
    recorded = config_of_graphs(config_as_dict(config))  # as an export says it
    assert config_as_dict(recorded) == config_as_dict(config)
