"""Fixtures of the tests of the service: a model, a stock of images, a running process."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fprnet.embeddings.embedder import Embedder
    from service_cases import Process


@pytest.fixture(scope="session")
def untrained() -> Embedder:
    from fprnet.embeddings.loading import load_model

    return load_model("fprnet", scale="tiny", device="cpu")


@pytest.fixture(scope="session")
def stock(untrained: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See ``service_cases.make_stock``; copy it to change it."""
    pytest.importorskip("fastapi", reason="needs the service: pip install 'fprnet[service]'")
    from service_cases import make_stock

    return make_stock(tmp_path_factory.mktemp("stock"), untrained)


@pytest.fixture(scope="session")
def keys(stock: Path) -> dict[str, str]:
    """Keys of the stock's gallery: one of each role by its name, and "gone", which was revoked."""
    from fprnet.gallery.gallery import Gallery
    from fprnet.serving.keys import add_key, revoke_key
    from fprnet.serving.roles import ROLES

    with Gallery.open(str(stock / "people.db"), writable=True) as gallery:
        made = {role: add_key(gallery.database, role, role) for role in ROLES}
        made["gone"] = add_key(gallery.database, "gone", "admin")
        revoke_key(gallery.database, "gone")
    return made


@pytest.fixture(scope="session")
def serve(stock: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """``with serve(*words) as (process, client)``: a service of a copy of the stock."""
    from service_cases import MODEL, client_at, process_of

    @contextmanager
    def started(*words: object, key: str | None = None) -> Iterator[tuple[Process, Any]]:
        folder = tmp_path_factory.mktemp("served")
        shutil.copy(stock / "people.db", folder / "people.db")
        fixed = ("--gallery", folder / "people.db", *MODEL, "--images", stock / "day")
        with process_of(*fixed, *words) as process:
            process.folder = folder
            with client_at(process.address, key) as client:
                yield process, client

    return started


@pytest.fixture(scope="session")
def running(serve: Callable[..., Any], keys: dict[str, str]) -> Iterator[tuple[Process, Any]]:
    """A service that tests share and leave with the records that they found; an admin's client."""
    with serve("--keys", "--rate", 0, key=keys["admin"]) as (process, client):
        yield process, client
        assert process.stop() == 0
        assert "Traceback" not in process.log.read_text()
