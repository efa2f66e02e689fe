"""Frigate's HTTP interface against a server on this machine that plays it."""

import json

import numpy as np
import pytest

from fprnet.errors import ImageFileError, UsageError
from fprnet.watch.frigate.api import FrigateApi
from fprnet.watch.frigate.outage import UnreachableError
from frigate_cases import BEGIN, encoded, listed, playing, shown
from watch_cases import at, scene

HTML = (200, "text/html", b"<!DOCTYPE html><html>please log in</html>")


@pytest.fixture
def frigate():
    with playing() as one:
        yield one


@pytest.fixture
def api(frigate):
    return FrigateApi(frigate.address, 5)


def test_sizes_of_cameras(api):
    assert api.sizes() == {"door": (160, 120), "yard": (160, 120)}


def test_the_list_is_read_to_its_end(api, frigate):
    frigate.events = [listed(f"e{one}", one, one + 1, shot=0) for one in range(250)]
    found = api.ended(BEGIN + 19, ["door", "yard"])
    assert [one.id for one in found] == [f"e{one}" for one in range(249, 19, -1)]
    assert len(frigate.asked) == 3
    for words in ("labels=person", "has_snapshot=1", "in_progress=0", "cameras=door%2Cyard"):
        assert words in frigate.asked[0]


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_clean_pictures_of_old_and_new_frigates(api, frigate, suffix):
    frigate.suffix = suffix
    frigate.clean["a"] = encoded(scene(1), suffix, lossless=True)
    for _ in range(2):
        picture = api.picture("a")
        assert (picture.pixels == scene(1)).all()
        assert picture.is_of(at(99))  # nothing is said of its time
    assert len(frigate.asked) == (2 if suffix == "png" else 3)  # it is remembered which there is
    assert api.picture("b") is None


def test_pictures_of_who_is_there(api, frigate):
    frigate.ongoing["a"] = (encoded(scene(1)), None)
    frigate.ongoing["b"] = (encoded(scene(1)), BEGIN + 1)
    assert (api.picture_so_far("a").pixels == scene(1)).all()
    assert "bbox=0&timestamp=0&crop=0" in frigate.asked[0]
    assert api.picture_so_far("b").is_of(at(1))
    assert not api.picture_so_far("b").is_of(at(1.2))  # a later frame than that of the box
    assert api.picture_so_far("c") is None
    frigate.clean["d"] = shown(1)  # over: Frigate may have drawn into the picture
    assert api.picture_so_far("d") is None


def test_a_damaged_picture(api, frigate):
    frigate.clean["a"] = shown(1)[:500]
    with pytest.raises(ImageFileError, match=r"127\.0\.0\.1.*picture of event a"):
        api.picture("a")
    frigate.clean["a"] = HTML[2]
    with pytest.raises(ImageFileError, match="HTML"):
        api.picture("a")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((404, "text/plain", b"not found"), "has no /api/config"),
        (HTML, "an HTML page"),
        ((200, "application/json", b"[1, 2"), "not as Frigate has it"),
        ((200, "application/json", b"[" * 99_999), "not as Frigate has it"),
        ((200, "application/json", b'{"cameras": {"door": {}}}'), "cameras.door.detect: Field"),
        ((200, "application/json", b'{"cameras": 7}'), "not as Frigate has it"),
        ((401, "application/json", b"{}"), "answers 401; give USER:PASSWORD@"),
        ((503, "text/html", b"restarting"), "answers 503"),
        ((302, "text/html", b""), "answers 302"),
    ],
)
def test_what_is_no_frigate(api, frigate, answer, reason):
    frigate.answers["/api/config"] = answer
    with pytest.raises(UnreachableError, match=reason) as caught:
        api.sizes()
    assert "\n" not in str(caught.value)


def test_a_list_without_end_is_read_once(api, frigate):
    """A server that knows no ``before`` gives the same page for ever."""
    page = [listed(f"e{one}", one, one + 1, shot=0) for one in range(100)]
    frigate.answers["/api/events"] = (200, "", json.dumps(page).encode())
    assert {one.id for one in api.ended(0, [])} == {one["id"] for one in page}
    assert len(frigate.asked) == 2


@pytest.mark.parametrize("answer", [HTML, (200, "", b"{}"), (200, "", b"[7]")])
def test_a_list_that_is_none(api, frigate, answer):
    frigate.answers["/api/events"] = answer
    with pytest.raises(UnreachableError):
        api.ended(0, [])


def test_nobody_answers():
    with playing() as frigate:
        address = frigate.address
    with pytest.raises(UnreachableError, match="does not answer"):
        FrigateApi(address, 5).sizes()


def test_user_and_password(frigate):
    frigate.login = ("viewer", "p@ss:w")
    host = frigate.address.removeprefix("frigate+http://")
    api = FrigateApi(f"frigate+http://viewer:p%40ss%3Aw@{host}", 5)
    assert api.name == frigate.address
    assert set(api.sizes()) == {"door", "yard"}
    asked = len(frigate.asked)
    api.sizes()
    assert len(frigate.asked) == asked + 1  # the cookie is kept
    wrong = FrigateApi(f"frigate+http://viewer:wrong@{host}", 5)
    with pytest.raises(UnreachableError, match="answers 401 to user and password") as caught:
        wrong.sizes()
    assert "wrong" not in str(caught.value)


def test_a_path_before_the_interface(frigate):
    frigate.answers["/nvr/api/config"] = (200, "", b'{"cameras": {}}')
    assert FrigateApi(f"{frigate.address}/nvr/", 5).sizes() == {}


@pytest.mark.parametrize(
    "address",
    [
        "frigate+http://",
        "frigate+http://u:s3cret@host:99999",
        "frigate+http://u:s3cret@[",
        "frigate+http://u:s3cret@host/?x=1",
        "frigate+http://u:s3crét@host",
    ],
)
def test_addresses_that_are_none(address):
    with pytest.raises(UsageError, match="address of the Frigate") as caught:
        FrigateApi(address, 5)
    assert "s3cr" not in str(caught.value)


def test_more_than_a_picture_is_not_read(api, frigate, monkeypatch):
    monkeypatch.setattr("fprnet.watch.frigate.api.MOST", 1000)
    frigate.clean["a"] = encoded(np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8))
    with pytest.raises(ImageFileError):
        api.picture("a")
