"""Terminals without Unicode, platforms without fcntl, long names of temporary folders."""

import json
import os
import subprocess
import sys

import pytest

from conftest import command, environment


@pytest.fixture(scope="module")
def features_file(tmp_path_factory):
    from fprnet.embeddings.store import write_features
    from sysu_cases import small_features

    file = tmp_path_factory.mktemp("features") / "f.npz"
    write_features(file, small_features(ties=False))
    return file


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lists")
    (folder / "test_id.txt").write_text("1,2,3\n")
    return folder


def words(features_file, lists):
    return ("evaluate", features_file, "--data", lists, "--gallery", "seeded")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_terminal_without_a_sign_gets_another(features_file, lists, encoding):
    finished = subprocess.run(
        command(*words(features_file, lists)),
        env=environment() | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    text = finished.stdout.decode(encoding)
    assert {"ascii": "+/-", "latin-1": "\u00b1", "utf-8": "\u00b1"}[encoding] in text
    assert ("\u2013" in text) == (encoding == "utf-8")
    assert finished.stderr == b""


def test_plain_locale_and_a_long_temporary_folder(features_file, lists, tmp_path):
    folder = tmp_path / ("x" * 200)
    folder.mkdir()
    finished = subprocess.run(
        command(*words(features_file, lists), "--json"),
        env=environment() | {"LC_ALL": "C", "PYTHONUTF8": "0", "TMPDIR": str(folder)},
        capture_output=True,
        check=True,
    )
    assert "scores" in json.loads(finished.stdout)


def test_platform_without_fcntl_imports_everything_but_what_it_lacks():
    code = """
import sys
sys.modules["fcntl"] = sys.modules["resource"] = None
import fprnet.cli.main, fprnet.data.cache, fprnet.runs.run_folder, fprnet.serving.server
import fprnet.serving.decoding, fprnet.gallery.opening, fprnet.cli.serve
"""
    subprocess.run([sys.executable, "-c", code], env=os.environ, check=True)
