"""The same gallery on a real Milvus server, as the package ``milvus`` carries one."""

import socket

import numpy as np
import pytest

from fprnet.errors import GalleryExistsError, GalleryModelError, GalleryUnavailableError
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import Added, Filters, ModelIdentity
from gallery_cases import MODEL, SIZE, record, records, vectors

pytestmark = pytest.mark.slow


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    milvus = pytest.importorskip("milvus", reason="pip install milvus==2.3.5 brings the server")
    with milvus.MilvusServer() as server:
        server.set_base_dir(str(tmp_path_factory.mktemp("milvus")))
        server.listen_port = free_port()
        server.start()
        yield f"http://127.0.0.1:{server.listen_port}"


def test_a_server_takes_the_place_of_a_folder(server):
    some = records(20)
    with Gallery.create(server, MODEL) as gallery:
        assert gallery.add(vectors(20), some) == Added(new=20, already=0)
        assert gallery.add(vectors(20), some) == Added(new=0, already=20)
        found = gallery.search(vectors(20)[3:4], top=1)[0][0]
        assert found.record == some[3]
        assert found.similarity == pytest.approx(1, abs=1e-6)
        expected = {one.id for one in some if one.camera == 1 and one.location != 0}
        filters = Filters(cameras=(1,), exclude_location=0)
        assert {match.record.id for match in gallery.search(vectors(1), filters=filters)[0]} == (
            expected
        )
        assert gallery.remove([some[1].id]) == 1
        assert gallery.erase([some[3].id]) == 1
        assert len(gallery) == 18
        # Another one reads what the first has written, at the same time.
        with Gallery.open(server) as other:
            assert other.known([some[1].id, some[3].id]) == {some[1].id}
            np.testing.assert_array_equal(other.embeddings([some[5].id])[0], vectors(20)[5])
            with pytest.raises(GalleryModelError, match="holds embeddings of"):
                other.require(ModelIdentity("b" * 64, "fprnet", SIZE))
    with pytest.raises(GalleryExistsError, match="already"):
        Gallery.create(server, MODEL)


def test_a_server_that_is_not_there():
    with pytest.raises(GalleryUnavailableError):
        Gallery.open(f"http://127.0.0.1:{free_port()}")


def test_record_of_one_image(server):
    with Gallery.create(server, MODEL, name="other") as gallery:
        gallery.add(vectors(1), [record(0)])
        assert gallery.get([record(0).id]) == [record(0)]
