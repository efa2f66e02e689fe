"""Keys: shown once, hashed at rest, revoked while a service runs."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from fprnet.errors import AccessKeyError
from fprnet.gallery.gallery import Gallery
from fprnet.serving.callers import identify
from fprnet.serving.keys import add_key, find_key, list_keys, revoke_key
from fprnet.serving.problems import ProblemError
from gallery_cases import MODEL


@pytest.fixture
def database(tmp_path):
    with Gallery.create(str(tmp_path / "people.db"), MODEL) as gallery:
        yield gallery.database


def test_key_is_found_by_its_text_and_stored_as_a_hash(database, tmp_path):
    text = add_key(database, "ward-3", "search")
    assert len(text.split("_", 2)[2]) == 43  # 256 bits in base 64
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert text.split("_", 2)[2].encode() not in content
    assert text.split("_", 2)[1].encode() in content
    found = find_key(database, text)
    assert found is not None
    assert (found.name, found.role, found.revoked) == ("ward-3", "search", None)


def test_every_other_text_is_nobody(database):
    text = add_key(database, "ward-3", "search")
    other = add_key(database, "ward-4", "admin")
    number, secret = text.split("_", 2)[1], other.split("_", 2)[2]
    wrong = ["", "_", "__", text[:-1], text + "x", text.upper(), f"fprnet_{number}_{secret}", "é"]
    wrong += ["fprnet_\0_x", "fprnet_\udc80_x"]
    assert [find_key(database, one) for one in wrong] == [None] * len(wrong)


def test_running_service_notices_new_and_revoked_keys(database):
    text = add_key(database, "ward-3", "search")
    new = add_key(database, "ward-4", "write")
    assert identify(f"Bearer {new}", "10.0.0.1", database).role == "write"
    with Gallery.open(database.uri, writable=True) as elsewhere:
        revoke_key(elsewhere.database, "ward-3")
    with pytest.raises(ProblemError, match="revoked") as caught:
        identify(f"Bearer {text}", "10.0.0.1", database)
    assert caught.value.status == 401
    again = add_key(database, "ward-3", "admin")  # a name may get a new key
    assert identify(f"bearer {again}", "10.0.0.1", database).role == "admin"
    assert [key.name for key in list_keys(database) if key.revoked] == ["ward-3"]


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "key_missing"),
        ("", "key_missing"),
        ("Bearer", "key_missing"),
        ("Bearer  ", "key_missing"),
        ("Basic dTpw", "key_missing"),
        ("Bearer wrong", "key_wrong"),
    ],
)
def test_without_a_good_key_nobody_comes_in(database, header, code):
    add_key(database, "ward-3", "search")
    with pytest.raises(ProblemError) as caught:
        identify(header, "10.0.0.1", database)
    assert (caught.value.status, caught.value.code) == (401, code)
    assert "WWW-Authenticate" in caught.value.headers


@pytest.mark.parametrize("name", ["", " ", "-x", "a b", "a\n", "x" * 65, "wärd"])
def test_name_must_fit_into_a_log_line(database, name):
    with pytest.raises(AccessKeyError, match="name"):
        add_key(database, name, "search")
    assert list_keys(database) == []


def test_name_has_one_key(database):
    add_key(database, "ward-3", "search")
    with pytest.raises(AccessKeyError, match="ward-3 has a key already"):
        add_key(database, "ward-3", "admin")
    with pytest.raises(AccessKeyError, match=r"ward-4 .* ward-3 has one"):
        revoke_key(database, "ward-4")


def test_keys_made_at_the_same_time_are_all_there(database):
    names = [f"ward-{number}" for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: add_key(database, name, "search"), names))
    assert {key.name for key in list_keys(database)} == set(names)


@pytest.mark.parametrize("revoked", [False, True])
def test_service_that_nobody_could_enter_does_not_start(fprnet, stock, tmp_path, revoked):
    uri = tmp_path / "people.db"
    uri.write_bytes((stock / "people.db").read_bytes())
    with Gallery.open(str(uri), writable=True) as gallery:
        for key in list_keys(gallery.database):
            if key.revoked is None:
                revoke_key(gallery.database, key.name)
        if revoked:
            add_key(gallery.database, "ward-3", "search")
            revoke_key(gallery.database, "ward-3")
    words = ("--model", "fprnet", "--scale", "tiny", "--port", 0, "--keys")
    refused = fprnet("serve", "--gallery", uri, *words)
    assert refused.status == 2
    assert "fprnet keys add" in refused.complaint
