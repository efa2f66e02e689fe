"""Keys: shown once, hashed at rest, revoked while a service runs."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from fprnet.errors import KeyFileError
from fprnet.serving.callers import identify
from fprnet.serving.keys import KeyFile, add_key, read_keys, revoke_key
from fprnet.serving.problems import ProblemError


def test_key_is_found_by_its_text_and_stored_as_a_hash(tmp_path):
    file = tmp_path / "keys.json"
    text = add_key(file, "ward-3", "search")
    assert len(text.split("_", 2)[2]) == 43  # 256 bits in base 64
    assert text not in file.read_text()
    assert text.split("_", 2)[2] not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = KeyFile(file).find(text)
    assert found is not None
    assert (found.name, found.role, found.revoked) == ("ward-3", "search", None)


def test_every_other_text_is_nobody(tmp_path):
    file = tmp_path / "keys.json"
    text = add_key(file, "ward-3", "search")
    other = add_key(file, "ward-4", "admin")
    number, secret = text.split("_", 2)[1], other.split("_", 2)[2]
    keys = KeyFile(file)
    wrong = ["", "_", "__", text[:-1], text + "x", text.upper(), f"fprnet_{number}_{secret}", "é"]
    assert [keys.find(one) for one in wrong] == [None] * len(wrong)


def test_running_service_notices_new_and_revoked_keys(tmp_path):
    file = tmp_path / "keys.json"
    text = add_key(file, "ward-3", "search")
    keys = KeyFile(file)
    new = add_key(file, "ward-4", "write")
    assert identify(f"Bearer {new}", "10.0.0.1", keys).role == "write"
    revoke_key(file, "ward-3")
    with pytest.raises(ProblemError, match="revoked") as caught:
        identify(f"Bearer {text}", "10.0.0.1", keys)
    assert caught.value.status == 401
    again = add_key(file, "ward-3", "admin")  # a name may get a new key
    assert identify(f"bearer {again}", "10.0.0.1", keys).role == "admin"


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
def test_without_a_good_key_nobody_comes_in(tmp_path, header, code):
    file = tmp_path / "keys.json"
    add_key(file, "ward-3", "search")
    with pytest.raises(ProblemError) as caught:
        identify(header, "10.0.0.1", KeyFile(file))
    assert (caught.value.status, caught.value.code) == (401, code)
    assert "WWW-Authenticate" in caught.value.headers


def test_file_that_goes_away_or_breaks_lets_nobody_in(tmp_path):
    file = tmp_path / "keys.json"
    text = add_key(file, "ward-3", "search")
    keys = KeyFile(file)
    good = file.read_text()
    file.unlink()
    with pytest.raises(KeyFileError, match="does not exist"):
        keys.find(text)
    file.write_text(good[:40])
    with pytest.raises(KeyFileError, match="no file of keys"):
        keys.find(text)
    file.write_text(good)
    assert keys.find(text) is not None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"format": 1}',
        '{"format": 1, "keys": [{"name": "a"}]}',
        '{"format": 1, "keys": [{"number": "1", "name": "a", "role": "king", "sha256": "", '
        '"created": ""}]}',
    ],
)
def test_damaged_file_is_one_line(tmp_path, content):
    (tmp_path / "keys.json").write_text(content)
    with pytest.raises(KeyFileError, match=r"keys\.json is no file of keys; make a new one"):
        read_keys(tmp_path / "keys.json")


def test_file_of_a_newer_version_is_refused(tmp_path):
    (tmp_path / "keys.json").write_text('{"format": 2, "keys": []}')
    with pytest.raises(KeyFileError, match="format 2, not 1"):
        read_keys(tmp_path / "keys.json")


@pytest.mark.parametrize("name", ["", " ", "-x", "a b", "a\n", "x" * 65, "wärd"])
def test_name_must_fit_into_a_log_line(tmp_path, name):
    with pytest.raises(KeyFileError, match="is no name for a key"):
        add_key(tmp_path / "keys.json", name, "search")
    assert list(tmp_path.iterdir()) == []


def test_name_has_one_key(tmp_path):
    file = tmp_path / "keys.json"
    add_key(file, "ward-3", "search")
    with pytest.raises(KeyFileError, match="ward-3 has a key already"):
        add_key(file, "ward-3", "admin")
    with pytest.raises(KeyFileError, match="ward-4 has no key"):
        revoke_key(file, "ward-4")


def test_keys_made_at_the_same_time_are_all_there(tmp_path):
    file = tmp_path / "keys.json"
    names = [f"ward-{number}" for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: add_key(file, name, "search"), names))
    assert {key.name for key in read_keys(file)} == set(names)
    assert json.loads(file.read_text())["format"] == 1
