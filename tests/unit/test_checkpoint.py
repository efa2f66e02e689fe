"""Checkpoints come back checked, and a failure to write loses nothing."""

import errno
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from fprnet.config import config_as_dict, load_config
from fprnet.errors import CheckpointError
from fprnet.files import sha256
from fprnet.methods.network import untrained
from fprnet.runs.trained_model import REIDENTIFICATION, load_trained

SMALL = ["--model.backbone.width", "8"]


@pytest.fixture(scope="module")
def state():
    config = load_config("one-stream", scale="tiny", overrides=SMALL)
    torch.manual_seed(1)
    model = untrained(config.model).build(3)
    return {
        "config": config_as_dict(config),
        "identities": [4, 7, 9],
        "selection": "last",
        "step": 12,
        "model": model.state_dict(),
    }


def test_model_comes_back(state, tmp_path):
    file = tmp_path / "a.pt"
    REIDENTIFICATION.write(file, state)
    trained = load_trained(file)
    assert trained.identities == (4, 7, 9)
    assert (trained.step, trained.selection) == (12, "last")
    assert trained.config == load_config("one-stream", scale="tiny", overrides=SMALL)
    assert not trained.model.training
    for name, value in trained.model.state_dict().items():
        assert torch.equal(value, state["model"][name]), name


def test_sha256_of_known_bytes(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(tmp_path / "abc") == expected


def test_full_disk_leaves_the_old_file(state, tmp_path, monkeypatch):
    file = tmp_path / "a.pt"
    REIDENTIFICATION.write(file, state)
    before = file.read_bytes()

    def full(path: Path, content: memoryview) -> int:
        with path.open("wb") as output:
            output.write(content[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CheckpointError, match=r"cannot be written \(No space left on device\)"):
        REIDENTIFICATION.write(file, state | {"step": 13})
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_truncated_file(state, tmp_path, share):
    file = tmp_path / "a.pt"
    REIDENTIFICATION.write(file, state)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint") as error:
        REIDENTIFICATION.read(file)
    assert "\n" not in str(error.value)


def test_any_bytes(tmp_path):
    file, random = tmp_path / "a.pt", np.random.default_rng(0)
    for length in (1, 3, 10, 100, 1000):
        for first in (b"", b"\x80\x02", b"\x80\x02}q\x00", b"PK\x03\x04", b"(lp0\n"):
            file.write_bytes(first + random.bytes(length))
            with pytest.raises(CheckpointError):
                REIDENTIFICATION.read(file)


def test_pickled_objects_are_not_run(tmp_path):
    file, mark = tmp_path / "a.pt", tmp_path / "ran"

    class Trap:
        def __reduce__(self):
            return Path.touch, (mark,)

    file.write_bytes(pickle.dumps({"format": 2, "model": Trap()}))
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint") as error:
        REIDENTIFICATION.read(file)
    assert not mark.exists()
    assert "weights_only" not in str(error.value)  # nobody is advised to trust it


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 1}, "has checkpoint format 1 but this fprnet reads 2"),
        ({"format": None}, "has checkpoint format None"),
        ({"kind": "superres"}, "of another kind, superres; give one that 'fprnet train' wrote"),
        ({"step": ...}, "incomplete checkpoint: it has no step"),
        ({"format": ...}, "is no fprnet checkpoint"),
        ({"config": {"preset": "x", "nothing": 3}}, "nothing is not a key"),
        ({"config": 3}, "it holds no keys"),
        ({"identities": [1, 2]}, "do not fit this model"),
        ({"model": {}}, "do not fit this model"),
    ],
)
def test_content_that_does_not_fit(state, tmp_path, change, told):
    changed = {k: v for k, v in ({"format": 2} | state | change).items() if v is not ...}
    file = tmp_path / "a.pt"
    torch.save(changed, file)
    with pytest.raises(CheckpointError) as error:
        load_trained(file)
    assert told in str(error.value)
    assert str(file) in str(error.value)


def test_file_of_plain_weights(state, tmp_path):
    torch.save(state["model"], tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"--model\.weights FILE"):
        REIDENTIFICATION.read(tmp_path / "w.pth")


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist; 'fprnet train' writes"):
        REIDENTIFICATION.read(tmp_path / "a.pt")


def test_a_foreign_file_gets_a_short_sentence(tmp_path):
    # torch names every key that it did not expect, which once made 6,000 characters.
    file = tmp_path / "foreign.pt"
    torch.save({f"layer{n}.weight": torch.zeros(1) for n in range(500)}, file)
    with pytest.raises(CheckpointError) as error:
        load_trained(file)
    assert len(str(error.value).replace(str(file), "")) < 250


def test_weights_of_another_model_get_a_short_sentence(state, tmp_path):
    file = tmp_path / "a.pt"
    weights = {f"layer{n}.weight": torch.zeros(1) for n in range(500)}
    torch.save({"format": 2} | state | {"model": weights}, file)
    with pytest.raises(CheckpointError, match=r"missing.*500 unknown, e\.g\. layer0") as error:
        load_trained(file)
    assert len(str(error.value).replace(str(file), "")) < 250
