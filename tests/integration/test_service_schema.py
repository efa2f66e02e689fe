"""The service does what its OpenAPI description says, for requests that schemathesis makes up."""

import shutil

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from fprnet.gallery.gallery import Gallery
from fprnet.gallery.searcher import Searcher
from fprnet.serving.answers import Added
from service_cases import IDS, image_bytes, sha256

OPERATIONS = [
    ("POST", "/v1/search"),
    ("POST", "/v1/explanations"),
    ("GET", "/v1/gallery"),
    ("POST", "/v1/gallery/images"),
    ("GET", "/v1/gallery/images/{id}"),
    ("PATCH", "/v1/gallery/images/{id}"),
    ("DELETE", "/v1/gallery/images/{id}"),
    ("GET", "/v1/gallery/images/{id}/content"),
    ("POST", "/v1/feedback"),
    ("GET", "/v1/feedback"),
    ("GET", "/healthz"),
    ("GET", "/metrics"),
    ("GET", "/v1/me"),
    ("GET", "/v1/tracklets"),
    ("GET", "/v1/tracklets/{number}"),
    ("POST", "/v1/tracklets/search"),
    ("GET", "/v1/people"),
    ("GET", "/v1/people/{number}"),
    ("POST", "/v1/people/{number}/merge"),
    ("POST", "/v1/people/{number}/split"),
    ("POST", "/v1/people/{number}/name"),
    ("POST", "/v1/grouping"),
    ("GET", "/v1/grouping/steps"),
    ("POST", "/v1/grouping/steps/{number}/undo"),
    ("GET", "/v1/events"),
    ("GET", "/v1/watch-list"),
]
# What test_events_delivered asks for: a stream has no end, and the list takes known people only.
ELSEWHERE = [
    ("GET", "/v1/events/stream"),
    ("PUT", "/v1/watch-list/{identity}"),
    ("DELETE", "/v1/watch-list/{identity}"),
]
# Without parameters.
PLAIN = [
    *(("GET", "/v1/gallery"), ("GET", "/metrics"), ("GET", "/v1/me"), ("GET", "/v1/watch-list")),
]
# No schema can say whether a camera is known and how many numbers an embedding has.
BEYOND_SCHEMAS = {
    "/v1/search": [checks.positive_data_acceptance],
    "/v1/tracklets/search": [checks.positive_data_acceptance],
    "/v1/people/{number}/merge": [checks.positive_data_acceptance],  # nobody joins themselves
    "/v1/people/{number}/split": [checks.positive_data_acceptance],  # one list holds something
    "/v1/grouping": [checks.positive_data_acceptance],  # the tiny model is not calibrated
}
# A damaged image among others gets its own line of a good answer.
ANSWERED_BY_LINE = {("POST", "/v1/gallery/images"): [checks.negative_data_rejection]}
# The same requests in every run. Drawing a request takes longer than answering it.
FEW = settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def described(stock, untrained, tmp_path_factory):
    """The description of an application in this process, with a gallery that may be changed."""
    from fprnet.serving.app import create_app
    from fprnet.serving.service import Service
    from fprnet.serving.settings import Settings

    folder = tmp_path_factory.mktemp("described")
    shutil.copy(stock / "people.db", folder / "people.db")
    chosen = Settings(
        folder=folder / "service",
        image_roots=(stock / "day",),
        allowed_hosts=("testserver",),
        rate=0,
    )
    with Gallery.open(str(folder / "people.db"), writable=True) as gallery:
        service = Service(Searcher(untrained, gallery), chosen)
        yield schemathesis.openapi.from_asgi("/openapi.json", create_app(service))
        service.close()


def test_every_operation_is_described(described):
    there = [each.ok() for each in described.get_all_operations()]
    assert sorted((each.method.upper(), each.path) for each in there) == sorted(
        [*OPERATIONS, *ELSEWHERE]
    )


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_requests_that_fit_the_description(described, method, path):
    ask(described[path][method], GenerationMode.POSITIVE, BEYOND_SCHEMAS.get(path, []))


@pytest.mark.parametrize(("method", "path"), [each for each in OPERATIONS if each not in PLAIN])
def test_requests_that_do_not_fit_the_description(described, method, path):
    ask(described[path][method], GenerationMode.NEGATIVE, ANSWERED_BY_LINE.get((method, path), []))


def ask(operation, mode, excluded):
    @FEW
    @given(operation.as_strategy(generation_mode=mode))
    def once(case):
        case.call_and_validate(excluded_checks=excluded)

    once()


def test_good_requests_are_answered_as_described(described):
    """What is made up finds no record; these do."""

    def good(method, path, body=None, media_type="application/json", **values):
        if body is not None:
            values |= {"body": body, "media_type": media_type}
        answer = described[path][method].Case(**values).call_and_validate()
        assert answer.status_code == 200, answer.text
        return answer

    query = {"images": [image_bytes(3)], "options": {"modality": "visible", "group": True}}
    found = good("POST", "/v1/search", query, "multipart/form-data").json()
    match = {"search": found["search"], "match": found["matches"][0]["id"]}
    assert match["match"] == IDS[3]
    assert found["people"]
    good("POST", "/v1/search", {"search": found["search"], "confirmed": [IDS[3]], "top": 2.0})
    good("POST", "/v1/explanations", match)
    good("POST", "/v1/feedback", match | {"verdict": "right"})
    for format in ("json", "csv", "zip"):
        good("GET", "/v1/feedback", query={"format": format})
    record = {"path_parameters": {"id": IDS[3]}}
    good("GET", "/v1/gallery/images/{id}", **record)
    good("GET", "/v1/gallery/images/{id}/content", **record)
    for change in ({"hidden": True}, {"hidden": False, "camera": "gate"}, {"identity": None}):
        good("PATCH", "/v1/gallery/images/{id}", change, **record)
    sent = {"image": image_bytes(600), "metadata": {"modality": "visible", "camera": 3}}
    (line,) = good("POST", "/v1/gallery/images", sent, "multipart/form-data").text.splitlines()
    added = Added.model_validate_json(line)
    assert (added.status, added.id) == ("added", sha256(image_bytes(600)))
    good("DELETE", "/v1/gallery/images/{id}", path_parameters={"id": added.id})
