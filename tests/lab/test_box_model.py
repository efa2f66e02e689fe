"""The model in the box: recipes and their faults, groups of people, and the whole at small size."""

import json
from pathlib import Path

import pytest
import yaml

from fprnet.cli.main import main
from fprnet.embeddings.loading import load_model
from fprnet.errors import ConfigError, TrainingError
from fprnet_lab.box_model.making import pack
from fprnet_lab.box_model.recipe import LISTED, RECIPES, read_recipe, recipe_names
from fprnet_lab.box_model.scoring import SiteScore, group_scores, groups_of
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.render import person_of

SMALL = {
    "name": "small",
    "summary": "A model for a test.",
    "people": {
        "identities": 24,
        "images_per_camera": 1,
        "size": [48, 24],
        "seed": 1,
        "worlds": [1, 2],
        "generator_version": 2,
    },
    "calibration": {"world": 9, "seed": 9, "identities": 12, "images_per_camera": 1},
    "sites": [{"world": 8, "seed": 8, "identities": 10, "images_per_camera": 1}],
}


def written(folder, recipe=SMALL, run="preset: fprnet\nscale: tiny\n"):
    folder.mkdir(exist_ok=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    (folder / "run.yaml").write_text(run)
    return folder


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_are_complete_and_hold_the_promise_of_new_worlds(name):
    recipe = read_recipe(name)
    assert recipe.name == name
    worlds = set(recipe.people.options().worlds)
    assert not worlds & {site.world for site in (recipe.calibration, *recipe.sites)}
    assert recipe.people.options().total == recipe.people.identities
    assert recipe.run.training.selection == "last"  # nobody is left to choose on


def test_recipe_of_a_folder(tmp_path):
    recipe = read_recipe(written(tmp_path / "own"), overrides=["--training.epochs", "2"])
    assert recipe.people.options().identities == 24 - LISTED
    assert recipe.people.options().worlds == (1, 2)
    assert recipe.run.training.epochs == 2


def test_recipe_that_starts_from_another(tmp_path):
    written(tmp_path / "first", SMALL | {"name": "first"})
    later = SMALL | {"people": {**SMALL["people"], "worlds": [3, 4]}, "warm_start": "../first"}
    recipe = read_recipe(written(tmp_path / "later", later), ["--training.epochs", "2"])
    assert recipe.warm_start.name == "first"
    assert recipe.warm_start.run.training.epochs != 2
    assert recipe.worlds == {1, 2, 3, 4}
    site = {**SMALL["sites"][0], "world": 1}  # of the first one's training
    with pytest.raises(ConfigError, match="world 1"):
        read_recipe(written(tmp_path / "later", later | {"sites": [site]}))
    with pytest.raises(ConfigError, match="starts from itself"):
        read_recipe(written(tmp_path / "later", later | {"warm_start": "../later"}))
    both = later | {"start_from": "../first"}
    with pytest.raises(ConfigError, match="both warm_start and start_from"):
        read_recipe(written(tmp_path / "later", both))
    with pytest.raises(ConfigError, match="nobody does not exist"):
        read_recipe(written(tmp_path / "later", later | {"warm_start": "nobody"}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": 3}, ["name"]),
        ({"extra": 1}, ["extra"]),
        ({"people": {**SMALL["people"], "identities": LISTED}}, ["people.identities"]),
        ({"people": {**SMALL["people"], "generator_version": 0}}, ["people.generator_version"]),
        ({"people": {**SMALL["people"], "seed": -1}}, ["people.seed"]),
        ({"people": {**SMALL["people"], "sizes": 1}}, ["people.sizes"]),
        ({"sites": [{**SMALL["sites"][0], "world": 2}]}, ["world 2"]),
        ({"calibration": {**SMALL["calibration"], "world": 1}}, ["world 1"]),
    ],
)
def test_faults_of_a_recipe_are_one_line_with_the_key(tmp_path, change, words):
    with pytest.raises(ConfigError) as raised:
        read_recipe(written(tmp_path / "own", SMALL | change))
    assert "\n" not in str(raised.value)
    for word in words:
        assert word in str(raised.value)


def test_recipe_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="fprnet-people-large"):
        read_recipe(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"run\.yaml"):
        read_recipe(tmp_path / "empty")
    folder = written(tmp_path / "damaged")
    (folder / "recipe.yaml").write_text("name: [")
    with pytest.raises(ConfigError, match=r"recipe\.yaml"):
        read_recipe(folder)


def test_recipes_lie_in_the_package():
    assert recipe_names() == sorted(path.name for path in RECIPES.iterdir())


def test_groups_add_up_the_queries_of_their_people():
    options = PeopleOptions(
        identities=1, validation_identities=1, test_identities=40, seed=3, worlds=(5,)
    )
    rows = {identity: (identity, identity / 2, identity / 4) for identity in range(3, 43)}
    site = SiteScore(5, 40, {}, {}, rows)
    groups = group_scores([(site, options)])
    kinds = {group.kind for group in groups}
    assert {"sex", "age", "ancestry", "lower clothing"} <= kinds
    sexes = [group for group in groups if group.kind == "sex"]
    assert sum(group.people for group in sexes) == 40
    for group in groups:  # every person has half of the queries right
        assert group.rank_1 == pytest.approx(0.5)
        assert group.mean_average_precision == pytest.approx(0.25)
    women = [
        identity
        for identity in rows
        if groups_of(person_of(options.setting, identity, "coarse"))["sex"] == "women"
    ]
    assert next(group.people for group in sexes if group.group == "women") == len(women)


def test_pack_needs_a_training(tmp_path):
    with pytest.raises(TrainingError, match="run"):
        pack(read_recipe(written(tmp_path / "own")), tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("role", "seed", "setting", "words"),
    [
        (
            "warm_start",
            2,
            "weights: first/model.safetensors",
            "backbone began as that of first, which saw 24 others",
        ),
        (
            "start_from",
            1,
            "start_from: first",
            "network began as that of first, which saw the same people",
        ),
    ],
)
def test_small_model_from_seeds_to_card(role, seed, setting, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = """
preset: fprnet
scale: tiny
data: {identities: train+validation, height: 48, width: 24}
model: {backbone: {class_path: resnet18, init_args: {width: 8}}, weights: none}
training: {epochs: 1, steps_per_epoch: 2, precision: float32, selection: last}
"""
    written(tmp_path / "first", SMALL | {"name": "first"}, run)
    people = SMALL["people"] | {"seed": seed}
    written(tmp_path / "own", SMALL | {"people": people, role: "../first"}, run)
    command = ["lab", "train-box-model", "out", "--recipe", "own", "--workers", "1"]
    command += ["--training.steps_per_epoch", "4"]
    assert main([*command, "--max-steps", "2"]) == 0
    first = Path("out/warm-start/model/model.safetensors").read_bytes()
    assert not (tmp_path / "out" / "model").exists()
    assert "goes on" in capsys.readouterr().out
    assert main(command) == 0
    folder = tmp_path / "out" / "model"
    names = {path.name for path in folder.iterdir()} - {"model.projection.safetensors"}
    assert names == {"README.md", "config.json", "model.calibration.json", "model.safetensors"}
    model = load_model(folder, runtime="pytorch", precision="float32")
    calibration = json.loads((folder / "model.calibration.json").read_text())
    assert calibration["checkpoint_sha256"] == model.about["checkpoint_sha256"]
    scores = json.loads(Path("out/scores.json").read_text())
    assert [site["world"] for site in scores["sites"]] == [8]
    assert 0 <= scores["sites"][0]["metrics"]["rank-1"] <= 1
    assert scores["training"]["steps"] == 4
    card = (folder / "README.md").read_text()
    assert model.about["checkpoint_sha256"] in card
    assert "| 8 | 10 |" in card
    assert setting in card
    assert words in card
    assert Path("out/people").exists() == (seed == 2)  # the same people are rendered once
    assert Path("out/warm-start/model/model.safetensors").read_bytes() == first
    before = (folder / "model.safetensors").read_bytes()
    assert main([*command, "--pack"]) == 0
    assert (folder / "model.safetensors").read_bytes() == before
