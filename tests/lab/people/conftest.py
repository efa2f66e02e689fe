"""Somebody, and a small world, that the tests of rendered people share."""

import pytest

from fprnet_lab.people.person import Person, Population, draw_person
from fprnet_lab.people.render import Setting


@pytest.fixture(scope="session")
def person() -> Person:
    return draw_person((1, 2), Population())


@pytest.fixture(scope="session")
def setting() -> Setting:
    return Setting(seed=5, worlds=(3,))
