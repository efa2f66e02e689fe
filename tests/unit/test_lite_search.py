"""The replaced search of Milvus Lite gives the answers of the original one."""

from dataclasses import replace

import numpy as np
import pytest

from fprnet.gallery import lite_search
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.lite_search import VERIFIED, install, milvus_search
from fprnet.gallery.records import Filters
from gallery_cases import MODEL, records, vectors

milvus_lite = pytest.importorskip("milvus_lite", reason="pip install 'fprnet[gallery]'")


def test_the_locked_version_is_verified():
    assert milvus_lite.__version__ in VERIFIED
    assert install()


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """Rows in two files and in memory; hidden, shown again, hidden in memory only."""
    uri = tmp_path_factory.mktemp("lite") / "people.db"
    some = [
        replace(one, modality="infrared" if number % 7 == 0 else "visible")
        for number, one in enumerate(records(650))
    ]
    known = vectors(650)
    with Gallery.create(str(uri), MODEL) as gallery:
        gallery.add(known[:300], some[:300])
        gallery.remove([one.id for one in some[:20]])
        gallery.restore([one.id for one in some[5:10]])
        gallery.add(known[300:600], some[300:600])
        gallery.add(known[600:], some[600:])
        gallery.remove([some[25].id, some[601].id])
        gallery.remove([some[400].id])
        gallery.restore([some[400].id])
        yield gallery


FILTERS = [
    Filters(),
    Filters(cameras=(1, 2)),
    Filters(exclude_location=0, identity="known"),
    Filters(modality="infrared", locations=(1,)),
    Filters(modality="infrared", cameras=(9,)),
]


@pytest.mark.parametrize("top", [1, 10, 1000])
@pytest.mark.parametrize("filters", FILTERS)
def test_answers_are_those_of_milvus(gallery, filters, top):
    queries = vectors(3, seed=1)
    ours = gallery.search(queries, filters=filters, top=top)
    with milvus_search():
        theirs = gallery.search(queries, filters=filters, top=top)
    for mine, other in zip(ours, theirs, strict=True):
        assert [match.record for match in mine] == [match.record for match in other]
        np.testing.assert_allclose(
            [match.similarity for match in mine],
            [match.similarity for match in other],
            rtol=0,
            atol=1e-6,
        )


def test_it_sees_what_was_just_written(gallery):
    """Which rows count is kept between searches, and must not be once something is written."""
    (new,) = records(1, start=5000)
    query = vectors(1, seed=9)
    before = [match.record for match in gallery.search(query, top=1)[0]]
    gallery.add(query, [new])
    assert [match.record for match in gallery.search(query, top=1)[0]] == [new]
    gallery.remove([new.id])
    assert [match.record for match in gallery.search(query, top=1)[0]] == before


def test_other_versions_keep_their_own_search(monkeypatch):
    from milvus_lite.engine import collection

    with milvus_search():
        own = collection.execute_search_with_index
        monkeypatch.setattr(lite_search, "VERIFIED", ("0.0",))
        assert not install()
        assert collection.execute_search_with_index is own
