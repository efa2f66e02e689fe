"""Rows of papers' tables: columns are never mixed, the best is bold, names are escaped."""

import pytest

from fprnet.errors import UsageError
from fprnet.evaluation.result_rows import result_table


def result(rank_1, m_ap, *, label="plain", name="sysu-mm01/all/1-shot@1", **more):
    row = {"rank-1": {"mean": rank_1}, "mAP": {"mean": m_ap}}
    return {"protocol": "x", "published_as": name, "trials": 10, "scores": {label: row}, **more}


def test_markdown_by_hand() -> None:
    ours = result(0.5, 0.25)
    ours["scores"]["rerank"] = {"rank-1": {"mean": 0.6}, "mAP": {"mean": 0.55}}
    text = result_table([("ours", ours), ("a|b", result(0.4, 0.3))], "markdown")
    name = "sysu-mm01/all/1-shot@1"
    assert text.splitlines() == [
        f"| method | rank-1 ({name}, plain) | mAP ({name}, plain) | rank-1 ({name}, rerank) "
        f"| mAP ({name}, rerank) |",
        "|---|---:|---:|---:|---:|",
        "| ours | **50.00** | 25.00 | **60.00** | **55.00** |",
        r"| a\|b | 40.00 | **30.00** | – | – |",
    ]


def test_latex_by_hand() -> None:
    other = result(0.4, 0.3, name="regdb/infrared-to-visible@1", split=3)
    text = result_table([("our_s", result(0.5, 0.25)), ("our_s", other)], "latex", metrics=["mAP"])
    assert text.splitlines() == [
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r" & \multicolumn{1}{c}{sysu-mm01/all/1-shot@1, plain} & "
        r"\multicolumn{1}{c}{regdb/infrared-to-visible@1 split 3, plain} \\",
        r"method & mAP & mAP \\",
        r"\midrule",
        r"our\_s & 25.00 & 30.00 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_protocols_without_a_name_say_their_options() -> None:
    text = result_table([("a", result(0.5, 0.2, name=None, mode="all", shots=3))], "markdown")
    assert "rank-1 (x, mode all, shots 3, trials 10, plain)" in text


def test_corrupted_scores_are_columns_of_their_own() -> None:
    corrupted = {"version": "corruptions@1", "name": "mixed", "scores": {"mAP": {"mean": 0.1}}}
    text = result_table([("a", result(0.5, 0.2, corrupted=corrupted))], "markdown")
    assert "mAP (sysu-mm01/all/1-shot@1, corruptions@1 mixed)" in text
    assert text.endswith("| 50.00 | 20.00 | 10.00 |")


def run(rank_1, sha, **more):
    return result(rank_1, 0.2, model={"checkpoint_sha256": sha}, metric="euclidean", **more)


def test_runs_of_one_name_become_mean_and_deviation() -> None:
    # Of 0.40, 0.50, 0.60 the mean is 0.50 and the sample deviation 0.10; mAP is always 0.20.
    ours = [("ours", run(value, sha)) for value, sha in ((0.4, "a"), (0.5, "b"), (0.6, "c"))]
    text = result_table([*ours, ("theirs", run(0.45, "d"))], "markdown", metrics=["rank-1"])
    assert text.splitlines()[2:] == ["| ours (3 runs) | **50.00** ± 10.00 |", "| theirs | 45.00 |"]
    latex = result_table([*ours, ("theirs", run(0.45, "d"))], "latex", metrics=["rank-1"])
    assert r"ours (3 runs) & \textbf{50.00} $\pm$ 10.00 \\" in latex


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        (run(0.4, "a"), "by one model"),
        (run(0.4, "b") | {"metric": "cosine"}, "metric cosine and euclidean"),
        (run(0.4, "b") | {"postprocessing": {"rerank": {"k1": 1}}}, "postprocessing"),
        (result(0.4, 0.2, label="flip", metric="euclidean"), ""),
    ],
)
def test_what_is_no_second_run_has_no_mean(other, fault) -> None:
    results = [("ours", run(0.5, "a")), ("ours", other)]
    if not fault:  # another way of ranking is a group of columns of its own
        assert result_table(results, "markdown").endswith("| 50.00 | 20.00 | 40.00 | 20.00 |")
        return
    with pytest.raises(UsageError, match=fault):
        result_table(results, "markdown")


def test_columns_of_one_row_are_of_as_many_runs() -> None:
    indoor = run(0.4, "a", name="sysu-mm01/indoor/1-shot@1")
    with pytest.raises(UsageError, match=r"2 runs with .*all.* but 1 with .*indoor"):
        result_table([("a", run(0.5, "a")), ("a", run(0.6, "b")), ("a", indoor)], "markdown")


def test_bad_tables_are_one_line() -> None:
    with pytest.raises(UsageError, match="a has two results of sysu"):
        result_table([("a", result(0.5, 0.2)), ("a", result(0.5, 0.2))], "latex")
    with pytest.raises(UsageError, match="metric mINP is in none"):
        result_table([("a", result(0.5, 0.2))], "markdown", metrics=["mINP"])
