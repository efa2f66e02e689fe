"""The page on rendered people: its commands, its site file and its code work as written."""

import shlex

import pytest
from PIL import Image

from documents import blocks
from fprnet_lab.people.site import read_site

FEW = {
    "generate": ("--identities", "1", "--validation-identities", "1", "--test-identities", "1",
                 "--images-per-camera", "1", "--size", "48x24", "--workers", "1"),
    "film": ("--identities", "1", "--seconds", "0.2", "--size", "96x128"),
    "card": (),
}  # fmt: skip
WITHOUT_VALIDATION = ("regdb", "hitsz-vcm")


@pytest.fixture
def site_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (text,) = blocks("people.md", "yaml")
    (tmp_path / "site.yaml").write_text(text)
    return tmp_path / "site.yaml"


@pytest.mark.slow
def test_commands(fprnet, site_file):
    lines = [
        shlex.split(line, comments=True)
        for line in blocks("people.md", "text")[0].splitlines()
        if line.startswith("fprnet")
    ]
    assert {words[2] for words in lines} == set(FEW)
    for words in lines:
        few = list(FEW[words[2]])
        if set(WITHOUT_VALIDATION) & set(words):
            del few[2:4]
        result = fprnet(*words[1:], *few)
        assert result.status == 0, (words, result.err)


def test_site_file(site_file):
    site = read_site(site_file)
    assert site.season == 0.2
    assert [number for number, _ in site.cameras] == [1, 3]


def test_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("people.md", "python")
    exec(compile(code, "people.md", "exec"), {})
    with Image.open("sheet.png") as sheet:
        assert sheet.size == (6 * 34, 2 * 66)
