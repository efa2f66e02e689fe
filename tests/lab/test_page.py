"""The operator's page before a browser sees it: its files, its words, its template."""

import json
import re
import subprocess
import tomllib
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from conftest import ROOT
from fprnet.serving.page import LANGUAGES, asset, language_of, render

FOLDER = ROOT / "src" / "fprnet" / "serving" / "page"
MODULES = sorted((FOLDER / "js").glob("*.js"))
ENDINGS = (".one", ".other")  # of texts that count something


def catalogue(language):
    return json.loads((FOLDER / "translations" / f"{language}.json").read_text("utf-8"))


def test_both_languages_say_the_same_things():
    english, chinese = catalogue("en"), catalogue("zh")
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        told, said = (set(re.findall(r"\{(\w+)\}", words)) for words in (text, chinese[key]))
        # "One image" need not name the number; nothing else may be lost in translation.
        assert told == said or (key.endswith(".one") and told < said), key
        assert text.strip() == text
        assert text
    # Chinese is in Chinese: what has none is a name or a value.
    foreign = [key for key, text in chinese.items() if not re.search(r"[\u4e00-\u9fff]", text)]
    names = {"page.name", "confirm.id", "match.probability-is"}
    assert set(foreign) == names


def test_texts_that_count_have_both_forms():
    for language in LANGUAGES:
        keys = catalogue(language).keys()
        counted = {key.removesuffix(end) for key in keys for end in ENDINGS if key.endswith(end)}
        assert all(key + end in keys for key in counted for end in ENDINGS)


def test_every_text_is_used_and_every_used_text_is_there():
    code = "\n".join(file.read_text("utf-8") for file in MODULES)
    template = (FOLDER / "templates" / "page.html.j2").read_text("utf-8")
    keys = {key.removesuffix(".one").removesuffix(".other") for key in catalogue("en")}
    said = set(re.findall(r'"([a-z_]+(?:\.[a-z_-]+)+)"', code + template))
    # Keys that are put together: `mark.${verdict}` stands for mark.right and mark.wrong.
    built = [text for text in re.findall(r"`((?:[a-z_.-]|\$\{[^}]*\})+)`", code) if "." in text]
    built += ["filters.identity.${choice}", "filters.queries.${choice}", "filters.among.${choice}"]
    built += ["empty.${step}"]
    patterns = [
        "".join("[a-z_.-]+" if part.startswith("$") else re.escape(part) for part in parts)
        for parts in (re.split(r"(\$\{[^}]*\})", text) for text in built)
    ]
    assert "mark\\.[a-z_.-]+" in patterns
    unused = {key for key in keys - said if not any(re.fullmatch(p, key) for p in patterns)}
    assert unused == set()
    missing = [key for key in re.findall(r'say\("([^"]+)"', code) if key not in keys]
    assert missing == []


# Attribute that people read -> the mark that translates it.
READ = {"aria-label": "say-label", "title": "say-title", "placeholder": "say-hint", "alt": ""}


class Texts(HTMLParser):
    """Texts of a document, and attributes that people read, without a mark that translates them."""

    def __init__(self):
        super().__init__()
        self.stack = []
        self.loose = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        for name, mark in READ.items():
            if given.get(name) and f"data-{mark}" not in given:
                self.loose.append(given[name])
        if tag not in ("meta", "link", "img", "input"):
            self.stack.append("data-say" in given)

    def handle_endtag(self, tag):
        self.stack.pop()

    def handle_data(self, data):
        if data.strip() and not self.stack[-1]:
            self.loose.append(data.strip())


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_written_into_the_template(language):
    parser = Texts()
    parser.feed(render(language).removeprefix("<!doctype html>"))
    # Numbers of matches to choose from are the same in both languages.
    assert parser.loose == ["10", "20", "50", "100"]
    assert parser.stack == []


def test_modules_hold_no_texts():
    for file in MODULES:
        code = re.sub(r"//.*|/\*[^/]*\*/", "", file.read_text("utf-8"))
        assert not re.search(r"[\u4e00-\u9fff]", code.replace("中文", ""))
        sentences = re.findall(r'"[A-Z][a-z]+ [a-z]+[^"]*"', code)
        assert sentences == [], file.name


def test_the_page_keeps_the_strict_policy():
    """No inline script or style, nothing from elsewhere, no eval."""
    page = render("en")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=|javascript:", page)
    for file in (*MODULES, *(FOLDER / "css").glob("*.css"), *(FOLDER / "icons").glob("*.svg")):
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(
            r"https?://|\beval\(|new Function|innerHTML|setAttribute\(\"style", text
        )
        assert len(text.splitlines()) < 400, file.name


def test_every_file_that_the_page_asks_for_is_there():
    page = render("en")
    for address in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert asset(address.removeprefix("page/")) is not None, address
    styles = "\n".join(file.read_text("utf-8") for file in (FOLDER / "css").glob("*.css"))
    for address in re.findall(r"url\(\.\./([^)]+)\)", styles):
        assert asset(address) is not None, address
    icons = set(re.findall(r"\.icon-(\w+) ", styles))
    used = set(re.findall(r'icon\("(\w+)"\)', page + styles))
    assert used <= icons
    for file in MODULES:
        for name in re.findall(r'from "\./([\w.]+)"', file.read_text("utf-8")):
            assert asset(f"js/{name}") is not None


def test_assets_have_types_and_tags():
    script = asset("js/main.js")
    assert script is not None
    assert script.media_type == "text/javascript; charset=utf-8"
    assert script.content == (FOLDER / "js" / "main.js").read_bytes()
    other = asset("css/base.css")
    assert other is not None
    assert other.media_type == "text/css; charset=utf-8"
    assert re.fullmatch(r'"[0-9a-f]{32}"', script.etag)
    assert script.etag != other.etag


def test_icons_are_within_the_style_sheets():
    sent = asset("css/base.css")
    assert sent is not None
    assert b"url(../" not in sent.content
    embedded = re.findall(rb'url\("data:image/svg\+xml,([^"]+)"\)', sent.content)
    assert len(embedded) == len(
        re.findall(r"^\.icon-", (FOLDER / "css/base.css").read_text(), re.M)
    )
    [offline] = re.findall(
        rb'\.icon-offline \{ --icon: url\("data:image/svg\+xml,([^"]+)', sent.content
    )
    assert unquote(offline.decode()) == (FOLDER / "icons/offline.svg").read_text("utf-8").strip()


def test_the_wheel_has_every_file_of_the_page():
    """It takes the package's folder, but for what git ignores."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"] == {
        "packages": ["src/fprnet", "src/fprnet_lab"],
        "exclude": ["src/fprnet/methods/*/test_*.py"],
    }
    shipped = [file for file in FOLDER.rglob("*.*") if "__pycache__" not in file.parts]
    assert {file.suffix for file in shipped} == {".py", ".css", ".js", ".json", ".svg", ".j2"}
    words = ["git", "check-ignore", "--no-index", *map(str, shipped)]
    if not (ROOT / ".git").exists():
        pytest.skip("what git ignores is known in a checkout only")
    ignored = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ignored.returncode, ignored.stdout) == (1, "")


@pytest.mark.parametrize(
    "path", ["", "js", "js/", "../files.py", "files.py", "templates/page.html.j2", "js/../files.py"]
)
def test_nothing_else_is_sent(path):
    assert asset(path) is None


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("*", "en"),
        ("zh", "zh"),
        ("zh-Hant-TW,zh;q=0.8", "zh"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("en;q=0.5, zh;q=0.8", "zh"),
        ("fr, de;q=0.9, zh;q=0.1", "zh"),
        ("zh;q=0, en", "en"),
        ("zh;q=much, en;q=0.1", "en"),
        ("zh;level=1", "zh"),
    ],
)
def test_language_of_a_browser(header, language):
    assert language_of(header) == language


def test_the_document_lists_the_keys_as_the_help_does():
    document = (ROOT / "docs" / "operator-page.md").read_text("utf-8")
    written = re.findall(r"^\| ((?:`[^`]+` ?)+)\| (.+) \|$", document, re.M)
    code = (FOLDER / "js" / "keyboard.js").read_text("utf-8")
    listed = re.findall(r"^  \[\[(.+)\], \"([\w-]+)\"\],$", code, re.M)
    texts = catalogue("en")
    assert [(re.findall(r"`([^`]+)`", keys), does) for keys, does in written] == [
        (re.findall(r'"([^"]+)"', keys), texts[f"keys.{name}"]) for keys, name in listed
    ]


def test_the_pictures_of_the_document_are_there_and_small():
    document = (ROOT / "docs" / "operator-page.md").read_text("utf-8")
    pictures = re.findall(r"!\[[^\]]+\]\((pictures/[\w-]+\.jpg)\)", document)
    assert len(pictures) == 3
    assert all((ROOT / "docs" / picture).stat().st_size < 300_000 for picture in pictures)
