"""``gallery upgrade`` as users type it, of a gallery in a file and of one in a server."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from fprnet.embeddings.loading import load_model
from fprnet.errors import GalleryModelError
from fprnet.gallery.gallery import Gallery


@pytest.fixture
def address(place):
    """The options that name the gallery."""
    return ("--uri", place.uri, "--name", place.name)


@pytest.fixture
def gallery(fprnet, address, place, tiny_set, saved, tmp_path):
    """A gallery of visible pictures of its own; gives what opens it."""
    pictures = tmp_path / "pictures"
    shutil.copytree(tiny_set / "cam1", pictures)
    assert fprnet("gallery", "create", *address, "--model", saved).status == 0
    words = ("--images", pictures, "--modality", "visible")
    assert fprnet("gallery", "add", *address, *words).status == 0
    return lambda **options: Gallery.open(place.uri, name=place.name, **options)


def test_a_gallery_moves_to_another_model(fprnet, address, gallery, trained):
    with gallery(writable=True) as opened:
        ids = sorted(opened.select())
        opened.remove(ids[:1])
        before = opened.embeddings(ids)
        words = ("gallery", "upgrade", *address, "--model", trained)
        moved = json.loads(fprnet(*words, "--json").out)
        assert moved == {"records": len(ids), "embedded": len(ids), "changed": True}
        refused = pytest.raises(GalleryModelError, match="upgraded to another model")
        with refused:
            opened.search(before[:1])
        with refused:
            opened.add(before[:0], [])
    with gallery() as opened:
        assert opened.hidden(ids) == set(ids[:1])
        model = load_model(trained, precision="float32", runtime="pytorch")
        if opened.model.projection_sha256:
            model = model.compact()
        records = opened.get(ids)
        expected = model.embed([record.path for record in records], "visible")
        cosine = (opened.embeddings(ids) * expected).sum(axis=1)
        assert cosine.min() > 0.995
        found = opened.search(expected[1:2], top=1).matches[0][0]
        assert found.record.id == ids[1]
    assert "was of" in fprnet(*words).out
    events = [json.loads(line)["event"] for line in log(fprnet, address)]
    assert events[-1] == "upgrade"


def test_a_gallery_of_a_model_that_is_not_there_any_more_says_what_to_do(
    fprnet, tiny_set, trained, tmp_path
):
    """As after a new fprnet with another model in the box: the gallery holds compact embeddings."""
    uri = tmp_path / "people.db"
    assert fprnet("gallery", "create", "--uri", uri).status == 0
    query = next((tiny_set / "cam3").rglob("*.jpg"))
    for words in (
        ("search", query, "--gallery", uri),
        ("gallery", "add", "--uri", uri, "--images", query.parent, "--modality", "infrared"),
    ):
        refused = fprnet(*words, "--model", trained)
        assert refused.status == 2, refused.err
        assert f"gallery {uri} holds embeddings of fprnet" in refused.complaint
        assert "'fprnet gallery upgrade'" in refused.complaint


def log(fprnet, address):
    return fprnet("gallery", "audit", *address).out.splitlines()


def test_pictures_that_are_gone_stop_an_upgrade_and_it_goes_on_when_they_are_back(
    fprnet, address, gallery, trained
):
    with gallery() as opened:
        ids = sorted(opened.select())
        lost = Path(str(opened.get(ids)[3].path))
        old = opened.embeddings(ids)
    content = lost.read_bytes()
    lost.write_bytes(b"another picture")
    words = ("gallery", "upgrade", *address, "--model", trained, "--json")
    stopped = fprnet(*words)
    assert (stopped.status, "1 of the" in stopped.complaint) == (2, True)
    with gallery() as opened:  # nothing has changed
        np.testing.assert_array_equal(opened.embeddings(ids), old)
    assert waiting(gallery) == len(ids) - 1
    assert fprnet("gallery", "erase", *address, ids[0]).status == 0
    assert waiting(gallery) == len(ids) - 2  # an erased record's new embedding is gone, too
    lost.write_bytes(content)
    assert json.loads(fprnet(*words).out) == {
        "records": len(ids) - 1,
        "embedded": 1,
        "changed": True,
    }


@pytest.mark.parametrize("named", [True, False])
def test_pictures_that_only_the_service_has_are_found_in_its_folder(
    fprnet, address, gallery, place, trained, tmp_path, monkeypatch, named
):
    monkeypatch.chdir(tmp_path)
    with gallery() as opened:
        moved = opened.get(opened.select()[:1])[0]
    folder = (
        tmp_path / "elsewhere"
        if named
        else Path("fprnet-service" if "://" in place.uri else f"{place.uri}.service")
    )
    copy = folder / "images" / moved.id[:2] / f"{moved.id}.jpg"
    copy.parent.mkdir(parents=True)
    Path(moved.path).rename(copy)
    words = ("gallery", "upgrade", *address, "--model", trained)
    if named:
        stopped = fprnet(*words)
        assert (stopped.status, "--folder" in stopped.complaint) == (2, True)
        nowhere = fprnet(*words, "--folder", tmp_path / "nowhere")
        assert (nowhere.status, "nowhere is no folder" in nowhere.complaint) == (2, True)
        words = (*words, "--folder", folder)
    assert fprnet(*words).status == 0


def waiting(gallery):
    """How many new embeddings wait in the gallery's database."""
    with gallery() as opened, opened.database.reading() as connection:
        schema = f"{opened.database.schema}." if opened.database.schema else ""
        return connection.scalar(text(f"SELECT count(*) FROM {schema}upgrade"))
