"""The operator asks: images, filters, the answer as a whole."""

import base64
import hashlib
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="tests of the operator's page need Playwright"
)
expect = sync_api.expect


def options(double):
    """Of the last search."""
    return double.asked("POST", "/v1/search")[-1]


def images_of(double, query):
    """How many daytime images the gallery has of who is on the query."""
    person = double.shown_by[hashlib.sha256(query.read_bytes()).hexdigest()]
    return sum(record.identity == person for record in double.records.values())


def test_matches_stand_in_their_order_with_all_that_is_known(desk, double, night):
    desk.search(night())
    expect(desk.cards()).to_have_count(20)
    searched = double.search(options(double), [("a.jpg", night().read_bytes())])
    for position in (0, 3, 19):
        match, card = searched["matches"][position], desk.cards().nth(position)
        expect(card.locator(".rank")).to_have_text(str(position + 1))
        expect(card).to_contain_text(f"Similarity {match['similarity']:.2f}")
        expect(card).to_contain_text(f"Camera {match['camera']}")
        expect(card).to_contain_text(f"Location {match['location']}")
        expect(card).to_contain_text(f"Person {match['identity']}")
        expect(card).to_contain_text("Time unknown" if match["time"] is None else ":")
    expect(desk.page.locator("#matches img").first).to_be_visible()


PROBABILITIES = [
    (0.996, "> 99%", "very likely"),
    (0.90, "90%", "very likely"),
    (0.899, "90%", "likely"),
    (0.5, "50%", "possible"),
    (0.2, "20%", "unlikely"),
    (0.004, "< 1%", "very unlikely"),
]


def test_probability_in_number_and_words(desk, double, night):
    answer = double.search

    def answered(*asked):
        made = answer(*asked)
        asked_for = made["matches"][: len(PROBABILITIES)]
        for match, (probability, _, _) in zip(asked_for, PROBABILITIES, strict=True):
            match["probability"] = probability
        return made

    double.search = answered
    desk.search(night())
    for position, (_, number, words) in enumerate(PROBABILITIES):
        expect(desk.cards().nth(position).locator(".sure b")).to_have_text(number)
        expect(desk.cards().nth(position).locator(".in-words")).to_have_text(words)


def with_first(answer, **values):
    """An answer whose first match says something else."""
    answer["matches"][0] |= values
    return answer


def test_times_are_local(desk, double, night):
    answer = double.search
    # Shanghai is eight hours ahead of UTC.
    double.search = lambda *asked: with_first(answer(*asked), time="2024-12-31T20:05:09Z")
    desk.page.clock.set_fixed_time("2025-06-01T12:00:00Z")
    desk.search(night())
    expect(desk.cards().first).to_contain_text("1 Jan, 04:05")
    desk.page.clock.set_fixed_time("2026-06-01T12:00:00Z")
    desk.page.click("#search")
    expect(desk.cards().first).to_contain_text("1 Jan 2025, 04:05")
    expect(desk.page.locator("#time-zone")).to_contain_text("Asia/Shanghai (GMT+8)")


def test_above_and_below_the_threshold(desk, double, night):
    desk.search(night())
    count = images_of(double, night())
    verdict = f"Probably in the gallery: {count} images reach the threshold"
    expect(desk.page.locator("#verdict h3")).to_have_text(verdict)
    line = desk.page.locator(f"#matches > :nth-child({count + 1})")
    expect(line).to_have_text("Below the threshold: most likely other people")
    expect(desk.page.locator("#bar")).to_contain_text("20 matches among")


def test_likely_matches_below_the_threshold_are_not_called_other_people(desk, double, night):
    answer = double.search

    def answered(*asked):
        made = answer(*asked)
        first = next(match for match in made["matches"] if not match["accepted"])
        first["probability"] = 0.75
        return made

    double.search = answered
    desk.search(night())
    expect(desk.page.locator("#verdict")).to_contain_text("Probably in the gallery")
    expect(desk.page.locator("#matches > .divider.below")).to_have_text("Below the threshold")


def test_matches_of_the_querys_own_light_have_a_threshold_and_no_probability(desk, double, night):
    answer = double.search

    def answered(*asked):
        made = answer(*asked)
        for match in made["matches"]:
            match["probability"] = None
        return made

    double.search = answered
    desk.search(night())
    verdict = desk.page.locator("#verdict")
    expect(verdict).to_contain_text("Probably in the gallery")
    expect(verdict).to_contain_text("1 of 100 searches")
    expect(verdict).not_to_contain_text("%")
    expect(desk.cards().first.locator(".in-words")).to_have_text("similarity")


def test_probably_not_in_the_gallery(desk, double, night):
    double.absent = set(double.shown_by.values())
    desk.search(night())
    verdict = desk.page.locator("#verdict")
    expect(verdict).to_contain_text("Probably not in the gallery")
    expect(verdict).to_contain_text("1 false match in 100 searches")
    expect(desk.page.locator("#status")).to_contain_text("Probably not in the gallery")
    assert verdict.bounding_box()["y"] < desk.cards().first.bounding_box()["y"]


def test_perhaps_in_the_gallery(desk, double, night):
    double.threshold = 0.99
    desk.search(night())
    verdict = desk.page.locator("#verdict")
    expect(verdict).to_contain_text("Perhaps in the gallery")
    expect(verdict).to_contain_text("1 false match in 100 searches")
    best = desk.cards().first.locator("text=/\\d+%/").first.inner_text()
    expect(verdict).to_contain_text(f"right with a probability of {best}")
    expect(desk.page.locator("#status")).to_contain_text("Perhaps in the gallery")
    expect(desk.page.locator("#matches > :first-child")).to_have_text("Below the threshold")


def test_without_a_calibration_no_probability_is_made_up(desk_at, double, night):
    double.calibrated = False
    with desk_at(double.address) as desk:
        expect(desk.page.locator("#rate")).to_be_disabled()
        desk.search(night())
        expect(desk.page.locator("#verdict")).to_contain_text("without a probability")
        expect(desk.cards().first.locator(".in-words")).to_have_text("similarity")
        assert "%" not in desk.page.locator("#answer").inner_text()
        assert "false_match_rate" not in options(double)


def test_several_images_of_one_person(desk, double, night):
    desk.search(night(0, 0), night(0, 1))
    expect(desk.cards()).to_have_count(20)
    [searched] = double.searches.values()
    assert [content for _, content in searched["uploads"]] == [
        night(0, n).read_bytes() for n in (0, 1)
    ]
    desk.page.locator("#previews button").first.click()
    expect(desk.page.locator("#previews li")).to_have_count(1)
    expect(desk.page.locator("#stale")).to_be_visible()
    expect(desk.page.locator("#search")).to_have_text("Search again")


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_dropped_and_pasted_images(desk, night, way):
    content = base64.b64encode(night().read_bytes()).decode()
    desk.page.evaluate(
        """([way, content]) => {
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            const carried = new DataTransfer();
            carried.items.add(new File([bytes], "night.jpg", { type: "image/jpeg" }));
            const event = way === "drop"
                ? new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true })
                : new ClipboardEvent("paste", { clipboardData: carried, bubbles: true });
            document.querySelector("main").dispatchEvent(event);
        }""",
        [way, content],
    )
    expect(desk.page.locator("#previews")).to_contain_text("night.jpg")
    expect(desk.page.locator("#status")).to_have_text("One image added, 1 chosen.")


def test_files_that_cannot_be_used_are_named(desk, double, night, tmp_path):
    files = {
        "notes.txt": b"not an image",
        "empty.png": b"",
        "broken.jpg": b"\xff\xd8\xff not a JPEG",
        "large.png": night().read_bytes() + bytes(2_000_001),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    Image.new("L", (64, 32)).save(tmp_path / "scene.png")
    Image.new("1", (4001, 4000)).save(tmp_path / "poster.png")
    names = [*files, "poster.png", "scene.png"]
    desk.page.set_input_files("#files", [*(tmp_path / name for name in names), night(), night()])
    expect(desk.page.locator("#previews li")).to_have_count(2)
    told = desk.page.locator("#image-problems li")
    expect(told).to_contain_text(
        [
            "notes.txt is not an image",
            "empty.png is empty",
            "broken.jpg cannot be read",
            "large.png has 2 MB; 2 MB is the most",
            "poster.png has 16,004,000 pixels; 16,000,000 is the most",
            "has been chosen already",
            "scene.png is wider than tall",
        ]
    )
    assert double.asked("POST", "/v1/search") == []


def test_no_more_images_than_the_service_takes(desk, tmp_path):
    for number in range(9):
        Image.new("L", (8, 16), number).save(tmp_path / f"{number}.png")
    desk.page.set_input_files("#files", sorted(tmp_path.glob("*.png")))
    expect(desk.page.locator("#image-problems")).to_contain_text("8.png is left out")
    expect(desk.page.locator("#previews li")).to_have_count(8)


def test_a_search_without_an_image_says_what_is_missing(desk, double):
    desk.page.click("#search")
    expect(desk.page.locator("#image-problems")).to_have_text(
        "Choose at least one image of the person first."
    )
    expect(desk.page.locator("#files")).to_be_focused()


def test_filters_reach_the_service_and_the_address_holds_nothing_else(desk, double, night):
    page = desk.page
    page.get_by_label("Camera 1", exact=False).check()
    page.get_by_label("Camera 4", exact=False).check()
    page.fill("#since", "2026-11-20T10:30")
    page.fill("#until", "2026-11-21T10:30")
    page.select_option("#exclude-location", "2")
    page.select_option("#identity", "known")
    page.select_option("#top", "10")
    page.select_option("#rate", "0.001")
    page.check("#group")
    page.check("#rerank")
    desk.search(night())
    expect(page.locator("#verdict")).to_be_visible()
    assert options(double) == {
        "modality": "infrared",
        "top": 10,
        "filters": {
            "cameras": [1, 4],
            "locations": [],
            "since": "2026-11-20T02:30:00.000Z",  # Shanghai is eight hours ahead of UTC
            "until": "2026-11-21T02:30:00.000Z",
            "exclude_location": 2,
            "identity": "known",
            "modality": "visible",
        },
        "group": True,
        "rerank": True,
        "false_match_rate": 0.001,
        "confirmed": [],
    }
    written = parse_qs(urlsplit(page.url).fragment)
    assert {name: value[0] for name, value in written.items()} == {
        "camera": "1,4",
        "since": "2026-11-20T02:30:00.000Z",
        "until": "2026-11-21T02:30:00.000Z",
        "not-location": "2",
        "identity": "known",
        "top": "10",
        "false-matches": "0.001",
        "group": "1",
        "rerank": "1",
    }
    expect(page.locator("#filter-count")).to_have_text("5")
    page.reload()
    expect(page.get_by_label("Camera 4", exact=False)).to_be_checked()
    expect(page.locator("#since")).to_have_value("2026-11-20T10:30")
    expect(page.locator("#rate")).to_have_value("0.001")
    expect(page.locator("#previews li")).to_have_count(0)  # images are in no address
    page.click("#clear-filters")
    assert urlsplit(page.url).fragment == ""
    expect(page.get_by_label("Camera 4", exact=False)).not_to_be_checked()


def test_an_address_that_makes_no_sense_sets_no_filter(desk, double, night):
    desk.open(
        double.address + "#camera=%01,&since=never&identity=%3Cb%3E&top=1000&group=maybe&no=1"
    )
    desk.page.reload()
    desk.search(night())
    expect(desk.cards()).to_have_count(20)
    filters = options(double)["filters"]
    assert (filters["cameras"], filters["since"], filters["identity"]) == ([], None, "any")


def test_a_camera_that_the_gallery_has_not_can_be_seen_and_taken_out(desk, double):
    desk.open(double.address + "#camera=77")
    desk.page.reload()
    unknown = desk.page.get_by_label("Camera 77", exact=False)
    expect(unknown).to_be_checked()
    unknown.click()  # not uncheck(): what is no longer chosen may go at once
    expect(desk.page).to_have_url(re.compile(r"^[^#]*#?$"))


def test_a_time_window_upside_down_is_not_sent(desk, double, night):
    desk.page.fill("#since", "2026-11-22T10:00")
    desk.page.fill("#until", "2026-11-21T10:00")
    expect(desk.page.locator("#window-problem")).to_contain_text("later than")
    desk.search(night())
    expect(desk.page.locator("#since")).to_be_focused()
    expect(desk.page.locator("#since")).to_have_attribute("aria-invalid", "true")
    assert double.asked("POST", "/v1/search") == []
    desk.page.fill("#until", "2026-11-23T10:00")
    expect(desk.page.locator("#window-problem")).to_be_hidden()


def test_filters_that_nothing_passes(desk, night):
    desk.page.fill("#since", "2030-01-01T00:00")
    desk.search(night())
    expect(desk.page.locator("#verdict")).to_contain_text("No image in the gallery passes")
    desk.page.click("#verdict button")
    expect(desk.cards()).to_have_count(20)
    expect(desk.page.locator("#since")).to_have_value("")


def test_other_filters_need_no_second_upload(desk, double, night):
    desk.search(night())
    expect(desk.cards()).to_have_count(20)
    desk.page.select_option("#top", "10")
    expect(desk.page.locator("#stale")).to_be_visible()
    desk.page.click("#search")
    expect(desk.cards()).to_have_count(10)
    expect(desk.page.locator("#stale")).to_be_hidden()
    assert options(double)["search"].startswith("search-0")


def test_matches_of_one_person_together(desk, double, night):
    desk.page.check("#group")
    desk.search(night())
    headings = desk.page.locator("#matches .divider")
    person = double.shown_by[hashlib.sha256(night().read_bytes()).hexdigest()]
    count = images_of(double, night())
    expect(headings.first).to_have_text(f"Person {person}: {count} images")
    expect(headings.nth(1)).to_contain_text("below the threshold")


def test_an_image_of_the_other_modality_is_noticed(desk, double, tiny_set):
    desk.search(sorted((tiny_set / "cam1").glob("*/*.jpg"))[0])
    warning = desk.page.locator("#notices .notice")
    expect(warning).to_contain_text("This may not be an infrared image")
    warning.get_by_role("button", name="Search as daytime image").click()
    expect(warning).to_have_count(0)
    assert options(double)["modality"] == "visible"
    expect(desk.page.locator("#queries")).to_have_value("visible")


def test_a_picture_that_may_not_be_shown_says_so(desk, double, night):
    answer = double.search
    double.search = lambda *asked: with_first(answer(*asked), image=None)
    desk.search(night())
    expect(desk.cards().first.locator(".photo")).to_contain_text("may not show this image")


def test_names_of_files_and_records_are_text(desk, double, night, tmp_path):
    name = "<img src=x onerror=alert(1)>.jpg"
    (tmp_path / name).write_bytes(night().read_bytes())
    desk.search(tmp_path / name)
    expect(desk.cards()).to_have_count(20)
    expect(desk.page.locator("#previews")).to_contain_text(name)
    expect(desk.page.locator("img[src=x]")).to_have_count(0)
