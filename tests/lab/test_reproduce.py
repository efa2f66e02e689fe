"""``fprnet reproduce`` and ``fprnet search-fusion``: what they offer, and mistakes."""

import pytest

from fprnet.cli.main import main


@pytest.mark.parametrize("name", ["reproduce", "search-fusion"])
def test_help_shows_an_example_and_how_to_shrink(capsys, name):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    _, _, example = capsys.readouterr().out.partition("example:\n")
    assert f"fprnet {name} " in example
    assert "--training.epochs" in example


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["table9"], "invalid choice: 'table9'"),
        (["table8", "--base", "released"], "--base has no effect on table8"),
        (["all", "--only", "FPRnet"], "--only chooses rows of one table, not of all"),
        (["table4", "--only", "r6*"], "--only r6* fits no row; the rows are 'r5 r2 r5 r2"),
        (["table5", "--seed", "3"], "--seed is given as --seeds here"),
        (["table5", "--loss.discrepancy", "none"], "is what the rows of this experiment differ in"),
        (["table3", "--loss.gaem", "sum"], "loss.gaem is not an option"),
        (["table7", "--superres.stepps", "3"], "did you mean steps"),
        (["table5", "--weights", "nothing.pt"], "nothing.pt does not exist"),
        (["table5", "--split", "1"], "which has one split; leave --split out"),
    ],
)
def test_mistakes_of_reproduce_are_one_line_and_write_nothing(
    fprnet, tiny_set, tmp_path, words, told
):
    out = tmp_path / "out"
    result = fprnet("reproduce", *words, "--data", tiny_set, "--out", out)
    assert result.status == 2
    assert told in result.complaint
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "the following arguments are required: --budget"),
        (["--budget", "0"], "'0' is not a whole number above 0"),
        (["--budget", "9999"], "different fusion specs, not 9999; give a smaller --budget"),
        (["--budget", "2", "--training.selection", "last"], "differ in; leave it out"),
        (["--budget", "2", "--model.head.fusion", "r5 i5"], "differ in; leave it out"),
        (["--budget", "2", "--training.validate_every", "0"], "training.validate_every is 0; set"),
    ],
)
def test_mistakes_of_search_fusion_are_one_line(fprnet, tiny_set, tmp_path, words, told):
    out = tmp_path / "out"
    result = fprnet("search-fusion", *words, "--data", tiny_set, "--out", out)
    assert result.status == 2
    assert told in result.complaint
    assert not out.exists()


def test_out_that_is_a_file_is_one_line(fprnet, tiny_set, tmp_path):
    file = tmp_path / "file"
    file.touch()
    result = fprnet("reproduce", "table5", "--data", tiny_set, "--out", file)
    assert result.status == 2
    assert f"--out {file} cannot be a folder (File exists)" in result.complaint
