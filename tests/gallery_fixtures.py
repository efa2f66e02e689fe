"""An empty gallery, once in a file and once in a real server: the same tests hold for both."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from fprnet.gallery.gallery import Gallery
    from postgres_server import Server


class Place(NamedTuple):
    """Where a gallery is, and the folder with its files."""

    uri: str
    name: str
    folder: Path


@pytest.fixture(scope="session")
def saved(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained tiny model, as a folder of its own; read it, do not change it."""
    from fprnet.embeddings.loading import load_model

    folder = tmp_path_factory.mktemp("saved") / "model"
    load_model(trained, runtime="pytorch", precision="float32").save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    from postgres_server import postgres_server

    pytest.importorskip("psycopg", reason="needs a client: pip install 'fprnet[postgres]'")
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["file", pytest.param("server", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Place of a gallery to be."""
    if request.param == "file":
        return Place(str(tmp_path / "people.db"), "gallery", tmp_path)
    server = request.getfixturevalue("postgres")
    return Place(server.uri, f"g{zlib.crc32(request.node.nodeid.encode())}", server.data)


@pytest.fixture
def placed(place: Place) -> Iterator[Gallery]:
    """An empty gallery in each place."""
    from fprnet.gallery.gallery import Gallery
    from gallery_cases import MODEL

    with Gallery.create(place.uri, MODEL, name=place.name) as gallery:
        yield gallery
