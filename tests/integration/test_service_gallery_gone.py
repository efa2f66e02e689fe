"""A Milvus server that goes away while it is searched: 503, and nothing half-written."""

import json

import numpy as np
import pytest

from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import ModelIdentity
from milvus_server import milvus_server
from service_cases import (
    IDS,
    MODEL,
    add,
    client_at,
    image_bytes,
    post_images,
    problem,
    process_of,
    search,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server():
    with milvus_server() as server:
        yield server


@pytest.fixture(scope="module")
def serving(server, stock, untrained, tmp_path_factory):
    """``fprnet serve`` in front of a server with the stock's records."""
    with Gallery.open(str(stock / "people.db")) as kept:
        vectors = np.stack([kept.embeddings([id])[0] for id in IDS])
        records = kept.get(IDS)
    with Gallery.create(server.uri, ModelIdentity.of(untrained)) as gallery:
        gallery.add(vectors, records)
    folder = tmp_path_factory.mktemp("service")
    with process_of("--gallery", server.uri, *MODEL, "--folder", folder, "--rate", 0) as process:
        process.folder = folder
        with client_at(process.address) as client:
            yield process, client
        assert process.stop() == 0


def test_server_that_goes_away_in_the_middle(server, serving):
    process, client = serving
    assert search(client, image_bytes(3), modality="visible")["matches"][0]["id"] == IDS[3]
    server.kill()
    image = f"/v1/gallery/images/{IDS[0]}"
    answer = post_images(client, image_bytes(3), modality="visible")
    assert problem(answer) == (503, "gallery_gone")
    assert int(answer.headers["Retry-After"]) > 0
    assert problem(client.get(image)) == (503, "gallery_gone")
    assert problem(client.delete(image)) == (503, "gallery_gone")
    assert client.get("/healthz").status_code == 503
    assert client.get("/healthz", params={"live": 1}).status_code == 200
    assert "fprnet_gallery_records NaN" in client.get("/metrics").text
    (line,) = add(client, ({"modality": "visible"}, image_bytes(700)))
    assert (line["status"], line["error"]["code"]) == ("refused", "gallery_gone")
    assert not list((process.folder / "images").rglob("*.png"))
    entries = (process.folder / "audit.jsonl").read_text().splitlines()
    events = [json.loads(entry) for entry in entries]
    assert {e["outcome"] for e in events if e["event"] == "erase"} == {"begun", "gallery_gone"}
