"""``fprnet adapt`` and ``calibrate --unlabelled`` as users type them."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import yaml

from conftest import assert_identical, checkpoint
from documents import commands
from fprnet.adaptation import adapting
from fprnet.adaptation import crops as crops_of_site
from fprnet.adaptation.config import AdaptationConfig
from fprnet.adaptation.crops import LEAST_CLUSTERS
from fprnet.adaptation.site import of_gallery, of_manifest
from fprnet.adaptation.steps import adapt
from fprnet.data.data_set import open_data_set
from fprnet.embeddings.loading import load_model
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.tracklets import add_tracklet
from tracklet_cases import tracklet

FAST = ("--epochs", 2, "--learning-rate", 0.003, "--limit", 0.7)


@pytest.fixture(scope="module", autouse=True)
def _float32():
    """The clusters of a barely trained model lie near the limits; the same on every machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crops_of_site, "bfloat16_is_faster", lambda: False)
        yield


@pytest.fixture(scope="module")
def crops(tiny_set, tmp_path_factory):
    """A table of everybody's crops: a tracklet for each person in each camera, one after another.

    While somebody is at one camera the next person is at the next one, at another place.
    """
    folder = tmp_path_factory.mktemp("crops")
    records = open_data_set(tiny_set).records()
    lines = ["path,modality,camera,location,time,tracklet"]
    for file, row in zip(records.files(), range(len(records)), strict=True):
        person, camera = int(records.identity[row]), int(records.camera[row])
        second = 10 * (person + camera) + int(records.index[row])
        lines.append(
            f"{file},{records.modality[row]},{camera},place {camera},"
            f"2026-11-25T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d},"
            f"{person}-{camera}"
        )
    table = folder / "manifest.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


@pytest.fixture(scope="module")
def adapted(crops, saved, tmp_path_factory):
    from fprnet.cli.main import main

    out = tmp_path_factory.mktemp("adapted") / "site"
    words = ["adapt", "--crops", crops, "--model", saved, "--out", out, *FAST, "--apart", 5]
    assert main([str(word) for word in words]) == 0
    return out


def test_the_folder_is_a_model_with_its_report(fprnet, adapted, saved, tmp_path):
    report = json.loads((adapted / "report" / "report.json").read_text())
    assert report["crops"]["visible"] + report["crops"]["infrared"] == report_crops(adapted)
    assert len(report["epochs"]) == 2
    assert report["threshold"]["strangers"] == "time and place"
    for name in ("index.html", "similarities.png", "clusters-both.png"):
        assert (adapted / "report" / name).stat().st_size > 500
    assert not (adapted / ".crops").exists()
    assert "adapted to one site" in (adapted / "README.md").read_text()
    model = load_model(adapted)
    kept = report["adapted"]
    same = (
        sha256((adapted / "model.safetensors").read_bytes()).digest()
        == sha256((saved / "model.safetensors").read_bytes()).digest()
    )
    assert same == (not kept)
    assert (report["reason"] == "") == kept
    gain = report["agreement"]["after"] - report["agreement"]["before"]
    margin = AdaptationConfig().margin
    assert kept == (gain >= margin) or abs(gain - margin) < 1e-3
    assert model.about["trained"]
    made = fprnet("gallery", "create", "--uri", tmp_path / "site.db", "--model", adapted)
    assert made.status == 0


def report_crops(adapted):
    report = json.loads((adapted / "report" / "report.json").read_text())
    assert report["crops"]["labelled"] == 0
    return report["crops"]["visible"] + report["crops"]["infrared"]


def test_a_stopped_run_goes_on_to_the_same_weights(
    fprnet, adapted, crops, saved, tmp_path, monkeypatch
):
    out = tmp_path / "site"
    words = ("adapt", "--crops", crops, "--model", saved, "--out", out, *FAST, "--apart", 5)
    begin = adapting._Teaching.begin_epoch

    def stopped(self, epoch, optimizers):
        if epoch == 1:
            raise KeyboardInterrupt
        begin(self, epoch, optimizers)

    with monkeypatch.context() as patch:
        patch.setattr(adapting._Teaching, "begin_epoch", stopped)
        assert fprnet(*words).status == 130
    assert not (out / "config.json").exists()
    assert fprnet(*words).status == 0
    last = "adaptation/checkpoints/last.pt"
    assert_identical(checkpoint(out / last), checkpoint(adapted / last))
    weights = [sha256((one / "model.safetensors").read_bytes()) for one in (out, adapted)]
    assert weights[0].digest() == weights[1].digest()
    other = fprnet(*words, "--seed", 1)
    assert (other.status, "seed 0 (not 1)" in other.complaint) == (2, True)


def test_a_model_that_agrees_as_well_is_kept_where_nothing_must_be_gained(crops, saved, tmp_path):
    config = AdaptationConfig(epochs=1, learning_rate=1e-9, limit=0.7, margin=0.0)
    found = adapt(of_manifest(crops), tmp_path / "site", saved, config)
    assert found.summary["adapted"]
    assert found.summary["epoch"] == 1
    about = [load_model(one).about for one in (tmp_path / "site", saved)]
    assert about[0]["selection"] == "agreement"
    assert about[0]["step"] == about[1]["step"] + found.summary["epochs"][0]["step"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "name the crops in one way"),
        (("--visible", "DAY"), "--infrared"),
        (("--crops", "TABLE", "--visible", "DAY", "--infrared", "DAY"), "in one way"),
        (("--crops", "TABLE", "--model", "fprnet"), "not trained"),
        (("--crops", "TABLE", "--limit", "2"), "limit"),
        (("--crops", "TABLE", "--seed", "18446744073709551616"), "seed"),
        (("--visible", "DAY", "--infrared", "DAY"), "no images"),
    ],
)
def test_mistakes_are_one_line(fprnet, crops, tmp_path, words, text):
    (tmp_path / "day").mkdir()
    given = {"DAY": tmp_path / "day", "TABLE": crops}
    result = fprnet("adapt", *(given.get(word, word) for word in words), "--out", tmp_path / "out")
    assert result.status == 2
    assert text in result.complaint
    assert not (tmp_path / "out" / "config.json").exists()


def test_one_modality_is_too_little(fprnet, crops, saved, tmp_path):
    lines = crops.read_text().splitlines()
    table = tmp_path / "manifest.csv"
    table.write_text("\n".join([lines[0], *(line for line in lines if ",visible," in line)]))
    result = fprnet("adapt", "--crops", table, "--model", saved, "--out", tmp_path / "out")
    assert (result.status, "0 infrared crops" in result.complaint) == (2, True)


def test_thresholds_of_a_site(fprnet, crops, saved, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(saved, model)
    words = ("calibrate", model, "--unlabelled", "--crops", crops)
    result = fprnet(*words, "--apart", 5, "--json")
    assert result.status == 0, result.err
    assert json.loads(result.out)["measured"]["strangers"] == "time and place"
    assert (model / "model.calibration.json").is_file()
    assert not (model / ".crops").exists()
    refused = fprnet("calibrate", model, "--unlabelled", "--crops", untimed(crops, tmp_path))
    assert (refused.status, "guarantee 0 pairs" in refused.complaint) == (2, True)
    shared = fprnet("calibrate", "fprnet-people", "--unlabelled", "--crops", crops)
    assert (shared.status, "--out" in shared.complaint) == (2, True)


def test_a_threshold_of_the_model_in_the_box_is_one_of_its_galleries(fprnet, crops, tmp_path):
    """Galleries hold compact embeddings unless they are told not to; so does the threshold."""
    names = {"people.db": (), "full.db": ("--full-size",)}
    for name, words in names.items():
        uri, out = tmp_path / name, tmp_path / f"{name}.json"
        assert fprnet("gallery", "create", "--uri", uri, *words).status == 0
        assert fprnet("gallery", "add", "--uri", uri, "--table", crops).status == 0
        given = ("--unlabelled", "--crops", crops, "--apart", 5, "--out", out, *words)
        made = fprnet("calibrate", "fprnet-people", *given)
        assert made.status == 0, made.err
        query = of_manifest(crops).path[0]
        search = ("search", query, "--gallery", uri, "--modality", "visible", "--calibration")
        assert "threshold" in fprnet(*search, out).out
    other = fprnet(*search, tmp_path / "people.db.json")
    assert (other.status, "another size or projection" in other.complaint) == (2, True)


def untimed(crops, folder):
    table = folder / "manifest.csv"
    rows = [line.split(",") for line in crops.read_text().splitlines()]
    table.write_text("\n".join(",".join([*row[:4], row[5]]) for row in rows))
    return table


def test_known_people_are_learnt_with_their_labels(fprnet, crops, saved, tiny_set, tmp_path):
    out = tmp_path / "site"
    words = ("adapt", "--crops", crops, "--model", saved, "--out", out, "--labelled", tiny_set)
    result = fprnet(*words, *FAST, "--json")
    assert result.status == 0, result.err
    summary = json.loads(result.out)
    data_set = open_data_set(tiny_set, needed=("train",))
    assert summary["crops"]["labelled"] == len(data_set.records().of(data_set.train))
    assert summary["crops"]["visible"] + summary["crops"]["infrared"] == len(of_manifest(crops))
    # The site's clusters are those of its own crops, and each known person is one more.
    of_site = {epoch["clusters"] - len(data_set.train) for epoch in summary["epochs"]}
    assert min(of_site) >= LEAST_CLUSTERS
    assert yaml.safe_load((out / "adaptation" / "config.yaml").read_text())["labelled"] == str(
        tiny_set
    )
    missing = fprnet(*words[:-1], tmp_path / "nowhere")
    assert (missing.status, "nowhere" in missing.complaint) == (2, True)


def stored_tracklets(gallery, root):
    """Add a tracklet of each test person in each camera; returns the crops' pictures."""
    records = open_data_set(root).records()
    size = gallery.model.embedding_size
    pictures = {}
    for number, key in enumerate(sorted(set(zip(records.identity, records.camera, strict=True)))):
        rows = np.flatnonzero((records.identity == key[0]) & (records.camera == key[1]))
        images = [Path(file).read_bytes() for file in records.where(rows).files()]
        add_tracklet(
            gallery,
            tracklet(
                number,
                vectors=np.eye(size)[: len(rows)],
                camera=f"camera {key[1]}",
                modality=records.modality[rows[0]],
                start=10.0 * number,
                images=images,
            ),
        )
        pictures |= {sha256(image).hexdigest(): (image, number) for image in images}
    return pictures


def test_a_gallery_of_tracklets_teaches_by_the_crops_that_it_keeps(
    fprnet, saved, tiny_set, tmp_path
):
    uri, out = str(tmp_path / "people.db"), tmp_path / "site"
    assert fprnet("gallery", "create", "--uri", uri, "--model", saved).status == 0
    with Gallery.open(uri, writable=True) as gallery:
        pictures = stored_tracklets(gallery, tiny_set)
        hidden = sorted(pictures)[0]
        gallery.remove([hidden])
    site, missing = of_gallery(uri, tmp_path / "copies")
    assert missing == 0
    assert sorted(Path(file).name for file in site.path) == sorted({*pictures} - {hidden})
    for file, number in zip(site.path.tolist(), site.tracklet.tolist(), strict=True):
        image, tracklet_number = pictures[Path(file).name]
        assert Path(file).read_bytes() == image
        same = {name for name, (_, other) in pictures.items() if other == tracklet_number}
        mine = {Path(one).name for one in site.path[site.tracklet == number].tolist()}
        assert mine == same - {hidden}
    assert not np.isnan(site.time).any()

    words = ("adapt", "--gallery", uri, "--model", saved, "--out", out, *FAST, "--json")
    result = fprnet(*words)
    assert result.status == 0, result.err
    summary = json.loads(result.out)
    assert summary["crops"]["visible"] + summary["crops"]["infrared"] == len(site)
    assert not (out / ".crops").exists()
    assert fprnet("gallery", "upgrade", "--uri", uri, "--model", out).status == 0
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    refused = fprnet("adapt", "--gallery", uri, "--model", saved, "--out", other)
    assert (refused.status, "holds no adaptation" in refused.complaint) == (2, True)
    assert [file.name for file in other.iterdir()] == ["notes.txt"]


def test_pictures_of_a_gallery_that_are_gone_are_counted(fprnet, saved, tiny_set, tmp_path):
    pictures, uri = tmp_path / "pictures", tmp_path / "people.db"
    shutil.copytree(tiny_set / "cam1", pictures)
    assert fprnet("gallery", "create", "--uri", uri, "--model", saved).status == 0
    words = ("--images", pictures, "--modality", "visible")
    assert fprnet("gallery", "add", "--uri", uri, *words).status == 0
    files = sorted(pictures.rglob("*.jpg"))
    files[0].unlink()
    files[1].write_bytes(b"another picture")
    site, missing = of_gallery(str(uri), tmp_path / "copies")
    assert (len(site), missing) == (len(files) - 2, 2)
    shutil.rmtree(pictures)
    out = tmp_path / "site"
    result = fprnet("adapt", "--gallery", uri, "--model", saved, "--out", out)
    assert (result.status, f"none of the {len(files)} pictures" in result.complaint) == (2, True)
    assert not out.exists()


@pytest.fixture
def gallery(fprnet, tiny_set, saved, tmp_path):
    uri = tmp_path / "people.db"
    assert fprnet("gallery", "create", "--uri", uri, "--model", saved).status == 0
    words = ("--images", tiny_set / "cam1", "--modality", "visible")
    assert fprnet("gallery", "add", "--uri", uri, *words).status == 0
    return uri


@pytest.mark.usefixtures("gallery")
def test_the_commands_of_the_page(fprnet, crops, saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crops").symlink_to(crops.parent, target_is_directory=True)
    for row in crops.read_text().splitlines()[1:]:
        path, modality = row.split(",")[:2]
        folder = tmp_path / ("day" if modality == "visible" else "night")
        folder.mkdir(exist_ok=True)
        (folder / "-".join(Path(path).parts[-3:])).symlink_to(path)
    small = ("--model", saved, "--epochs", 1, "--limit", 0.7)
    lines = commands("adaptation.md")
    assert [words[1] for words in lines] == ["adapt", "calibrate", "gallery"]
    for words in lines:
        result = fprnet(*words[1:], *(small if words[1] == "adapt" else ()))
        assert result.status == 0, result.err
