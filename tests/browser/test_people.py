"""Unknown people on the page of a real service: strips, a timeline, and what an operator does."""

import json
import shutil

import pytest

from conftest import ROOT
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.people import list_people, list_steps
from service_cases import audit, process_of
from tracklet_cases import make_walks

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="tests of the operator's page need Playwright"
)
expect = sync_api.expect
TRANSLATIONS = ROOT / "src" / "fprnet" / "serving" / "page" / "translations"


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walks")
    make_walks(folder / "people.db")
    return folder / "people.db"


@pytest.fixture
def served(walked, tmp_path):
    shutil.copy(walked, tmp_path / "people.db")
    with process_of("--gallery", tmp_path / "people.db", "--rate", 0) as process:
        yield process.address, tmp_path


def people_in(folder):
    with Gallery.open(str(folder / "people.db")) as gallery:
        return {one.id: one for one in list_people(gallery)}, list_steps(gallery)


def test_an_operator_groups_names_joins_splits_and_undoes(served, desk_at):
    address, folder = served
    with desk_at(address) as desk:
        page = desk.page
        page.click("#people-button")
        expect(page.locator("#people .strip")).to_have_count(7)
        expect(page.locator("#people .still img")).not_to_have_count(0)
        page.click("#group-people")
        expect(page.locator(".person-card")).to_have_count(3)
        expect(page.locator("#people .notice")).to_contain_text("7")
        assert sorted(people_in(folder)[0]) == [1, 2, 3]

        page.click('[data-person="1"]')
        expect(page.locator(".timeline .lane")).to_have_count(4)
        expect(page.locator("#people .strip")).to_have_count(4)
        names = page.locator(".lane-name").all_inner_texts()
        assert [name.split()[-1] for name in names] == ["gate", "hall", "yard", "dock"]
        boxes = [bar.bounding_box() for bar in page.locator(".bar-of").all()]
        lefts = [box["x"] for box in boxes]
        assert lefts == sorted(lefts)  # in the order of time
        # 0, 60, 130 and 200 of 204 seconds.
        shares = [(left - lefts[0]) / (lefts[3] - lefts[0]) for left in lefts]
        assert shares == pytest.approx([0, 0.3, 0.65, 1], abs=0.02)
        # The walk takes less than four minutes, so its axis has seconds.
        axis = page.locator(".axis span").all_inner_texts()
        assert [text.split()[-1] for text in axis] == ["20:00:00", "20:01:42", "20:03:24"]
        page.locator(".bar-of.infrared").first.click()
        expect(page.locator("#people .strip").nth(2)).to_be_focused()

        page.fill("#person-name", "Anna")
        page.locator("#person-name").press("Enter")
        expect(page.locator("#people-title")).to_contain_text("Anna")
        page.select_option("#other-person", "3")
        page.click("#merge")
        expect(page.locator("#people .strip")).to_have_count(5)
        expect(page.locator("#split")).to_be_disabled()
        page.locator(".strip input[type=checkbox]").nth(1).check()
        page.click("#split")
        expect(page.locator("#people .strip")).to_have_count(4)
        found, steps = people_in(folder)
        assert {n: (one.names, one.tracklets) for n, one in found.items()} == {
            1: (("Anna",), 4),
            2: ((), 2),
            4: ((), 1),
        }
        assert [step.kind for step in steps] == ["split", "merge", "name", "group"]

        page.locator(".dialog-head button").first.click()
        page.click("#undo-step")
        expect(page.locator("#people .notice")).to_be_visible()
        expect(page.locator(".person-card")).to_have_count(2)
        assert people_in(folder)[0][1].tracklets == 5
    events = [one["event"] for one in audit(folder)]
    assert events == ["group", "name", "merge", "split", "undo"]


def test_a_tracklet_is_searched_for_and_mistakes_are_said(served, desk_at):
    address, folder = served
    with desk_at(address) as desk:
        page = desk.page
        page.click("#people-button")
        page.locator('[data-tracklet="1"]').get_by_role("button", name="Find").click()
        expect(page.locator("ol.strips .strip")).to_have_count(6)
        expect(page.locator(".strip .accepted")).to_have_count(3)
        assert all(
            card.get_attribute("data-tracklet") in "234"
            for card in page.locator(".strip:has(.accepted)").all()
        )
        page.locator(".dialog-head button").first.click()
        page.click("#group-people")
        page.click('[data-person="2"]')
        desk.watch.expect(422)
        page.locator("#person-name").press("Enter")  # it has no name to take back
        expect(page.locator("#people .notice.danger")).to_contain_text("already")
        page.keyboard.press("Escape")
        expect(page.locator("#people")).to_be_hidden()
    assert [step.kind for step in people_in(folder)[1]] == ["group"]


def test_in_chinese_on_a_phone(served, desk_at):
    address, _ = served
    texts = json.loads((TRANSLATIONS / "zh.json").read_text("utf-8"))
    phone = {"locale": "zh-CN", "viewport": {"width": 390, "height": 800}, "has_touch": True}
    with desk_at(address, **phone) as desk:
        page = desk.page
        page.click("#people-button")
        expect(page.locator("#people-title")).to_have_text(texts["people.title"])
        page.click("#group-people")
        page.click('[data-person="1"]')
        expect(page.locator(".timeline")).to_have_attribute("aria-label", texts["timeline.title"])
        width = page.evaluate("document.querySelector('#people').scrollWidth")
        assert width <= 390
        sizes = [button.bounding_box() for button in page.locator("#people button:visible").all()]
        assert all(box["height"] >= 24 for box in sizes if box)


def test_who_may_not_group_only_looks(walked, desk_at, tmp_path):
    from fprnet.serving.keys import add_key

    shutil.copy(walked, tmp_path / "people.db")
    with Gallery.open(str(tmp_path / "people.db"), writable=True) as gallery:
        key = add_key(gallery.database, "ward-3", "search")
    words = ("--gallery", tmp_path / "people.db", "--keys", "--rate", 0)
    with process_of(*words) as process, desk_at(process.address, key=key) as desk:
        desk.page.click("#people-button")
        expect(desk.page.locator("#people .strip")).to_have_count(7)
        expect(desk.page.locator("#group-people")).to_have_count(0)


def test_without_tracklets_there_is_no_button(desk):
    expect(desk.page.locator("#people-button")).to_be_hidden()
