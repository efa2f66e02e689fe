"""docs/service.md: its commands work as written, and what it lists is what there is."""

import json
import os
import re
import shlex
import shutil
import subprocess

import pytest

from conftest import ROOT, run_process
from fprnet.gallery.gallery import Gallery
from fprnet.serving.settings import Settings
from gallery_cases import MODEL
from service_cases import audit, image_bytes, search, sha256

PAGE = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines()]
SOURCES = sorted((ROOT / "src" / "fprnet" / "serving").glob("*.py"))


def section(title):
    return re.split(r"^## ", PAGE.split(f"## {title}\n")[1], flags=re.MULTILINE)[0]


def test_key_commands(fprnet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Gallery.create("people.db", MODEL).close()
    lines = [shlex.split(line) for line in LINES if line.startswith("fprnet keys")]
    assert len(lines) == 5
    results = [fprnet(*words[1:]) for words in lines]
    assert [result.status for result in results] == [0] * 5
    assert [line.split()[:2] for line in results[3].out.splitlines()] == [
        ["ward-3", "search"],
        ["night-import", "write"],
        ["clerk", "admin"],
    ]


def test_options_of_the_service():
    options = set(re.findall(r"--[a-z-]+", run_process("serve", "--help").out))
    used = {word for line in LINES if line.startswith("fprnet serve") for word in line.split()}
    assert {word for word in used if word.startswith("--")} <= options
    assert options - set(re.findall(r"--[a-z-]+", PAGE)) == {"--help"}


def test_requests(running, keys, tmp_path):
    """All curl lines, in order, by a shell that stops at the first failure."""
    for program in ("curl", "jq", "bash"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    process, client = running
    new = [image_bytes(800 + number, format="JPEG") for number in range(2)]
    for number, content in enumerate(new, start=1):
        for folder, image in (("day", content), ("night", image_bytes(810 + number, colour=False))):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{number:04d}.jpg").write_bytes(image)
    script = "\n".join(block for block in BLOCKS if "$URL" in block or "URL=" in block)
    assert script.count("curl ") == 16
    script = script.replace("http://127.0.0.1:8000", process.address)
    script = script.replace("curl ", "curl --no-progress-meter --fail-with-body ")
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=tmp_path,
        env=os.environ | {"KEY": keys["admin"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert len(found["queries"]) == 2
    assert (tmp_path / "match.jpg").read_bytes()[:3] == b"\xff\xd8\xff"
    assert (tmp_path / "marks.zip").read_bytes()[:2] == b"PK"
    lines = [json.loads(line) for line in (tmp_path / "lines.ndjson").read_text().splitlines()]
    assert [(line["status"], line["id"]) for line in lines] == [
        ("added", sha256(content)) for content in new
    ]
    assert '"erased":true' in done.stdout
    # Others use this service, too. The search is from before the erasing: it is made again.
    night = [file.read_bytes() for file in sorted((tmp_path / "night").iterdir())]
    again = search(client, *night, modality="infrared")
    mark = {"search": again["search"], "match": found["matches"][0]["id"], "verdict": "none"}
    assert client.post("/v1/feedback", json=mark).status_code == 200
    assert client.delete(f"/v1/gallery/images/{sha256(new[1])}").status_code == 200


def test_every_code_of_an_error_is_listed():
    listed = set(re.findall(r"`([a-z_]+)`", section("Errors").partition("| status")[2]))
    raised = {"not_found", "method", "internal"}
    for source in SOURCES:
        raised |= set(re.findall(r'\b[45]\d\d,\s*"([a-z_]+)"', source.read_text()))
    assert listed == raised


def test_every_metric_is_listed(running):
    listed = set(re.findall(r"`(fprnet_[a-z_]+)", section("Metrics")))
    text = running[1].get("/metrics").text
    there = set(re.findall(r"^# TYPE (fprnet_\S+)", text, flags=re.MULTILINE))
    assert listed == {name for name in there if not name.endswith("_created")}


def test_limits_are_those_of_the_settings(running):
    usual = Settings()
    limits = section("Limits")
    assert f"{usual.image_bytes / 1e6:g} MB" in limits
    assert f"{usual.image_pixels / 1e6:g} million" in limits
    assert f"{usual.rate:g} a second, {usual.burst} at once" in limits
    assert f"| {usual.requests} |" in limits
    assert f"| {usual.queue} (" in limits
    assert f"| {usual.upload_images:,} |" in limits
    told = running[1].get("/v1/gallery").json()["limits"]
    assert f"| {told['images_per_search']}; {told['matches']}; " in limits


def test_line_of_the_audit_log_has_the_keys_of_a_real_one(running):
    process, client = running
    shown = json.loads(re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)[0])
    search(client, image_bytes(3), modality="visible", filters={"exclude_location": 1})
    entries = [entry for entry in audit(process.folder) if entry["event"] == "search"]
    assert shown.keys() == entries[-1].keys()
