"""The pages about Python and about extending fprnet work as they are written."""

import re
import shlex

import pytest

from conftest import ROOT, TINY

DOCS = ROOT / "docs"
SHORT = (*TINY[2:], "--training.threads", "1", "--max-steps", "1")


@pytest.fixture
def workplace(tiny_set, two_folders, tmp_path, monkeypatch):
    """A folder where the pages' names stand for small things."""
    (tmp_path / "generated").symlink_to(tiny_set, target_is_directory=True)
    for folder in ("day", "night"):
        (tmp_path / "mine" / folder).mkdir(parents=True)
        for file in (two_folders / folder).iterdir():
            identity, camera, number = file.stem.split("_")
            name = f"{identity}_{camera}{number}.jpg"
            (tmp_path / "mine" / folder / name).symlink_to(file)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FPRNET_PLUGINS", "")
    return tmp_path


def blocks(name: str) -> list[tuple[str, str, str]]:
    """Return language, title and text of a page's code blocks."""
    text = (DOCS / name).read_text(encoding="utf-8")
    return re.findall(r'```(\w+)(?: title="([^"]+)")?\n(.*?)```', text, flags=re.DOTALL)


@pytest.mark.slow
@pytest.mark.usefixtures("workplace")
def test_page_about_python(capfd):
    code = [text for language, _, text in blocks("python.md") if language == "python"]
    assert len(code) >= 6
    namespace = {"__name__": "__main__"}
    for number, text in enumerate(code, start=1):
        exec(compile(text, f"python.md, block {number}", "exec"), namespace)
    out = capfd.readouterr().out
    assert "12 people train, 6 are tested" in out
    assert "(2, 512) float32" in out or "(2, 256) float32" in out
    assert "precision_at_5" in out


@pytest.mark.slow
@pytest.mark.usefixtures("stranger")
def test_page_about_extending(fprnet, workplace, monkeypatch):
    files = 0
    lines = 0
    for language, title, text in blocks("extending.md"):
        if title:
            (workplace / title).write_text(text)
            files += 1
        if language != "sh":
            continue
        for words in map(shlex.split, text.splitlines()):
            if words[0] == "pip":
                assert (ROOT / words[-1] / "pyproject.toml").is_file()  # the fixture installs it
                continue
            monkeypatch.setenv("FPRNET_PLUGINS", "")
            few = SHORT if words[1] == "train" else ()
            result = fprnet(*words[1:], *few)
            assert result.status == 0, (words, result.err)
            lines += 1
    assert (files, lines) == (14, 23)


def test_every_command_of_the_page_names_its_plugin():
    shell = [text for language, _, text in blocks("extending.md") if language == "sh"]
    lines = [shlex.split(line) for text in shell for line in text.splitlines()]
    assert len(lines) >= 15
    need_none = ["runs/loss", "exported-method"]  # the code of a loss; graphs need no code at all
    bare = [words for words in lines if words[0] == "fprnet" and "--plugin" not in words]
    assert bare == [["fprnet", "evaluate", model, "--data", "generated"] for model in need_none]
