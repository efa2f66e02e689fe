"""Rows of the paper's tables: what each changes, and no row changes more than the paper says."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from fprnet.config import config_as_dict, load_config
from fprnet.methods.paper.fusion import FusionSpec
from fprnet_lab.reproduction.figures import FIGURE_4, FIGURE_5, FIGURE_6
from fprnet_lab.reproduction.published import read_table
from fprnet_lab.reproduction.request import Request

REQUEST = Request(Path("data"), Path("out"))
TABLES = ("table3", "table4", "table5", "table6", "table8")
BASE_ROWS = {  # rows that are the base model itself
    *("1: 1, 1, 1", "r5 i5 i4 r4 r5 i5 i2 r2, horizontal", "whole", "unchanged")
}

# Options and trainable parameters that differ from the base: changed, added or gone.
MAIN = {"head.main_head", "head.main_classifier"}
OWN = {"head.modality_heads.visible", "head.modality_heads.infrared"}
OWN_LAYERS = {f"{head}.head.layers.0" for head in OWN}
FUSION = {"head.fusion_head", "head.fusion_classifier", "pyramids.visible", "pyramids.infrared"}
DIFFERENCES = {
    "without RGB and IR domain": ({"head.modality_blocks", "loss.discrepancy"}, OWN),
    "without IR-RGB block": ({"head.main"}, MAIN),
    "without fusion block": ({"head.fusion", "pyramid.order"}, FUSION),
    "without upsample 2x": ({"head.modality_blocks"}, OWN_LAYERS),
    "changed to single SVD": (
        {"head.fusion_layers"},
        {"head.fusion_head.layers.0", "head.fusion_head.layers.1"},
    ),
    "changed to double SVD": ({"head.main_layers"}, {"head.main_head.layers.1"}),
    "changed to LeakyReLU": ({"head.fusion_activation"}, set()),
    "changed to ReLU": ({"head.main_activation"}, set()),
}
# In the released code the domains have no heads of their own, but without a main head they need
# them.
RELEASED_DIFFERENCES = DIFFERENCES | {
    "without RGB and IR domain": ({"head.modality_blocks", "loss.discrepancy"}, set()),
    "without IR-RGB block": ({"head.main", "head.modality_blocks"}, MAIN | OWN),
}


def options(config):
    """Every option of a config by its path, without the words that all paths have."""

    def flat(values, path=()):
        for key, value in values.items():
            inner = path if key == "init_args" else (*path, key)
            if isinstance(value, dict) and value:
                yield from flat(value, inner)
            else:
                yield ".".join(inner).removeprefix("model."), value

    return dict(flat(config_as_dict(config)))


def parameters(config):
    with torch.device("meta"):
        model = config.model.with_options(weights="none").build(395)
    return {n: tuple(p.shape) for n, p in model.named_parameters() if p.requires_grad}


def different(one, other):
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def rows_of(name, base="paper", scale="tiny"):
    return read_table(name).rows_of(replace(REQUEST, base=base, scale=scale))


def config_of(row, column=0):
    variant = row.variants[column]
    return load_config(variant.preset, scale="tiny", overrides=variant.overrides)


@pytest.mark.parametrize(
    ("base", "expected"), [("paper", DIFFERENCES), ("released", RELEASED_DIFFERENCES)]
)
def test_each_row_of_tables_5_and_6_changes_what_the_paper_says(base, expected):
    plain = load_config(base, scale="tiny")
    before = parameters(plain)
    rows = [row for name in ("table5", "table6") for row in rows_of(name, base)]
    missing = {"without upsample 2x"} if base == "released" else set()  # nothing to be removed
    assert {row.label for row in rows} == (expected.keys() | {"whole", "unchanged"}) - missing
    for row in rows:
        changed = config_of(row)
        keys, modules = expected.get(row.label, (set(), set()))
        assert different(options(plain), options(changed)) == keys, row.label
        names = different(before, parameters(changed))
        within = {name: {module for module in modules if name.startswith(module)} for name in names}
        assert all(within.values()), (row.label, names)
        assert set().union(*within.values()) == modules, row.label


def test_each_row_of_table_3_changes_the_three_weights_of_its_label():
    plain = options(load_config("paper", scale="tiny"))
    for row in rows_of("table3"):
        changed = options(config_of(row))
        names = ("loss.joint_weight", "loss.visible_weight", "loss.infrared_weight")
        assert different(plain, changed) <= set(names)
        assert ", ".join(f"{changed[name]:g}" for name in names) == row.label.partition(": ")[2]


def test_each_row_of_table_4_changes_the_fusion_block_of_its_label():
    plain = load_config("paper", scale="tiny")
    before = parameters(plain)
    for row in rows_of("table4"):
        features, _, way = row.label.partition(", ")
        spec = FusionSpec.parse(features)
        expected = {
            "horizontal": spec,
            "vertical": spec.vertical(),
            **{f"hybrid T={t}": spec.hybrid(t) for t in (1, 2, 3) if len(spec.cells) == 4},
        }[way]
        changed = config_of(row)
        assert different(options(plain), options(changed)) <= {"head.fusion"}
        assert options(changed)["head.fusion"] == str(expected)
        taller = {"head.fusion_head.layers.0.weight"} if len(expected.rows) > 1 else set()
        names = different(before, parameters(changed))
        # A pyramid's levels are trained where the fusion block takes them, so they may differ.
        assert {n for n in names if not n.startswith("pyramids.")} == taller, row.label


@pytest.mark.parametrize("scale", ["tiny", "full"])
def test_columns_of_table_8_differ_in_the_augmentation_alone(scale):
    wanted = load_config("fprnet", scale=scale).augmentation
    for row in rows_of("table8", scale=scale):
        (own, equal) = (
            load_config(variant.preset, scale=scale, overrides=variant.overrides)
            for variant in row.variants
        )
        assert own == load_config(row.variants[0].preset, scale=scale)
        assert equal == replace(own, augmentation=wanted)


def test_rows_of_the_final_framework():
    rows = {row.label: row for row in rows_of("table8")}
    for name, srcnn, size in (
        ("FPRnet", "fprnet", None),
        ("FPRnet, the paper's text,", "paper", "128x128"),  # section 4.3.1
        ("FPRnet, the authors' code,", "paper", "128x128"),
    ):
        plain = rows[name.rstrip(",")]
        sharp, reranked = rows[f"{name} + SRCNN"], rows[f"{name} + re-ranking"]
        assert reranked.variants == plain.variants  # the same features, ranked again
        assert (plain.ranking, sharp.ranking, reranked.ranking) == ("plain", "plain", "rerank")
        for ours, theirs in zip(sharp.variants, plain.variants, strict=True):
            assert replace(ours, superres=None) == theirs
            assert ours.superres is not None
            assert (ours.superres.preset, ours.superres.input_size) == (srcnn, size)


@pytest.mark.parametrize("name", TABLES)
def test_rows_that_the_paper_does_not_print_stand_apart(name):
    table = read_table(name)
    assert len({row.label for row in table.rows}) == len(table.rows)
    apart = [row.line is not None for row in table.rows]
    assert not any(before and not after for before, after in pairwise(apart))  # at the end
    for row in table.rows:
        if row.line is None:
            assert tuple(row.published) == table.metrics
            assert not row.source
        else:
            assert bool(row.published) == bool(row.source)
            assert row.label in BASE_ROWS or name == "table8"


def test_values_assembled_from_other_tables_say_so():
    for name, label in (("table5", "whole"), ("table6", "unchanged")):
        row = read_table(name).row(label)
        best = read_table("table4").row("r5 i5 i4 r4 r5 i5 i2 r2, horizontal").published
        final = read_table("table8").row("FPRnet").published
        assert row.published == best | {"rank-20": final["rank-20"]}
        for part in ("rank-1, rank-5, mAP of Table 4", "rank-20 of Table 8, row FPRnet"):
            assert part in row.source


def test_the_base_model_is_one_and_the_same_in_all_tables():
    values = {}
    for name in TABLES:
        for row in rows_of(name):
            if row.label in BASE_ROWS:
                assert config_of(row) == load_config("paper", scale="tiny")
            if row.label in BASE_ROWS or (name, row.label) == ("table8", "FPRnet"):
                for metric, value in row.published.items():
                    values.setdefault(metric, set()).add(value)
    assert {metric: len(found) for metric, found in values.items()} == dict.fromkeys(values, 1)


def test_figures_show_the_paper_s_rows_alone():
    printed = [row.label for row in rows_of("table8") if row.line is None]
    assert [row.label for row in FIGURE_4.rows(REQUEST)] == printed
    assert [row.label for row in FIGURE_5.rows(REQUEST)] == printed


def test_figure_6_has_people_to_validate_on_at_both_scales():
    for scale in ("tiny", "full"):
        for row in FIGURE_6.rows(replace(REQUEST, scale=scale)):
            (variant,) = row.variants
            config = load_config(variant.preset, scale=scale, overrides=variant.overrides)
            assert config.data.identities == "train", row.label
            assert config.training.validate_every == 1
