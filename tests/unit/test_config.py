"""Presets, files and overrides become one checked config, or one sentence with all faults."""

import dataclasses
from pathlib import Path

import pytest
import yaml

from fprnet.config import (
    config_as_dict,
    config_from_dict,
    load_config,
    preset_names,
    preset_summary,
    to_yaml,
)
from fprnet.config.checks import BELOW_ONE, NOT_NEGATIVE, POSITIVE, POSITIVE_OR_NONE, PROBABILITIES
from fprnet.config.loading import EXPECTED
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
@pytest.mark.parametrize("scale", ["tiny", "full"])
def test_config_survives_yaml(preset, scale):
    config = load_config(preset, scale=scale, seed=7)
    assert (config.preset, config.scale, config.seed) == (preset, scale, 7)
    assert config_from_dict(yaml.safe_load(to_yaml(config))) == config
    assert config_from_dict(config_as_dict(config)) == config
    assert preset_summary(preset).endswith((".", ")."))


@pytest.mark.parametrize("preset", preset_names())
def test_tiny_scale_is_that_of_the_interface(preset):
    config, full = tiny(preset=preset), load_config(preset)
    assert (config.data.height, config.data.width) == (96, 48)
    assert (config.model.backbone, config.model.width) == ("resnet18", 32)
    assert (full.data.height, full.data.width) == (288, 144)
    assert (full.model.backbone, full.model.width) == ("resnet50", 64)


def test_paper_and_released_are_what_section_10_says():
    paper, released = load_config("paper"), load_config("released")
    assert (paper.training.epochs, released.training.epochs) == (60, 81)
    assert (paper.loss.game, released.loss.game) == ("rate", "count")
    assert (paper.loss.discrepancy, released.loss.discrepancy) == ("differentiable", "detached")
    assert (paper.model.pyramid.order, released.model.pyramid.order) == ("paper", "released")
    assert (paper.augmentation.erasing, released.augmentation.erasing) == (0, 0.2)
    assert released.optimizer.trunk_multiplier == released.optimizer.fusion_multiplier == 0.1
    assert paper.schedule.milestones == (30,)
    assert released.schedule.milestones == (30, 60)


def test_baselines_are_what_their_authors_say():
    resnet50, bctr, bdtr = (load_config(name) for name in ("resnet50", "bctr", "bdtr"))
    for config in (resnet50, bctr, bdtr):
        assert (config.model.split, config.batches.images) == (5, 1)
    assert (resnet50.optimizer.learning_rate, resnet50.optimizer.trunk_multiplier) == (0.01, 0.1)
    assert (resnet50.schedule.milestones, resnet50.batches.identities) == ((30, 60), 32)
    for config in (bctr, bdtr):
        assert config.model.cross_modality.main_layers == (1024,)
        assert (config.batches.identities, config.loss.margin) == (64, 0.5)
        assert (config.optimizer.learning_rate, config.optimizer.momentum) == (0.001, 0.9)
    assert (bctr.loss.intra_modality_weight, bdtr.loss.intra_modality_weight) == (0, 0.1)
    assert bdtr.loss.intra_modality_margin == 0.1
    svdnet = load_config("svdnet")
    assert svdnet.model.levels.main_layer == "eigenlayer"
    assert (svdnet.model.levels.main_embedding_size, svdnet.model.levels.dropout) == (1024, 0.5)
    training, (first, second) = svdnet.training, svdnet.schedule.milestones
    rounds = training.restraint_epochs + training.relaxation_epochs
    assert training.epochs == training.base_epochs + 7 * rounds
    assert first < training.base_epochs  # 0.001 in rounds 1 to 3, then 0.0001
    assert second == training.base_epochs + 3 * rounds
    assert svdnet.optimizer.learning_rate * svdnet.schedule.gamma == pytest.approx(0.001)
    padded, agw = load_config("zero-padding"), load_config("agw")
    assert (padded.model.input, padded.model.split) == ("zero-padded", 0)
    assert (agw.model.split, agw.model.last_stride, agw.model.levels.pooling) == (1, 1, "gem")
    assert (agw.batches.identities, agw.batches.images) == (8, 4)
    assert (agw.optimizer.learning_rate, agw.optimizer.trunk_multiplier) == (0.1, 0.1)
    assert (agw.schedule.warmup_epochs, agw.schedule.milestones) == (10, (20, 50))
    assert agw.training.epochs == 81


def test_later_sources_win(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("training: {epochs: 9, threads: 2}\nmodel: {levels: {stripes: {5: 1}}}\n")
    config = tiny("--training.epochs", "11", "--optimizer.learning_rate=1e-3", file=file)
    assert config.training.epochs == 11  # override
    assert config.training.threads == 2  # file
    assert config.training.steps_per_epoch == 60  # scale
    assert config.batches.identities == 8  # preset
    assert config.optimizer.learning_rate == 0.001
    assert config.model.levels.stripes == {5: 1}  # replaced whole, not merged


def test_file_says_which_preset_scale_and_seed_it_is_for(tmp_path):
    file = tmp_path / "config.yaml"
    there = tiny(preset="paper", seed=4)
    file.write_text(to_yaml(there))
    assert load_config(file=file) == there
    assert load_config("paper", scale="tiny", file=file) == there
    assert load_config(file=file, seed=5) == dataclasses.replace(there, seed=5)
    with pytest.raises(ConfigError, match="is for preset paper, not released"):
        load_config("released", file=file)
    with pytest.raises(ConfigError, match="is for scale tiny, not full"):
        load_config(scale="full", file=file)


def test_without_anything_it_is_the_default_preset():
    assert load_config() == load_config("fprnet", scale="full", seed=0)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--training.epoch", "3"], "training.epoch is not a key (did you mean training.epochs?)"),
        (["--epochs", "3"], "did you mean training.epochs?"),
        (["--optimiser.momentum", "3"], "did you mean optimizer.momentum?"),
        (["--zzz.qqq", "3"], "zzz.qqq is not a key"),
        (["--model.pyramid", "3"], "model.pyramid is a section; set one of its keys"),
        (["--training.epochs"], "--training.epochs has no value"),
        (["training.epochs"], "'training.epochs' is not an option"),
        (["--training", "3", "--training.epochs", "3"], "cannot be given together"),
        (["--training.epochs", "3.5"], "training.epochs is 3.5, expected a whole number"),
        (["--training.steps_per_epoch", "x"], "expected a whole number or null"),
        (["--optimizer.learning_rate", "fast"], "learning_rate is fast, expected a number"),
        (["--training.channels_last", "maybe"], "expected true or false"),
        (["--training.precision", "bf16"], "is bf16, expected one of bfloat16, float32, null"),
        (["--schedule.milestones", "3"], "expected whole numbers such as [30, 60]"),
        (["--model.head.stripes", "{a: 1}"], "expected whole numbers such as {5: 1, 4: 2}"),
    ],
)
def test_word_that_cannot_be_understood(words, told):
    assert told in fault(*words)


@pytest.mark.parametrize("key", [*PROBABILITIES, *POSITIVE, *NOT_NEGATIVE[1:], *BELOW_ONE])
def test_number_below_its_range(key):
    assert f"{key} is -1" in fault(f"--{key}=-1")


@pytest.mark.parametrize("key", [*PROBABILITIES, *BELOW_ONE])
def test_number_above_its_range(key):
    assert f"{key} is 2" in fault(f"--{key}", "2")


@pytest.mark.parametrize("key", [*POSITIVE, *POSITIVE_OR_NONE])
def test_zero_where_it_is_not_possible(key):
    assert f"{key} is 0" in fault(f"--{key}", "0")


def test_negative_seed():
    with pytest.raises(ConfigError, match="seed is -1, it must be at least 0"):
        load_config(seed=-1)


@pytest.mark.parametrize(
    ("preset", "words", "told"),
    [
        ("fprnet", ["--model.separate_stages", "6"], "model.split is 6"),
        ("fprnet", ["--model.backbone.last_stride", "3"], "model.last_stride is 3"),
        ("fprnet", ["--model.head.stripes", "{6: 1}"], "levels [6], they are 2 to 5"),
        ("fprnet", ["--model.head.stripes", "{5: 0}"], "at least 1 stripe"),
        ("fprnet", ["--model.head.stripes", "{}"], "levels need a pyramid"),
        ("fprnet", ["--model.head.main", "false"], "cross_modality has no effect"),
        ("fprnet", ["--loss.game", "sum"], "loss.game is sum but has no effect"),
        ("fprnet", ["--batches.images", "1"], "compares images of one person"),
        ("fprnet", ["--training.validate_every", "0"], "training.selection is validation but"),
        ("fprnet", ["--data.identities", "train+validation"], "which trains on them"),
        ("fprnet", ["--callbacks.restraint.restraint_epochs", "1"], "set both or none"),
        ("paper", ["--model.head.neck", "none"], "model.levels has no effect"),
        ("paper", ["--loss.ranking_weight", "2"], "loss.ranking_weight is 2.0 but has no effect"),
        ("paper", ["--loss.level_weight", "2"], "loss.level_weight is 2.0 but has no effect"),
        ("agw", ["--loss.confusion_weight", "1"], "no effect without model.discriminator"),
        ("agw", ["--optimizer.adversary_learning_rate", "1"], "effect without model.discriminator"),
        ("agw", ["--model.discriminator", "[8]"], "give it a rate: optimizer.adversary_learning"),
        ("cmgan", ["--model.discriminator", "[0]"], "model.discriminator is [0], give sizes"),
        ("cmgan", ["--data.modalities", "visible"], "but model.discriminator tells both apart"),
        ("cmgan", ["--model.head.classifier_layers", "[0]"], "classifier_layers is [0], give"),
        (
            "agw",
            ["--callbacks.restraint.freeze_statistics", "true"],
            "no effect without training.restraint",
        ),
        (
            "agw",
            ["--callbacks.restraint.base_epochs", "2"],
            "training.base_epochs is 2 but has no effect",
        ),
        ("svdnet", ["--callbacks.restraint.base_epochs", "6"], "so that no round begins; lower it"),
        ("svdnet", ["--model.head.main_layer", "linear"], "needs model.levels.main_layer eigenl"),
        ("svdnet", ["--model.head.main_embedding_size", "null"], "main_embedding_size is null"),
        ("svdnet", ["--model.head.embedding_from", "after"], "set embedding_from to before"),
        (
            "released",
            [
                "--callbacks.restraint.restraint_epochs=1",
                "--callbacks.restraint.relaxation_epochs=1",
            ],
            "layer e",
        ),
        ("fprnet", ["--loss.margin", "1"], "loss.margin is 1.0 but has no effect"),
        ("agw", ["--loss.intra_modality_weight", "1"], "loss.intra_modality_weight is 1.0 but"),
        ("resnet50", ["--loss.intra_modality_margin", "1"], "margin is 1.0 but has no effect"),
        ("bctr", ["--model.head.main", "false"], "needs model.cross_modality.main"),
        (
            "warm-start",
            ["--loss.ranking", "cross-modality-top-ranking"],
            "data.modalities is visible but loss.ranking cross-modality-top-ranking needs both",
        ),
        ("paper", ["--model.head.fusion", "none"], "both are none, or neither"),
        ("paper", ["--model.head.main_layers", "[]"], "give sizes above 0"),
        ("paper", ["--model.head.modality_layers", "[0]"], "give sizes above 0"),
        (
            "released",
            ["--model.head.modality_layers", "[256]"],
            "model.cross_modality.modality_layers is [256] but has no effect",
        ),
        ("paper", ["--model.head.modality_blocks", "none"], "nothing to compare"),
        ("released", ["--model.head.main", "false"], "shared needs"),
        ("warm-start", ["--training.validate_every", "1"], "leaves nothing to validate"),
    ],
)
def test_values_that_do_not_fit_together(preset, words, told):
    assert told in fault(*words, preset=preset)


def test_all_faults_at_once():
    told = fault(
        "--training.epochs", "0", "--model.separate_stages", "9", "--augmentation.flip", "3"
    )
    for part in ("training.epochs is 0", "model.split is 9", "augmentation.flip is 3"):
        assert part in told


def test_unknown_preset_and_scale():
    with pytest.raises(ConfigError, match=r"'frpnet' does not exist \(did you mean fprnet\?\)"):
        load_config("frpnet")
    with pytest.raises(ConfigError, match="scale 'huge' does not exist"):
        load_config("fprnet", scale="huge")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[1, 2]", "holds no keys"),
        (b"a: [", "is not YAML"),
        (b"\xff\xfe\x00", "is not text"),
        (b"seed: many", "seed is many, expected a whole number"),
        (b"preset: frpnet", "'frpnet' does not exist"),
    ],
)
def test_file_that_is_no_config(tmp_path: Path, content, told):
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=told):
        load_config(file=file)


def test_every_type_has_a_plain_name():
    def types(section):
        for item in dataclasses.fields(section):
            if dataclasses.is_dataclass(item.default_factory):
                yield from types(item.default_factory)
            else:
                yield str(item.type)

    assert {kind for kind in types(RunConfig) if not kind.startswith(("Literal", "Scale"))} <= set(
        EXPECTED
    )


def test_config_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunConfig().seed = 3  # type: ignore[misc]
