"""The folder of a service: whose it is, and that nothing erased stays in it."""

import threading

import pytest

from fprnet.errors import GalleryUnavailableError, UsageError
from fprnet.gallery.gallery import Gallery
from fprnet.serving.folder import MARK, check_owner, claim, owner_of
from fprnet.serving.housekeeping import Housekeeper
from gallery_cases import MODEL, records, vectors


@pytest.fixture
def gallery(tmp_path):
    with Gallery.create(str(tmp_path / "people.db"), MODEL) as made:
        made.add(vectors(4), records(4))
        yield made


def test_erasing_is_told_from_other_changes(placed, monkeypatch):
    gallery = placed
    gallery.add(vectors(4), records(4))
    ids = [record.id for record in records(4)]
    assert gallery.erased_since(0) == (False, 0)
    gallery.remove(ids[:2])
    erased, hidden = gallery.erased_since(0)
    assert not erased
    gallery.erase(ids[:1])
    erased, newest = gallery.erased_since(hidden)
    assert erased
    gallery.restore(ids[1:2])
    erased, restored = gallery.erased_since(newest)
    assert (erased, restored > newest) == (False, True)
    monkeypatch.setattr("fprnet.gallery.rows.KEPT_CHANGES", 1)
    gallery.remove(ids[1:3])
    assert gallery.erased_since(newest)[0]  # the log no longer says


def test_what_another_process_erases_is_swept_at_the_next_look(gallery):
    swept = threading.Semaphore(0)
    keeper = Housekeeper(gallery, lambda: None, swept.release, look=0.01)
    keeper.start()
    try:
        assert swept.acquire(timeout=10)  # the first round
        with Gallery.open(gallery.uri, writable=True) as other:
            other.remove([records(4)[1].id])
            assert not swept.acquire(timeout=0.2)
            other.erase([records(4)[0].id])
        assert swept.acquire(timeout=10)
    finally:
        keeper.stop()


def test_a_housekeeper_goes_on_after_a_failure_and_says_it_once(gallery, caplog):
    tries = threading.Semaphore(0)
    failing = iter([True] * 5)

    def sweep():
        tries.release()
        if next(failing, False):
            raise GalleryUnavailableError("the server is gone")

    keeper = Housekeeper(gallery, lambda: None, sweep, look=0.01)
    keeper.start()
    try:
        for _ in range(6):
            assert tries.acquire(timeout=10)
    finally:
        keeper.stop()
    assert [record.getMessage() for record in caplog.records] == [
        "erased images cannot be removed: the server is gone; the service tries again"
    ]


def test_a_folder_belongs_to_one_gallery(gallery, tmp_path):
    folder = tmp_path / "service"
    claim(folder, gallery)
    claim(folder, gallery)
    assert owner_of(folder) == gallery.created
    with Gallery.create(str(tmp_path / "other.db"), MODEL) as other:
        other.created = gallery.created + 1
        with pytest.raises(UsageError, match=f"{folder} holds the images of another gallery's"):
            claim(folder, other)
    (folder / MARK).write_text("{")
    with pytest.raises(UsageError, match=MARK):
        check_owner(folder, gallery)
