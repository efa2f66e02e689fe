"""Tables and figures: how rows become runs, and how results are laid out."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fprnet.errors import ConfigError, UsageError
from fprnet_lab.cli.reproduce import NAMES
from fprnet_lab.jobs import Training
from fprnet_lab.reporting.page import Collection, TablePage, render_collection, render_tables
from fprnet_lab.reproduction.figures import epochs_to_share
from fprnet_lab.reproduction.published import Row, read_table
from fprnet_lab.reproduction.registry import EXPERIMENTS
from fprnet_lab.reproduction.request import Request
from fprnet_lab.reproduction.rows import (
    Measured,
    failures_of,
    jobs_of,
    measure,
    order_note,
    score_rows,
    score_table,
    selected,
)
from fprnet_lab.reproduction.run_cache import RunCache
from fprnet_lab.reproduction.runs import Scored, ScoredRun, Variant

REQUEST = Request(Path("data"), Path("out"))
FULL = replace(REQUEST, scale="full")
METRICS = ("rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP")


def test_the_command_offers_what_exists():
    assert tuple(EXPERIMENTS) == NAMES


def test_only_takes_patterns_and_refuses_those_that_fit_nothing():
    rows = read_table("table8").rows_of(REQUEST)
    assert [row.label for row in selected(rows, ["fprnet +*", "AGW"])] == [
        *("FPRnet + SRCNN", "FPRnet + re-ranking", "AGW")
    ]
    assert selected(rows, []) == rows
    with pytest.raises(UsageError, match="--only fprnett fits no row; the rows are 'One-stream'"):
        selected(rows, ["fprnett"])


def measured_rows(values, *, columns=1):
    """One Measured for each (label, published mAP, our mAP by seed); None: not the paper's row."""
    measured = []
    for label, published, ours in values:
        line = "not in the paper's table" if published is None else None
        values = {} if published is None else {"mAP": published}
        row = Row(label, (Variant("paper"),) * columns, values, line=line)
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
        "           own   own   equal  equal",
        "        rank-1   mAP  rank-1    mAP",
        "method    20.0  20.0    20.0   20.0",
        "-- not in the paper's table -------",
        "x          1.0   1.0     1.0    1.0",
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


def test_rows_that_stand_apart_are_not_counted_in_the_order():
    rows = measured_rows([("a", 1.0, (5,)), ("b", 2.0, (6,)), ("c", 3.0, (9,))])
    apart = replace(rows[0].row, label="d", line="apart", source="elsewhere")
    best = replace(rows[0], row=apart, scores={0: Scored({"mAP": 99.0}, [])})
    assert order_note([*rows, best], "mAP") == order_note(rows, "mAP")


def test_published_values_of_rows_that_stand_apart_name_their_source():
    (measured,) = measured_rows([("d", 1.0, (5,))])
    row = replace(measured.row, line="not in the paper's table", source="mAP of Table 8, row e")
    (table,) = score_table(
        [replace(measured, row=row)],
        title="Scores",
        first="",
        metrics=("mAP",),
        with_published=True,
        note="",
        where="Table 5, section 4.2.2",
    )
    assert "Published: Table 5, section 4.2.2" in table.note
    assert "d: mAP of Table 8, row e." in table.note


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
def caches(tiny_set, trained, tmp_path):
    """Make a run cache with changes of the request."""

    def make(**changes):
        weights = trained / "checkpoints" / "best.pt"
        return RunCache(Request(tiny_set, tmp_path / "out", weights=weights, **changes))

    return make


def name_of(cache, *overrides, preset="paper", seed=0):
    return cache.scored_run(Variant(preset, overrides), seed).training.out.name


def test_runs_are_named_by_what_they_compute(caches, trained, tmp_path):
    plain = name_of(caches())
    assert name_of(caches(), "--loss.joint_weight", "1.0") == plain  # what the preset has anyway
    assert name_of(caches(), "--loss.joint_weight", "1.5") != plain
    assert name_of(caches(overrides=("--training.epochs", "1"))) != plain
    assert name_of(caches(overrides=("--training.threads", "2"))) == plain
    assert name_of(caches(), seed=1) == plain.replace("seed0", "seed1")
    assert name_of(caches(scale="full")) != plain
    copy = tmp_path / "copy.pt"
    copy.write_bytes((trained / "checkpoints" / "best.pt").read_bytes())
    assert name_of(RunCache(replace(caches().request, weights=copy))) == plain
    copy.write_bytes(b"other weights")
    assert name_of(RunCache(replace(caches().request, weights=copy))) != plain


def test_rows_that_the_overrides_do_not_fit_are_left_out_and_said(caches):
    cache = caches(overrides=("--training.epochs", "1"))
    rows = read_table("table8").rows_of(cache.request)
    jobs = jobs_of(cache, rows)
    assert set(cache.left_out) == {"SVDNet"}
    assert "base_epochs" in cache.left_out["SVDNet"]
    assert not any("svdnet" in job.name for job in jobs)
    possible = [v for row in rows if row.label != "SVDNet" for v in row.variants]
    assert len(jobs) == len(possible)
    measured = measure(cache, [row for row in rows if row.label == "SVDNet"])
    assert [one.cell("mAP") for one in measured] == ["left out", "left out"]
    (paragraph,) = failures_of(measured)
    assert "'SVDNet' is left out" in paragraph
    assert "base_epochs" in paragraph
    cells = score_rows(measured, ("own", "equal"), cache.request)
    assert [(c["row"], c["seed"], c["mAP"], c["run"]) for c in cells] == [("SVDNet", 0, "", "")] * 2


def test_overrides_that_fit_no_row_are_a_fault(caches):
    cache = caches(overrides=("--training.epochs", "0"))
    with pytest.raises(ConfigError, match=r"training\.epochs is 0"):
        jobs_of(cache, read_table("table5").rows_of(cache.request))
    assert not cache.request.out.exists()


def test_overrides_of_srcnn_are_checked_whatever_is_trained(caches):
    with pytest.raises(ConfigError, match="did you mean steps"):
        caches(overrides=("--superres.stepps", "3"))


def test_super_resolved_data_sets_differ_by_network_and_input_size(caches):
    cache = caches()
    rows = {row.label: row for row in read_table("table8").rows_of(cache.request)}
    ours, text, code = (
        rows[f"{name} + SRCNN"].variants[0].superres
        for name in ("FPRnet", "FPRnet, the paper's text,", "FPRnet, the authors' code,")
    )
    assert cache.super_resolved(text) is cache.super_resolved(code)
    assert cache.super_resolved(ours).out != cache.super_resolved(text).out
    literal = cache.super_resolved(text).arguments
    assert literal[literal.index("--input-size") + 1] == "128x128"
    assert "--input-size" not in cache.super_resolved(ours).arguments
    run = cache.scored_run(rows["FPRnet, the paper's text, + SRCNN"].variants[0], 0)
    assert run.training.data == cache.super_resolved(text).out
    assert run.data == cache.request.data  # tested on the original images
    assert cache.super_resolved(text).job in run.needs


def test_other_images_are_another_run_wherever_they_lie(caches, tiny_set, tmp_path):
    import shutil

    plain = name_of(caches())
    moved = tmp_path / "moved"
    shutil.copytree(tiny_set, moved)
    assert name_of(RunCache(replace(caches().request, data=moved))) == plain
    image = next((moved / "cam1").rglob("*.jpg"))
    image.write_bytes(image.read_bytes() + b"\0")
    assert name_of(RunCache(replace(caches().request, data=moved))) != plain


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
def test_overrides_that_cannot_be(caches, words, error, told):
    variant = Variant("paper", ("--model.pyramid.order", "none"))
    with pytest.raises(error, match=told):
        caches(overrides=words).scored_run(variant, 0)


def test_warm_start_takes_what_makes_it_smaller(tiny_set, tmp_path):
    words = ("--training.epochs=1", "--loss.game", "sum", "--model.backbone.width", "16")
    warm = RunCache(Request(tiny_set, tmp_path, overrides=words)).warm_start
    assert warm.training.overrides == ("--training.epochs=1", "--model.backbone.width=16")
    assert warm.training.epochs == 1
    other = RunCache(Request(tiny_set, tmp_path, overrides=words[:3])).warm_start
    assert other.training.out != warm.training.out


def test_damaged_scores_are_named(caches):
    run = caches().scored_run(Variant("paper"), 0)
    assert run.read("plain") is None
    run.scores.parent.mkdir(parents=True)
    run.scores.write_text(json.dumps({"scores": {}}))
    with pytest.raises(UsageError, match=r"json is damaged; remove it"):
        run.read("plain")
