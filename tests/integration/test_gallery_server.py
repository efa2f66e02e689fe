"""The same gallery on a real Milvus server."""

import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from fprnet.errors import GalleryExistsError, GalleryModelError, GalleryUnavailableError
from fprnet.gallery import connection, vector_index
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import Added, Filters, ModelIdentity
from gallery_cases import MODEL, SIZE, record, records, vectors
from milvus_server import milvus_server

pytestmark = pytest.mark.slow

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def server():
    with milvus_server() as server:
        yield server


@pytest.fixture(scope="module")
def uri(server):
    return server.uri


def ids_of(matches):
    return {match.record.id for match in matches}


def test_a_server_takes_the_place_of_a_folder(uri):
    some = records(20)
    with Gallery.create(uri, MODEL) as gallery:
        assert gallery.add(vectors(20), some) == Added(new=20, already=0)
        assert gallery.add(vectors(20), some) == Added(new=0, already=20)
        found = gallery.search(vectors(20)[3:4], top=1)[0][0]
        assert found.record == some[3]
        assert found.similarity == pytest.approx(1, abs=1e-6)
        assert gallery.remove([some[1].id]) == 1
        assert gallery.erase([some[3].id]) == 1
        assert len(gallery) == 18
        # Another one reads what the first has written, at the same time.
        with Gallery.open(uri) as other:
            assert other.known([some[1].id, some[3].id]) == {some[1].id}
            np.testing.assert_array_equal(other.embeddings([some[5].id])[0], vectors(20)[5])
            with pytest.raises(GalleryModelError, match="holds embeddings of"):
                other.require(ModelIdentity("b" * 64, "fprnet", SIZE))
        info = gallery.info()
        assert (info.records, info.hidden, info.index) == (18, 1, "FLAT")
        assert info.size_bytes is None
    with pytest.raises(GalleryExistsError, match="already"):
        Gallery.create(uri, MODEL)


def test_every_filter_is_understood(uri):
    some = [
        replace(
            one,
            timestamp=None if number % 5 == 0 else NOON + timedelta(hours=number),
            modality="infrared" if number % 7 == 0 else "visible",
        )
        for number, one in enumerate(records(20))
    ]
    filters = Filters(
        cameras=(1, 2),
        locations=(0, 1),
        since=NOON,
        until=NOON + timedelta(hours=15),
        exclude_location=0,
        identity="known",
        modality="visible",
    )
    # By hand: n % 4 in (1, 2), n % 3 == 1 (known, too), n % 5 > 0, n % 7 > 0, n <= 15.
    expected = {some[1].id, some[13].id}
    with Gallery.create(uri, MODEL, name="filters") as gallery:
        gallery.add(vectors(20), some)
        assert ids_of(gallery.search(vectors(1), filters=filters)[0]) == expected
        assert gallery.count(filters) == 2
        assert set(gallery.select(filters)) == expected


def test_a_graph_takes_the_place_of_exact_search(uri, monkeypatch):
    monkeypatch.setattr(vector_index, "LARGEST_EXACT", 10)
    with Gallery.create(uri, MODEL, name="graph") as gallery:
        gallery.add(vectors(20), records(20))
        info = gallery.info()
        assert (info.index, info.index_settings["ef"]) == ("HNSW", 256)
        assert info.recall == 1
        assert len(gallery.search(vectors(1), top=1000)[0]) == 20


def test_it_listens_on_the_loopback_address_only(server):
    port = int(server.uri.rsplit(":", 1)[1])
    lines = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    listening = [line.split()[1] for line in lines.splitlines() if line.split()[3] == "0A"]
    addresses = [where.split(":")[0] for where in listening if int(where.split(":")[1], 16) == port]
    assert addresses == ["0100007F"]


def test_a_server_that_goes_away_in_the_middle(monkeypatch):
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT", 1.0)
    with milvus_server() as server:
        gallery = Gallery.create(server.uri, MODEL)
        gallery.add(vectors(1), [record(0)])
        server.kill()
        with pytest.raises(GalleryUnavailableError, match="does not answer"):
            gallery.search(vectors(1))
        gallery.close()
        with pytest.raises(GalleryUnavailableError):
            Gallery.open(server.uri)


def test_a_server_that_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(GalleryUnavailableError):
        Gallery.open(f"http://127.0.0.1:{port}")
