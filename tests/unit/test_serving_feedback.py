"""Right and wrong: stored, taken back, forgotten, and given out as labels."""

import json
from dataclasses import replace

import pytest

from fprnet.serving.feedback import Feedback, Judgement
from fprnet.serving.labels import as_csv, groups

QUERY, OTHER, MATCH = "a" * 64, "b" * 64, "c" * 64


def judgement(verdict="right", queries=(QUERY,), match=MATCH, **changes) -> Judgement:
    made = Judgement(
        time="2026-03-01T08:00:00Z",
        by="ward-3",
        query_sha256=tuple(queries),
        query_files=tuple(f"{query}.png" for query in queries),
        query_modality="infrared",
        match=match,
        verdict=verdict,
        similarity=0.5,
    )
    return replace(made, **changes)


def test_last_word_counts_and_survives_a_restart(tmp_path):
    feedback = Feedback(tmp_path)
    for verdict in ("right", "wrong"):
        feedback.add(judgement(verdict), [b"image"])
    assert feedback.marks([QUERY]) == {MATCH: "wrong"}
    assert [one.verdict for one in Feedback(tmp_path).all()] == ["wrong"]
    feedback.add(judgement("none"), [b"image"])
    assert Feedback(tmp_path).marks([QUERY]) == {}
    assert Feedback(tmp_path).all() == []
    assert len((tmp_path / "feedback.jsonl").read_text().splitlines()) == 3
    assert (tmp_path / f"{QUERY}.png").read_bytes() == b"image"


def test_order_of_the_query_images_does_not_matter(tmp_path):
    feedback = Feedback(tmp_path)
    feedback.add(judgement(queries=(QUERY, OTHER)), [b"1", b"2"])
    assert feedback.marks([OTHER, QUERY]) == {MATCH: "right"}
    assert feedback.marks([QUERY]) == {}


def test_half_a_line_of_a_killed_process_is_left_out(tmp_path):
    feedback = Feedback(tmp_path)
    feedback.add(judgement(), [b"image"])
    file = tmp_path / "feedback.jsonl"
    file.write_text(file.read_text() + file.read_text()[:50])
    again = Feedback(tmp_path)
    assert again.marks([QUERY]) == {MATCH: "right"}
    again.add(judgement("wrong", match="d" * 64), [b"image"])
    assert Feedback(tmp_path).marks([QUERY]) == {MATCH: "right", "d" * 64: "wrong"}


def test_erased_record_takes_its_judgements_and_images_along(tmp_path):
    feedback = Feedback(tmp_path)
    feedback.add(judgement(queries=(QUERY,)), [b"1"])
    feedback.add(judgement(queries=(OTHER,)), [b"2"])
    feedback.add(judgement(queries=(OTHER,), match="d" * 64), [b"2"])
    assert feedback.forget(MATCH) == 2
    assert [one.match for one in Feedback(tmp_path).all()] == ["d" * 64]
    assert MATCH not in (tmp_path / "feedback.jsonl").read_text()
    assert sorted(file.name for file in tmp_path.glob("*.png")) == [f"{OTHER}.png"]
    assert feedback.forget(OTHER) == 1  # erased as a record, it was a query, too
    assert list(tmp_path.glob("*.png")) == []
    assert feedback.forget(OTHER) == 0


def test_table_has_a_row_for_each_query_image():
    text = as_csv([judgement(queries=(QUERY, OTHER), note='=cmd("x"), really\n')])
    header, first, second, *_ = text.splitlines()
    assert header.startswith("query_sha256,query_modality,match,verdict")
    assert first.startswith(f"{QUERY},infrared,{MATCH},right,0.5,2026-03-01T08:00:00Z,ward-3,")
    assert second.startswith('"') or "'=cmd" in text  # no spreadsheet runs it
    assert "'=cmd" in text


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], []),
        ([("a", "b")], [["a", "b"]]),
        ([("a", "b"), ("c", "d")], [["a", "b"], ["c", "d"]]),
        ([("a", "b"), ("c", "d"), ("d", "a")], [["a", "b", "c", "d"]]),
        ([("a", "b", "e"), ("e", "f"), ("x", "x")], [["a", "b", "e", "f"], ["x"]]),
    ],
)
def test_people_are_what_is_connected(pairs, expected):
    assert groups(pairs) == expected


def test_file_is_json_lines(tmp_path):
    Feedback(tmp_path).add(judgement(note="left arm"), [b"image"])
    [line] = (tmp_path / "feedback.jsonl").read_text().splitlines()
    assert json.loads(line)["note"] == "left arm"
