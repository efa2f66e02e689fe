"""Tables and figures: published values, what each row changes, and how results are laid out."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fprnet.models.builders import build_model

from fprnet.config import load_config
from fprnet.errors import ConfigError, UsageError
from fprnet_lab.cli.reproduce import NAMES
from fprnet_lab.jobs import Training
from fprnet_lab.reporting.page import Collection, TablePage, render_collection, render_tables
from fprnet_lab.reproduction.ablations import TABLE_3, TABLE_4, TABLE_5, TABLE_6
from fprnet_lab.reproduction.experiment import Request
from fprnet_lab.reproduction.figures import FIGURE_6, epochs_to_share
from fprnet_lab.reproduction.registry import EXPERIMENTS
from fprnet_lab.reproduction.rows import (
    Measured,
    Row,
    order_note,
    score_rows,
    score_table,
    selected,
)
from fprnet_lab.reproduction.runs import Scored, ScoredRun, Variant
from fprnet_lab.reproduction.table8 import TABLE_8
from fprnet_lab.reproduction.workshop import Workshop

REQUEST = Request(Path("data"), Path("out"))
FULL = replace(REQUEST, scale="full")
METRICS = ("rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP")


def test_the_command_offers_what_exists():
    assert tuple(EXPERIMENTS) == NAMES


# Typed by hand from the paper's tables: label -> values in the order of the table's metrics.
PUBLISHED_3 = {
    "1: 1, 1, 1": 31.43,
    "2: 1.5, 1.5, 1.5": 28.78,
    "3: 1.2, 1.2, 1.2": 29.97,
    "4: 0.8, 0.8, 0.8": 30.05,
    "5: 1, 0.5, 0.5": 26.53,
    "6: 1, 0.3, 0.3": 27.46,
    "7: 1.5, 1.2, 1.2": 29.29,
    "8: 0.5, 0.2, 0.3": 30.11,
    "9: 0.8, 0.15, 0.05": 30.14,
    "10: 0.4, 0.35, 0.25": 28.17,
}
PUBLISHED_4 = """
r5 r2 r5 r2, horizontal: 27.79 53.98 30.05
r5 r2 r5 r2, vertical: 26.37 52.27 29.05
r5 r2 r5 r2, hybrid T=1: 27.61 53.23 29.90
r5 r2 r5 r2, hybrid T=3: 27.02 52.26 29.06
i4 i3 i4 i3, horizontal: 27.89 53.58 30.10
i4 i3 i4 i3, vertical: 27.13 51.87 28.96
i4 i3 i4 i3, hybrid T=1: 28.18 53.21 30.23
i4 i3 i4 i3, hybrid T=2: 27.40 51.79 29.42
r5 r3, horizontal: 28.42 53.84 29.87
r5 r3, vertical: 26.31 53.71 29.31
i3 r3, horizontal: 27.96 53.79 30.15
i3 r3, vertical: 26.10 52.22 28.64
r5 r5 i5 i5, horizontal: 26.82 51.71 29.06
r5 r5 i5 i5, vertical: 25.29 50.69 27.32
r5 r2 i5 i2, horizontal: 28.03 54.31 30.28
r5 r2 i5 i2, vertical: 26.80 53.24 29.62
r5 r2 i5 i2, hybrid T=1: 27.18 53.35 29.72
r5 r2 i5 i2, hybrid T=3: 26.83 52.59 29.30
r4 r3 i4 i3, horizontal: 28.05 54.48 30.39
r4 r3 i4 i3, vertical: 26.81 52.83 29.93
r4 r3 i4 i3, hybrid T=1: 27.97 53.40 29.84
r4 r3 i4 i3, hybrid T=2: 24.89 50.92 26.79
r5 i5 i4 r4 r5 i5 i2 r2, horizontal: 29.28 55.35 31.43
r5 i5 i4 r4 r5 i5 i2 r2, vertical: 26.84 53.12 29.65
"""
PUBLISHED_5 = """
without RGB and IR domain: 24.30 49.61 75.62 27.51
without IR-RGB block: 25.40 50.41 76.81 28.79
without fusion block: 26.08 51.69 76.73 28.78
without upsample 2x: 26.91 52.66 77.96 29.55
whole: 29.28 55.35 81.01 31.43
"""
PUBLISHED_6 = """
changed to single SVD: 26.33 51.76 78.95 29.35
changed to double SVD: 26.93 53.27 78.86 29.40
changed to LeakyReLU: 26.96 52.74 77.67 29.42
changed to ReLU: 26.34 51.96 78.70 28.94
unchanged: 29.28 55.35 81.01 31.43
"""
PUBLISHED_8 = """
One-stream: 12.04 49.68 66.74 13.67
Two-stream: 11.65 47.99 65.50 12.85
Zero-padding: 14.80 54.12 71.33 15.95
cmGAN: 26.97 67.51 80.56 27.80
BCTR: 16.12 54.90 71.47 19.15
BDTR: 17.01 55.43 71.96 19.66
ResNet-50: 19.36 59.89 73.47 23.85
SVDNet: 21.75 58.57 73.02 25.61
FPRnet: 29.28 68.43 81.01 31.43
FPRnet + SRCNN: 30.02 69.08 81.19 32.12
FPRnet + re-ranking: 30.99 67.91 79.76 31.17
"""


@pytest.mark.parametrize(
    ("table", "metrics", "published"),
    [
        (TABLE_4, ("rank-1", "rank-5", "mAP"), PUBLISHED_4),
        (TABLE_5, ("rank-1", "rank-5", "rank-20", "mAP"), PUBLISHED_5),
        (TABLE_6, ("rank-1", "rank-5", "rank-20", "mAP"), PUBLISHED_6),
        (TABLE_8, ("rank-1", "rank-10", "rank-20", "mAP"), PUBLISHED_8),
    ],
    ids=["table4", "table5", "table6", "table8"],
)
def test_published_values_are_the_papers(table, metrics, published):
    expected = {}
    for line in published.strip().splitlines():
        label, _, numbers = line.rpartition(": ")
        expected[label] = dict(zip(metrics, map(float, numbers.split()), strict=True))
    rows = table.rows(REQUEST)
    assert table.metrics == metrics
    assert {row.label: row.published for row in rows if row.published} == expected


def test_published_weightings_are_the_papers():
    rows = TABLE_3.rows(REQUEST)
    assert {row.label: row.published["mAP"] for row in rows} == PUBLISHED_3
    config = load_config("paper", overrides=rows[8].variants[0].overrides)
    weights = (config.loss.joint_weight, config.loss.visible_weight, config.loss.infrared_weight)
    assert weights == (0.8, 0.15, 0.05)


@pytest.mark.parametrize("base", ["paper", "released"])
def test_every_row_of_tables_3_to_6_is_a_model_that_can_be_built(base):
    request = replace(REQUEST, base=base)
    rows = [row for table in (TABLE_5, TABLE_6) for row in table.rows(request)]
    assert len(rows) == (5 if base == "paper" else 4) + 5
    if base == "paper":  # tables 3 and 4 change numbers and a spec, the same way in both
        rows += [*TABLE_3.rows(request), *TABLE_4.rows(request)]
        assert len(rows) == 10 + 10 + 24
    for row in rows:
        (variant,) = row.variants
        assert variant.preset == base
        config = load_config(base, scale="tiny", overrides=variant.overrides)
        with torch.device("meta"):
            build_model(config.model, identities=3, weights=False)


def test_fusion_blocks_of_table_4_by_hand():
    specs = {row.label: row.variants[0].overrides[1] for row in TABLE_4.rows(REQUEST)}
    # a b c d: T = 1 is a b / d c, T = 2 is a c / b d, T = 3 is a b / c d.
    assert specs["r4 r3 i4 i3, hybrid T=1"] == "r4 r3 / i3 i4"
    assert specs["r4 r3 i4 i3, hybrid T=2"] == "r4 i4 / r3 i3"
    assert specs["r5 r2 i5 i2, hybrid T=3"] == "r5 r2 / i5 i2"
    assert specs["i3 r3, vertical"] == "i3 / r3"
    assert specs["r5 i5 i4 r4 r5 i5 i2 r2, horizontal"] == "r5 i5 i4 r4 r5 i5 i2 r2"


@pytest.mark.parametrize("scale", ["tiny", "full"])
def test_equal_column_of_table_8_differs_in_the_augmentation_alone(scale):
    wanted = load_config("fprnet", scale=scale).augmentation
    rows = TABLE_8.rows(replace(REQUEST, scale=scale))
    for variants in {row.variants for row in rows}:
        own, equal = (
            load_config(variant.preset, scale=scale, overrides=variant.overrides)
            for variant in variants
        )
        assert variants[0].overrides == ()
        assert equal == replace(own, augmentation=wanted)


def test_figure_6_has_people_to_validate_on_at_both_scales():
    for scale in ("tiny", "full"):
        for row in FIGURE_6.rows(replace(REQUEST, scale=scale)):
            (variant,) = row.variants
            config = load_config(variant.preset, scale=scale, overrides=variant.overrides)
            assert config.data.identities == "train", row.label
            assert config.training.validate_every == 1


def test_only_takes_patterns_and_refuses_those_that_fit_nothing():
    rows = TABLE_8.rows(REQUEST)
    assert [row.label for row in selected(rows, ["fprnet +*", "AGW"])] == [
        *("FPRnet + SRCNN", "FPRnet + re-ranking", "AGW")
    ]
    assert selected(rows, []) == rows
    with pytest.raises(UsageError, match="--only fprnett fits no row; the rows are 'One-stream'"):
        selected(rows, ["fprnett"])


def measured_rows(values, *, columns=1):
    """One Measured for each (label, published mAP, our mAP by seed)."""
    measured = []
    for label, published, ours in values:
        row = Row(
            label, (Variant("paper"),) * columns, {} if published is None else {"mAP": published}
        )
        for column in range(columns):
            runs = {
                seed: ScoredRun(
                    Training("paper", Path("d"), Path(f"o/{label}-{seed}"), "tiny"),
                    Path("d"),
                    Path("s"),
                )
                for seed in range(len(ours))
            }
            scores = {
                seed: Scored(dict.fromkeys(METRICS, value), [])
                for seed, value in enumerate(ours)
                if value is not None
            }
            measured.append(Measured(row, column, runs, scores))
    return measured


MEASURED = measured_rows(
    [("a", 30.0, (20.0, 22.0)), ("b", 25.5, (24.0, None)), ("c", None, (1, 3))]
)


def layout(**changes):
    options = {
        "title": "Scores",
        "first": "row",
        "metrics": ("mAP",),
        "with_published": True,
        "note": "",
    }
    return score_table(MEASURED, **(options | changes))


def test_full_scale_shows_published_ours_and_difference():
    (table,) = layout()
    assert table.groups == [("mAP", 3)]
    assert table.head == ["row", "published", "ours", "difference"]
    assert table.rows == [
        ["a", "30.00", "21.0 ± 1.4", "-9.0"],  # deviation of 20 and 22: sqrt(2)
        ["b", "25.50", "24.0", "-1.5"],
        ["not in the paper's table"],
        ["c", "–", "2.0 ± 1.4", "–"],
    ]


def test_miniature_shows_ours_alone():
    (table,) = layout(with_published=False)
    assert table.head == ["row", "mAP"]
    assert table.rows == [
        *(["a", "21.0 ± 1.4"], ["b", "24.0"]),
        *(["not in the paper's table"], ["c", "2.0 ± 1.4"]),
    ]


def test_terminal_shows_groups_over_their_columns_and_lines_across():
    two = measured_rows([("method", 30.0, (20.0,)), ("x", None, (1.0,))], columns=2)
    (table,) = score_table(
        two,
        title="Scores",
        first="",
        metrics=("rank-1", "mAP"),
        columns=("own", "equal"),
        with_published=False,
        note="",
    )
    assert table.text().splitlines() == [
        "        --- own ----  -- equal ---",
        "        rank-1   mAP  rank-1   mAP",
        "method    20.0  20.0    20.0  20.0",
        "-- not in the paper's table ------",
        "x          1.0   1.0     1.0   1.0",
    ]


def test_csv_has_published_values_at_full_scale_only():
    rows = score_rows(MEASURED, ("",), FULL)
    assert [(r["row"], r["seed"], r["mAP"]) for r in rows] == [
        *(("a", 0, 20.0), ("a", 1, 22.0), ("b", 0, 24.0), ("b", 1, "")),
        *(("c", 0, 1), ("c", 1, 3)),
    ]
    assert [r["published mAP"] for r in rows] == [30.0, 30.0, 25.5, 25.5, "", ""]
    assert rows[3]["run"] == "b-1"
    assert "published mAP" not in score_rows(MEASURED, ("",), REQUEST)[0]


def test_order_is_compared_with_the_papers():
    same = measured_rows([("a", 1.0, (5,)), ("b", 2.0, (6,)), ("c", 3.0, (9,))])
    assert "Rank correlation of the two orders by mAP: +1.00" in order_note(same, "mAP")
    # Ranks 1 2 3 against 2 1 3: 1 - 6 (1 + 1 + 0) / (3 (9 - 1)) = 0.5.
    other = measured_rows([("a", 1.0, (6,)), ("b", 2.0, (5,)), ("c", 3.0, (9,))])
    assert "+0.50" in order_note(other, "mAP")
    best = measured_rows([("a", 1.0, (9,)), ("b", 2.0, (5,)), ("c", 3.0, (6,))])
    assert order_note(best, "mAP").startswith(
        "Best mAP here: a; in the paper, among these rows: c."
    )


def test_epochs_to_ninety_percent_of_the_final_value():
    history = [{"epoch": e, "mAP": m} for e, m in enumerate((2.0, 8.9, 9.0, 8.0, 10.0), start=1)]
    assert epochs_to_share(history, "mAP")["epoch"] == 3
    falling = [{"epoch": 1, "mAP": 9.5}, {"epoch": 2, "mAP": 9.0}]
    assert epochs_to_share(falling, "mAP")["epoch"] == 1


def test_pages_show_groups_and_lines_and_a_collection_has_contents():
    (table,) = layout()
    page = TablePage("Table <1>", "about", [table], [], ["no evidence"], [])
    html = render_tables(page)
    assert '<th class="group" colspan="3">mAP</th>' in html
    assert '<th class="line" scope="rowgroup" colspan="4">not in the paper&#39;s table</th>' in html
    whole = render_collection(Collection("all", "everything", [page, page]))
    assert whole.count("Table &lt;1&gt;</a>") == 2
    assert '<section id="part-2">' in whole


@pytest.fixture
def shop(tiny_set, trained, tmp_path):
    """Make a workshop with changes of the request."""

    def make(**changes):
        weights = trained / "checkpoints" / "best.pt"
        return Workshop(Request(tiny_set, tmp_path / "out", weights=weights, **changes))

    return make


def name_of(workshop, *overrides, preset="paper", seed=0):
    return workshop.scored_run(Variant(preset, overrides), seed).training.out.name


def test_runs_are_named_by_what_they_compute(shop, trained, tmp_path):
    plain = name_of(shop())
    assert name_of(shop(), "--loss.joint_weight", "1.0") == plain  # what the preset has anyway
    assert name_of(shop(), "--loss.joint_weight", "1.5") != plain
    assert name_of(shop(overrides=("--training.epochs", "1"))) != plain
    assert name_of(shop(overrides=("--training.threads", "2"))) == plain
    assert name_of(shop(), seed=1) == plain.replace("seed0", "seed1")
    assert name_of(shop(scale="full")) != plain
    copy = tmp_path / "copy.pt"
    copy.write_bytes((trained / "checkpoints" / "best.pt").read_bytes())
    assert name_of(Workshop(replace(shop().request, weights=copy))) == plain
    copy.write_bytes(b"other weights")
    assert name_of(Workshop(replace(shop().request, weights=copy))) != plain


def test_other_images_are_another_run_wherever_they_lie(shop, tiny_set, tmp_path):
    import shutil

    plain = name_of(shop())
    moved = tmp_path / "moved"
    shutil.copytree(tiny_set, moved)
    assert name_of(Workshop(replace(shop().request, data=moved))) == plain
    image = next((moved / "cam1").rglob("*.jpg"))
    image.write_bytes(image.read_bytes() + b"\0")
    assert name_of(Workshop(replace(shop().request, data=moved))) != plain


@pytest.mark.parametrize(
    ("words", "error", "told"),
    [
        (("--loss.game", "sum", "--data.root", "x"), UsageError, "--data.root is given as --data"),
        (("--seed", "3"), UsageError, "--seed is given as --seeds here"),
        (("--frobnicate", "3"), UsageError, "unknown option --frobnicate"),
        (("--loss.game", "none"), ConfigError, "preset paper: config: loss.game is none"),
        (("--model.pyramid.order", "linear"), UsageError, "the rows of this experiment differ in"),
    ],
)
def test_overrides_that_cannot_be(shop, words, error, told):
    variant = Variant("paper", ("--model.pyramid.order", "none"))
    with pytest.raises(error, match=told):
        shop(overrides=words).scored_run(variant, 0)


def test_warm_start_takes_what_makes_it_smaller(tiny_set, tmp_path):
    words = ("--training.epochs=1", "--loss.game", "sum", "--model.width", "16")
    warm = Workshop(Request(tiny_set, tmp_path, overrides=words)).warm_start
    assert warm.overrides == ("--training.epochs=1", "--model.width=16")
    assert warm.epochs == 1
    other = Workshop(Request(tiny_set, tmp_path, overrides=words[:3])).warm_start
    assert other.out != warm.out


def test_damaged_scores_are_named(shop):
    run = shop().scored_run(Variant("paper"), 0)
    assert run.read("plain") is None
    run.scores.parent.mkdir(parents=True)
    run.scores.write_text(json.dumps({"scores": {}}))
    with pytest.raises(UsageError, match=r"json is damaged; remove it"):
        run.read("plain")
