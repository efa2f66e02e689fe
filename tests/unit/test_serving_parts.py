"""Roles, token buckets, recent searches, settings: the small parts of the service."""

from itertools import pairwise

import numpy as np
import pytest

from fprnet.errors import UsageError
from fprnet.serving.images import Upload
from fprnet.serving.limits import MOST_CALLERS, TokenBuckets
from fprnet.serving.problems import ProblemError
from fprnet.serving.roles import ROLES, permissions
from fprnet.serving.routes_page import language_of
from fprnet.serving.sessions import OVERHEAD, RecentSearch, RecentSearches
from fprnet.serving.settings import Settings, is_loopback


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_roles_contain_one_another():
    sets = [set(permissions(role)) for role in ROLES]
    assert sets[0] == {"metrics"}
    assert all(one < other for one, other in pairwise(sets))
    assert "erase" not in sets[ROLES.index("write")]


def test_bucket_lets_a_burst_in_and_then_the_rate():
    clock = Clock()
    buckets = TokenBuckets(rate=2, burst=3, clock=clock)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b") == 0  # has its own
    clock.now += 0.25
    assert buckets.take("a") == 0.25
    clock.now += 0.25
    assert buckets.take("a") == 0
    clock.now += 1000  # no more than the burst is saved up
    assert [buckets.take("a") == 0 for _ in range(4)] == [True, True, True, False]


def test_no_rate_is_no_limit():
    buckets = TokenBuckets(rate=0, burst=1)
    assert {buckets.take("a") for _ in range(100)} == {0}


def test_buckets_of_made_up_callers_do_not_fill_the_memory():
    buckets = TokenBuckets(rate=1, burst=1)
    for number in range(MOST_CALLERS + 10):
        buckets.take(str(number))
    assert len(buckets._buckets) == MOST_CALLERS


def upload(size: int = 10, sha256: str = "a" * 64) -> Upload:
    pixels = np.zeros((2, 1, 3), dtype=np.uint8)
    return Upload("a.png", bytes(size), sha256, pixels, 1, 2, ())


def search(owner: str = "ward", *, change: int = 0, **kwargs) -> RecentSearch:
    embeddings = np.zeros((1, 4), np.float32)
    return RecentSearch(owner, "infrared", (upload(**kwargs),), embeddings, change)


def never_erased(change: int) -> bool:
    return False


def test_search_is_found_by_its_owner_for_an_hour():
    clock = Clock()
    searches = RecentSearches(never_erased, clock=clock)
    made = search()
    searches.remember(made)
    clock.now += 3599
    assert searches.find(made.id, "ward") is made
    for id, owner in ((made.id, "somebody else"), ("nothing", "ward")):
        with pytest.raises(ProblemError, match="send the images again") as caught:
            searches.find(id, owner)
        assert caught.value.status == 404
    clock.now += 2
    with pytest.raises(ProblemError):
        searches.find(made.id, "ward")


def test_oldest_searches_make_room():
    searches = RecentSearches(never_erased, most_bytes=2 * (OVERHEAD + 1000))
    made = [search(size=1000) for _ in range(3)]
    for one in made:
        searches.remember(one)
    assert searches.find(made[2].id, "ward") is made[2]
    assert searches.find(made[1].id, "ward") is made[1]
    with pytest.raises(ProblemError):
        searches.find(made[0].id, "ward")


@pytest.mark.parametrize("is_swept", [False, True])
def test_nothing_goes_back_to_a_search_from_before_an_erasing(is_swept):
    erasings = [7]
    searches = RecentSearches(lambda change: any(number > change for number in erasings))
    made = [search(change=change) for change in (7, 9, 8)]
    for one in made:
        searches.remember(one)
    assert all(searches.find(one.id, "ward") is one for one in made)
    erasings.append(9)
    if is_swept:
        searches.sweep()
        assert searches._bytes == made[1].size
    for one in (made[0], made[2]):
        with pytest.raises(ProblemError, match="send the images again"):
            searches.find(one.id, "ward")
    assert searches.find(made[1].id, "ward") is made[1]
    assert searches._bytes == made[1].size


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("localhost.example.org", False),
    ],
)
def test_other_addresses_need_keys(tmp_path, host, loopback):
    assert is_loopback(host) == loopback
    assert Settings(host=host, keys=True).host == host
    if not loopback:
        with pytest.raises(UsageError, match="fprnet keys add"):
            Settings(host=host)


def test_queue_smaller_than_a_batch_is_refused():
    with pytest.raises(UsageError, match="--queue 4 is smaller than --batch 16"):
        Settings(queue=4)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("de", "en"),
        ("zh;q=oops", "en"),
    ],
)
def test_language_of_the_browser(header, language):
    assert language_of(header) == language
