"""A gallery whose writer is killed at random moments, and one that is asked for by two."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from conftest import environment
from fprnet.gallery.gallery import Gallery
from gallery_cases import MODEL, record, vectors

WRITER = """
import sys
from fprnet.gallery.gallery import Gallery
from gallery_cases import record, vectors

with Gallery.open(sys.argv[1], writable=True) as gallery:
    for number in range(int(sys.argv[2]), 10**6):
        gallery.add(vectors(1, seed=number), [record(number)])
        print(number, flush=True)  # acknowledged
"""


def start_writer(uri, first):
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, uri, str(first)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment() | {"PYTHONPATH": path},
    )


@pytest.mark.slow
def test_what_was_acknowledged_survives_a_kill(tmp_path):
    uri = str(tmp_path / "people.db")
    Gallery.create(uri, MODEL).close()
    moments = random.Random(0)
    acknowledged = []
    for start in (0, 1000, 2000):
        with start_writer(uri, start) as process:
            acknowledged.append(int(process.stdout.readline()))
            time.sleep(moments.uniform(0, 0.5))
            process.kill()
            acknowledged += [int(line) for line in process.stdout if line.endswith("\n")]
        with Gallery.open(uri, writable=True) as gallery:
            ids = [record(number).id for number in acknowledged]
            assert gallery.known(ids) == set(ids)
            expected = np.concatenate([vectors(1, seed=number) for number in acknowledged])
            np.testing.assert_array_equal(gallery.embeddings(ids), expected)
            # At most the one that was under way is there without having been acknowledged.
            assert len(acknowledged) <= len(gallery) <= len(acknowledged) + start // 1000 + 1


def test_a_second_process_gets_one_line(fprnet, tmp_path):
    uri = str(tmp_path / "people.db")
    Gallery.create(uri, MODEL).close()
    with start_writer(uri, 0) as process:
        process.stdout.readline()
        result = fprnet("gallery", "info", "--uri", uri)
        process.kill()
    assert result.status == 2
    assert f"open in process {process.pid}" in result.complaint


def test_an_embedded_gallery_listens_on_no_network_address(tmp_path):
    def listening():
        """Sockets of this machine in state LISTEN, by inode."""
        inodes = set()
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A":
                    inodes.add(f"socket:[{fields[9]}]")
        files = [file for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
        own = {str(file.readlink()) for file in files}
        return inodes & own

    if not Path("/proc/net/tcp").is_file():
        pytest.skip("this system has no /proc/net/tcp to look up listening sockets")
    before = listening()
    with Gallery.create(str(tmp_path / "people.db"), MODEL):
        assert listening() == before
