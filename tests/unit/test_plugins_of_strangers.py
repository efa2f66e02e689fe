"""Distributions and objects of strangers: editable ones, objects from Python, plain functions."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import pytest
import torch

import fprnet
from fprnet import plugins
from fprnet.api import _words_of
from fprnet.config import load_config, preset_names
from fprnet.errors import ConfigError, UsageError
from fprnet.filling import faults_text, parse_component
from fprnet.kinds import AUGMENTATION_STEP, LOSS, RANKING_LOSS
from fprnet.models.heads import HeadOutput
from fprnet.ranges import Positive

OUTPUT = HeadOutput(torch.ones(2, 3), torch.zeros(2, 4), torch.tensor([0, 1]), 1)


@pytest.fixture(autouse=True)
def nothing_allowed(monkeypatch):
    monkeypatch.setenv(plugins.VARIABLE, "")


def scaled(output, scale: Positive = 2.0):
    return scale * output.features.sum()


@dataclass(frozen=True)
class Weighted:
    ranking: Annotated[object, RANKING_LOSS]
    weight: Positive = 1.0

    def __call__(self, outputs):
        return self.weight * self.ranking(outputs["main"])


@dataclass(frozen=True)
class Sum:
    power: int = 1

    def __call__(self, output):
        return output.features.pow(self.power).sum()


def editable(folder: Path, *, package: str = "my_package") -> Path:
    """A project and the folder of its metadata, as 'pip install -e' leaves them."""
    project, site = folder / "project", folder / "site"
    (project / "src" / package / "method").mkdir(parents=True)
    (project / "src" / package / "__init__.py").write_text("def loss(output):\n    return 1\n")
    preset = "# For tests.\nloss: {class_path: levels, init_args: {ranking: 'my_package:loss'}}\n"
    (project / "src" / package / "method" / "small.yaml").write_text(preset)
    metadata = site / "my_distribution-3.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-distribution\nVersion: 3\n")
    (metadata / "RECORD").write_text("_my_distribution.pth,,\n")
    origin = {"url": project.as_uri(), "dir_info": {"editable": True}}
    (metadata / "direct_url.json").write_text(json.dumps(origin))
    return project


@pytest.fixture
def edited(tmp_path, monkeypatch):
    project = editable(tmp_path)
    monkeypatch.syspath_prepend(str(project / "src"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield project
    import sys

    sys.modules.pop("my_package", None)


@pytest.mark.usefixtures("edited")
def test_a_distribution_that_is_installed_as_a_link_to_its_source():
    fprnet.allow_plugins(["my-distribution"])
    component = parse_component(RANKING_LOSS, "my_package:loss", key="ranking")
    assert component.source == "my-distribution 3"
    assert component.build()(OUTPUT) == 1


@pytest.mark.usefixtures("edited")
def test_a_preset_in_a_folder_of_an_allowed_package():
    with pytest.raises(ConfigError, match="my_package"):
        load_config("my_package:small")
    fprnet.allow_plugins(["my-distribution"])
    assert load_config("my_package:small").loss.options["ranking"].source == "my-distribution 3"
    with pytest.raises(ConfigError, match=r"large\.yaml"):
        load_config("my_package:large")


def test_a_package_elsewhere_of_the_same_name_is_not_the_distribution_s(
    edited, tmp_path, monkeypatch
):
    other = tmp_path / "other"
    (other / "my_package").mkdir(parents=True)
    (other / "my_package" / "__init__.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(str(other))
    fprnet.allow_plugins(["my-distribution"])
    with pytest.raises(ConfigError, match="not allowed"):
        parse_component(RANKING_LOSS, "my_package:loss", key="ranking")


def test_a_refusal_names_the_distribution_that_was_recorded():
    value = {"class_path": "far:Loss", "source": "far-reid 1.5"}
    with pytest.raises(ConfigError, match=r"far-reid 1\.5.*--plugin far-reid"):
        parse_component(RANKING_LOSS, value, key="ranking")
    value["source"] = "far.py sha256:00"
    with pytest.raises(ConfigError, match=r"--plugin far\.py"):
        parse_component(RANKING_LOSS, value, key="ranking")


def test_components_that_are_refused_alike_are_named_together():
    refused = f"{plugins.NOT_ALLOWED}; add --plugin far"
    text = faults_text([f"a is far:A, {refused}", "seed is -1", f"b is far:B, {refused}"])
    assert text == f"config: a is far:A and b is far:B, {refused}; seed is -1"


def test_a_plain_function_is_a_ranking_loss_and_what_follows_are_its_options():
    word = plugins.offer(scaled)
    component = parse_component(RANKING_LOSS, word, key="ranking")
    assert component.options == {"scale": 2.0}
    assert component.with_options(scale=0.5).build()(OUTPUT) == 3  # 0.5 x 2 x 3
    with pytest.raises(ConfigError, match=r"ranking\.scale is -1"):
        parse_component(RANKING_LOSS, {"class_path": word, "scale": -1}, key="ranking")


def test_a_plain_function_is_an_augmentation_step():
    def shift(images, modality, generator, amount: float = 1.0):
        return images + amount

    step = parse_component(AUGMENTATION_STEP, plugins.offer(shift), key="step").build()
    assert step(torch.zeros(1), "visible", torch.Generator()) == 1


def test_the_fields_of_an_object_are_its_options():
    words = _words_of("loss", Weighted(ranking=Sum(power=3), weight=0.5))
    here = Weighted.__module__
    assert words == [
        *("--loss", f"{here}:Weighted"),
        *("--loss.ranking", f"{here}:Sum", "--loss.ranking.power", "3"),
        *("--loss.weight", "0.5"),
    ]
    value = {"class_path": words[1], "ranking": {"class_path": words[3], "power": 3}}
    loss = parse_component(LOSS, value, key="loss").build()
    assert loss({"main": OUTPUT._replace(features=torch.full((1, 1), 2.0))}) == 8


def test_an_object_of_a_file_is_recorded_as_the_plugin_that_it_could_be():
    plugins.offer(scaled)
    offered = parse_component(RANKING_LOSS, f"{__name__}:scaled", key="ranking").source
    fprnet.allow_plugins([__file__])
    assert offered == plugins.source_of(__name__)


def test_objects_are_allowed_beside_names(tmp_path):
    class Local:
        def __call__(self, output):
            return 0

    fprnet.allow_plugins([Local, __file__])
    assert plugins.allowed() == [str(Path(__file__).resolve())]
    word = f"{Local.__module__}:{Local.__qualname__}"
    assert parse_component(RANKING_LOSS, word, key="ranking").build()(OUTPUT) == 0
    file = tmp_path / "a,b.py"
    file.touch()
    with pytest.raises(UsageError, match="comma"):
        fprnet.allow_plugins([str(file)])


@pytest.mark.parametrize("thing", [partial(scaled, scale=3), 3, SimpleNamespace()])
def test_what_cannot_be_recorded_or_called_is_refused(thing):
    with pytest.raises(UsageError):
        plugins.offer(thing)


def test_a_multiplier_of_a_preset_is_dropped_with_null():
    multipliers = load_config("fprnet").optimizer.options["multipliers"]
    assert set(multipliers) == {"pyramid", "head"}
    dropped = load_config("fprnet", overrides=["--optimizer.multipliers.head", "null"])
    assert set(dropped.optimizer.options["multipliers"]) == {"pyramid"}


def test_presets_of_the_python_face():
    assert list(fprnet.presets()) == preset_names()
    assert all(purpose.endswith(".") for purpose in fprnet.presets().values())
