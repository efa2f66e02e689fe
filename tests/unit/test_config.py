"""Presets, files and overrides become one checked config, or one sentence with all faults."""

import dataclasses
from pathlib import Path

import pytest
import yaml

from fprnet.config import (
    config_as_dict,
    config_from_dict,
    load_config,
    override_config,
    preset_names,
    preset_summary,
    to_yaml,
)
from fprnet.config.schema import RunConfig
from fprnet.errors import ConfigError


def tiny(*overrides: str, preset: str = "fprnet", **options):
    return load_config(preset, scale="tiny", overrides=overrides, **options)


def fault(*overrides: str, preset: str = "fprnet") -> str:
    with pytest.raises(ConfigError) as error:
        tiny(*overrides, preset=preset)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("preset", preset_names())
def test_config_survives_yaml(preset):
    for scale in ("tiny", "full"):
        config = load_config(preset, scale=scale, seed=7)
        assert (config.preset, config.scale, config.seed) == (preset, scale, 7)
        assert config_from_dict(yaml.safe_load(to_yaml(config))) == config
        assert config_from_dict(config_as_dict(config)) == config
    assert preset_summary(preset).endswith((".", ")."))


@pytest.mark.parametrize("preset", preset_names())
def test_tiny_scale_is_that_of_the_interface(preset):
    config, full = tiny(preset=preset), load_config(preset)
    for one, size, backbone, width in (
        (config, (96, 48), "resnet18", 32),
        (full, (288, 144), "resnet50", 64),
    ):
        trunk = one.model.options["backbone"]
        assert (one.data.height, one.data.width) == size
        assert (trunk.name, trunk.options["width"]) == (backbone, width)


def test_rounds_of_svdnet_end_with_its_run_and_the_rate_falls_with_them():
    svdnet = load_config("svdnet")
    rounds, (first, second) = (
        svdnet.callbacks["restraint"].options,
        svdnet.schedule.options["milestones"],
    )
    length = rounds["restraint_epochs"] + rounds["relaxation_epochs"]
    assert svdnet.training.epochs == rounds["base_epochs"] + 7 * length
    assert first < rounds["base_epochs"]  # 0.001 in rounds 1 to 3, then 0.0001
    assert second == rounds["base_epochs"] + 3 * length
    rate = svdnet.optimizer.options["learning_rate"] * svdnet.schedule.options["gamma"]
    assert rate == pytest.approx(0.001)


def test_later_sources_win(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("training: {epochs: 9, threads: 2}\nmodel: {head: {stripes: {5: 1}}}\n")
    config = tiny("--training.epochs", "11", "--optimizer.learning_rate=1e-3", file=file)
    assert config.training.epochs == 11  # override
    assert config.training.threads == 2  # file
    assert config.training.steps_per_epoch == 60  # scale
    assert config.batches.options["identities"] == 8  # preset
    assert config.optimizer.options["learning_rate"] == 0.001
    head = config.model.options["head"].options
    assert head["stripes"] == {5: 1}  # replaced whole, not merged
    assert head["level_size"] == load_config("fprnet").model.options["head"].options["level_size"]


@pytest.mark.parametrize(
    "words",
    [
        ("--optimizer", "sgd"),
        ("--optimizer.class_path", "sgd"),
        ("--optimizer", "{class_path: sgd, init_args: {}}"),
    ],
)
def test_the_same_component_keeps_the_options_of_the_layers_below(words):
    if words[1].startswith("{"):  # whole: nothing is kept
        assert tiny(*words).optimizer.options["learning_rate"] == 0.01
    else:
        assert tiny(*words) == tiny()


def test_another_component_drops_the_options_of_the_layers_below():
    adamw = tiny("--optimizer", "adamw").optimizer
    assert (adamw.name, adamw.options["learning_rate"]) == ("adamw", 3e-4)
    assert adamw.options["multipliers"] == {}
    back = tiny("--optimizer", "adamw", "--optimizer", "sgd")
    assert back.optimizer == tiny().optimizer


@pytest.mark.parametrize(
    "words",
    [
        ("--loss.ranking", "batch-hard-triplet", "--loss.ranking.margin", "0.7"),
        ("--loss.ranking.margin", "0.7", "--loss.ranking", "batch-hard-triplet"),
        ("--loss.ranking.margin=0.7", "--loss.ranking.class_path=batch-hard-triplet"),
        ("--loss.ranking", "{class_path: batch-hard-triplet, margin: 0.7}"),
        ("--loss.ranking", "{class_path: batch-hard-triplet, init_args: {margin: 0.7}}"),
    ],
)
def test_a_component_and_its_options_come_in_any_order_and_form(words):
    ranking = tiny(*words).loss.options["ranking"]
    assert (ranking.name, ranking.options) == ("batch-hard-triplet", {"margin": 0.7})


def test_components_by_name_are_added_changed_and_switched_off():
    steps = tiny("--augmentation.steps.random-resolution.probability", "0.2").augmentation.steps
    assert {name: step.options["probability"] for name, step in steps.items()} == {
        "random-resolution": 0.2
    }
    two = ("random-resolution", "{class_path: random-resolution, lowest: 0.9}")
    words = [
        w
        for name, step in zip("ab", two, strict=True)
        for w in (f"--augmentation.steps.{name}", step)
    ]
    assert [s.options["lowest"] for s in tiny(*words).augmentation.steps.values()] == [0.4, 0.9]
    svdnet = tiny("--callbacks.restraint.relaxation_epochs", "2", preset="svdnet")
    assert svdnet.callbacks["restraint"].options["relaxation_epochs"] == 2
    assert svdnet.callbacks["restraint"].options["freeze_statistics"] is True  # the preset's
    for words in (("--callbacks.restraint", "null"), ("--callbacks", "null")):
        assert tiny(*words, preset="svdnet").callbacks == {}


def test_overrides_of_a_config_keep_the_rest():
    config = tiny(preset="released", seed=4)
    changed = override_config(config, ["--training.epochs", "9", "--optimizer", "sgd"])
    training = dataclasses.replace(config.training, epochs=9)
    assert changed == dataclasses.replace(config, training=training)


def test_file_says_which_preset_scale_and_seed_it_is_for(tmp_path):
    file = tmp_path / "config.yaml"
    config = tiny(preset="paper", seed=4)
    file.write_text(to_yaml(config))
    assert load_config(file=file) == config
    assert load_config("paper", scale="tiny", file=file) == config
    assert load_config(file=file, seed=5) == dataclasses.replace(config, seed=5)
    with pytest.raises(ConfigError, match=r"preset paper.*released"):
        load_config("released", file=file)
    with pytest.raises(ConfigError, match=r"scale tiny.*full"):
        load_config(scale="full", file=file)


def test_a_file_may_be_the_preset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(
        "# Mine.\ntraining: {epochs: 3}\nscales: {tiny: {training: {epochs: 2}}}\n"
    )
    for scale, epochs in (("full", 3), ("tiny", 2)):
        config = load_config("./mine.yaml", scale=scale)
        assert (config.preset, config.training.epochs) == ("./mine.yaml", epochs)
    assert preset_summary("./mine.yaml") == "Mine."
    with pytest.raises(ConfigError, match=r"gone\.yaml"):
        load_config("gone.yaml")


def test_a_word_that_is_like_no_key_suggests_none():
    with pytest.raises(ConfigError, match=r"workers is not a key$"):
        load_config("fprnet", scale="tiny", overrides=["--workers", "4"])


def test_without_anything_it_is_the_default_preset():
    assert load_config() == load_config("fprnet", scale="full", seed=0)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--training.epoch", "3"], ["training.epoch", "did you mean training.epochs?"]),
        (["--epochs", "3"], ["epochs", "did you mean training.epochs?"]),
        (["--lr", "3"], ["lr is not", "did you mean optimizer.learning_rate?"]),
        (["--learning-rate", "3"], ["did you mean optimizer.learning_rate?"]),
        (["--weights", "none"], ["weights is not", "did you mean model.weights?"]),
        (["--model.width", "8"], ["model.width", "did you mean model.backbone.width?"]),
        (["--optimiser.momentum", "3"], ["optimiser", "did you mean optimizer?"]),
        (["--optimizer.momentun", "3"], ["optimizer.momentun", "did you mean optimizer.momentum?"]),
        (["--zzz.qqq", "3"], ["zzz"]),
        (["--model.pyramid", "3"], ["model.pyramid is a section"]),
        (["--training.epochs"], ["--training.epochs", "no value"]),
        (["training.epochs"], ["'training.epochs'", "no"]),
        (["--training", "3", "--training.epochs", "3"], ["training is a section"]),
        (["--seed", "3"], ["seed 3"]),
        (["--training.epochs", "3.5"], ["training.epochs is 3.5", "a whole number"]),
        (["--training.epochs", "true"], ["training.epochs is true", "a whole number"]),
        (["--training.steps_per_epoch", "x"], ["is x", "a whole number or null"]),
        (["--optimizer.learning_rate", "fast"], ["learning_rate is fast", "a number"]),
        (["--optimizer.learning_rate", ".inf"], ["learning_rate is .inf", "finite"]),
        (["--augmentation.flip", ".nan"], ["augmentation.flip is .nan"]),
        (["--training.channels_last", "maybe"], ["is maybe", "true or false"]),
        (["--training.precision", "bf16"], ["is bf16", "bfloat16, float32, null"]),
        (["--schedule", "step", "--schedule.milestones", "3"], ["milestones is 3", "[1, 2]"]),
        (["--model.head.stripes", "3"], ["stripes is 3", "{5: 1, 4: 2}"]),
        (["--model.head.stripes", "{a: 1}"], ["stripes is {a: 1}", "a whole number"]),
        (["--model.head.stripes", "{5: 0}"], ["stripes is {5: 0}", "greater than 0"]),
        (["--model", "null"], ["model is null", "streams"]),
        (["--model.backbone.class_path", "[1]"], ["model.backbone is [1]", "resnet18, resnet50"]),
        (["--model.backbone", "resnet81"], ["model.backbone is resnet81", "mean resnet18?"]),
        (["--loss.game", "sum"], ["loss.game is not an option of loss levels"]),
        (["--loss", "adversarial"], ["loss.loss is missing", "levels, hybrid"]),
        (["--schedule.milestones", "[3]"], ["schedule.milestones", "schedule cosine"]),
        (["--model.pyramid.order", "x" * 500], ["model.pyramid.order is xxx", "..."]),
        (["--model.pyramid.order", "a\nb"], ["model.pyramid.order is a b"]),
    ],
)
def test_word_that_cannot_be_understood(words, parts):
    told = fault(*words)
    assert [part for part in parts if part not in told] == []
    assert len(told) < 250


# What YAML may hold: each raised its own kind of error from the parser once.
ODD = [
    "!!int abc",
    "2000-99-99",
    "&a [*a]",
    "[" * 400,
    "{a: &b {c: *b}}",
    "'",
    "? ",
    "!!python/x y",
]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_yaml_is_one_sentence(tmp_path, text):
    assert "training.epochs is " in fault("--training.epochs", text)
    file = tmp_path / "mine.yaml"
    file.write_text(f"training:\n  epochs: {text}\n")
    with pytest.raises(ConfigError) as error:
        load_config(file=file)
    assert "\n" not in str(error.value)
    assert "epochs" in str(error.value) or "mine.yaml" in str(error.value)


@pytest.mark.parametrize("seed", [-1, 2**63, 18446744073709551616])
def test_seed_outside_its_range(seed):
    with pytest.raises(ConfigError, match=f"seed is {seed}"):
        load_config(seed=seed)
    assert load_config(seed=2**63 - 1).seed == 2**63 - 1


# One key of each range in ranges.py, and the values at its ends.
@pytest.mark.parametrize(
    ("key", "allowed", "refused"),
    [
        ("optimizer.learning_rate", ["1e-300", "1"], ["0", "-1", ".inf", ".nan"]),
        ("optimizer.weight_decay", ["0"], ["-1e-300", ".inf", ".nan"]),
        ("augmentation.flip", ["0", "1"], ["-0.1", "1.1", ".nan"]),
        ("optimizer.momentum", ["0", "0.99"], ["-0.1", "1", ".nan"]),
        ("data.height", ["1"], ["0", "-1"]),
        ("augmentation.padding", ["0"], ["-1"]),
        ("training.threads", ["1", "null"], ["0"]),
        ("training.clip_norm", ["1", "null"], ["0"]),
        ("model.separate_stages", ["0", "5"], ["-1", "6"]),
    ],
)
def test_numbers_have_ranges(key, allowed, refused):
    for value in allowed:
        tiny(f"--{key}", value)
    for value in refused:
        assert f"{key} is {value}" in fault(f"--{key}={value}")


@pytest.mark.parametrize(
    ("preset", "words", "parts"),
    [
        ("fprnet", ["--model.head.stripes", "{6: 1}"], ["model.head.stripes", "[6]", "2 to 5"]),
        (
            "fprnet",
            ["--model.head.stripes", "{}"],
            ["model.head.stripes", "pyramid.order is linear"],
        ),
        ("fprnet", ["--batches.images", "1"], ["batches.images is 1", "2 or more"]),
        ("fprnet", ["--training.validate_every", "0"], ["training.validate_every is 0"]),
        (
            "fprnet",
            ["--data.identities", "train+validation"],
            ["data.identities", "trains on them"],
        ),
        (
            "cmgan",
            ["--data.modalities", "visible"],
            ["data.modalities is visible", "discriminator"],
        ),
        (
            "cmgan",
            ["--model.auxiliaries.discriminator", "null"],
            ["needs a discriminator", "model.auxiliaries.discriminator"],
        ),
        (
            "resnet50",
            ["--model.separate_norms", "true"],
            ["model.separate_norms is true", "model.separate_stages is 5"],
        ),
        ("agw", ["--callbacks.restraint.base_epochs", "2"], ["callbacks.restraint", "eigenlayer"]),
        ("svdnet", ["--callbacks.restraint.base_epochs", "6"], ["base_epochs is 6", "epochs is 6"]),
        ("svdnet", ["--model.head.main_layer", "linear"], ["main_layer eigenlayer"]),
        ("svdnet", ["--model.head.main_size", "null"], ["model.head.main_size is null"]),
        ("bctr", ["--model.head.main", "false"], ["loss.ranking", "model.head.main true"]),
        (
            "warm-start",
            ["--loss.ranking", "cross-modality-top-ranking"],
            ["data.modalities is visible", "cross-modality-top-ranking"],
        ),
        ("paper", ["--data.modalities", "visible"], ["data.modalities is visible", "model.head"]),
        ("paper", ["--model.head.fusion", "none"], ["fusion is none", "pyramid.order is paper"]),
        ("paper", ["--model.head.fusion", "x9 r5"], ["model.head.fusion", "'x9'"]),
        ("paper", ["--model.head.main_layers", "[]"], ["model.head.main_layers is []"]),
        ("paper", ["--model.head.modality_layers", "[0]"], ["model.head.modality_layers is [0]"]),
        ("paper", ["--model.head.modality_blocks", "none"], ["loss.discrepancy", "compare"]),
        (
            "paper",
            ["--model.head.main=false", "--model.auxiliaries.d=modality-discriminator"],
            ["model.head.main is false", "model.auxiliaries"],
        ),
        (
            "resnet50",
            ["--model.head.main", "false"],
            ["model.head.main is false", "fusion none"],
        ),
        ("warm-start", ["--training.validate_every", "1"], ["nothing to validate"]),
    ],
)
def test_values_that_do_not_fit_together(preset, words, parts):
    told = fault(*words, preset=preset)
    assert [part for part in parts if part not in told] == []


def test_all_faults_at_once():
    told = fault(
        *("--training.epochs", "0", "--model.head.level_size", "x", "--augmentation.flip", "3")
    )
    for part in ("training.epochs is 0", "model.head.level_size is x", "augmentation.flip is 3"):
        assert part in told
    told = fault("--model.separate_stages", "9", "--batches.images", "1")
    for part in ("model.separate_stages is 9", "batches.images is 1"):
        assert part in told


def test_unknown_preset_and_scale():
    with pytest.raises(ConfigError, match=r"'frpnet'.*did you mean fprnet\?"):
        load_config("frpnet")
    with pytest.raises(ConfigError, match=r"'huge'.*full, tiny"):
        load_config("fprnet", scale="huge")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[1, 2]", "no keys"),
        (b"a: [", "not YAML"),
        (b"\xff\xfe\x00", "not text"),
        (b"seed: many", "seed is many"),
        (b"preset: frpnet", "'frpnet'"),
        (b"model: {backbone: {class_path: [1]}}", r"model\.backbone is \[1\]"),
        (b"model: {backbone: {class_path: resnet18, init_args: 3}}", "init_args is 3"),
        (b"model: {1: 2}", r"model\.1"),
        (b"training: [1]", "training is a section"),
    ],
)
def test_file_that_is_no_config(tmp_path: Path, content, told):
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=told) as error:
        load_config(file=file)
    assert "\n" not in str(error.value)


def test_config_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunConfig().seed = 3  # type: ignore[misc]
