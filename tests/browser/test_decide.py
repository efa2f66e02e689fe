"""The operator decides: marks, refining, the comparison in detail, hiding and erasing, export."""

import pytest

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="tests of the operator's page need Playwright"
)
expect = sync_api.expect


@pytest.fixture
def found(desk, night):
    """The page after a search with two images."""
    desk.search(night(0, 0), night(0, 1))
    expect(desk.cards()).to_have_count(20)
    return desk


def card(desk, position):
    return desk.cards().nth(position)


def marks(double):
    """Verdicts on the service's disk, in the order they were first given."""
    return list(double.marks.values())


def saved(double, desk, verdicts):
    """Wait until the service has just these."""
    for _ in range(100):
        if marks(double) == verdicts:
            return
        desk.page.evaluate("() => new Promise(requestAnimationFrame)")
    assert marks(double) == verdicts


def test_marks_are_stored_taken_back_and_undone(found, double):
    card(found, 0).get_by_role("button", name="Match 1 is right").click()
    card(found, 2).get_by_role("button", name="Match 3 is wrong").click()
    expect(card(found, 0)).to_have_attribute("data-mark", "right")
    expect(card(found, 2).locator(".badge")).to_have_text("Wrong")
    expect(found.page.locator("#status")).to_have_text("Match 3 marked wrong.")
    saved(double, found, ["right", "wrong"])
    # The same mark again takes it back; undo brings it again, then takes the one before away.
    card(found, 2).get_by_role("button", name="Match 3 is wrong").click()
    expect(card(found, 2).locator(".badge")).to_have_count(0)
    saved(double, found, ["right"])
    undo = found.page.get_by_role("button", name="Undo mark")
    undo.click()
    saved(double, found, ["right", "wrong"])
    undo.click()
    undo.click()
    saved(double, found, [])
    expect(found.page.locator(".badge")).to_have_count(0)
    expect(undo).to_have_count(0)


def test_marks_are_there_again_after_the_page_is_loaded_again(found, double, night):
    card(found, 1).locator(".mark.right").click()
    saved(double, found, ["right"])
    found.page.reload()
    found.search(night(0, 0), night(0, 1))
    expect(card(found, 1)).to_have_attribute("data-mark", "right")
    # Other images are another question: marks of this one do not stand there.
    found.page.locator("#previews button").first.click()
    found.page.click("#search")
    expect(found.page.locator("#stale")).to_be_hidden()
    expect(found.page.locator(".badge")).to_have_count(0)


def test_the_search_is_refined_with_confirmed_matches(found, double):
    for position in (0, 1):
        card(found, position).locator(".mark.right").click()
    card(found, 3).locator(".mark.wrong").click()
    ids = [card(found, position).get_attribute("data-id") for position in (0, 1)]
    found.page.get_by_role("button", name="Refine with 2 confirmed matches").click()
    expect(found.page.locator(".refined")).to_have_text("Refined with 2 confirmed matches")
    asked = double.asked("POST", "/v1/search")[-1]
    assert sorted(asked["confirmed"]) == sorted(ids)
    assert asked["search"]  # no second upload
    expect(card(found, 0)).to_contain_text("used to refine")
    expect(found.page.locator("[data-name=refine]")).to_have_count(0)
    found.page.get_by_role("button", name="My images only").click()
    expect(found.page.locator(".refined")).to_have_count(0)
    assert double.asked("POST", "/v1/search")[-1]["confirmed"] == []


def test_the_comparison_shows_why(found, double):
    card(found, 0).locator(".photo").click()
    details = found.page.locator("#details")
    expect(details.locator("h2")).to_have_text("Match 1 beside the query")
    rows = details.locator(".levels tbody tr")
    # Names, cosine and share as the double gives them: share is a quarter of the cosine.
    expect(rows).to_have_text(
        [
            "Whole embeddingwhole body0.520.13",
            "Level 5whole body0.610.15",
            "Level 42 stripes0.470.12",
            "Level 36 stripes0.700.18",
        ]
    )
    bar, track = (rows.nth(3).locator(name).bounding_box() for name in (".line i", ".line"))
    assert bar["width"] / track["width"] == pytest.approx(0.7, abs=0.02)
    expect(details.locator(".band")).to_have_count(6)  # of the level with the most stripes
    rows.nth(2).locator("button").click()
    expect(details.locator(".band")).to_have_count(2)
    halves = [band.bounding_box()["height"] for band in details.locator(".band").all()]
    whole = details.locator("#bands").bounding_box()["height"]
    assert halves == pytest.approx([whole / 2, whole / 2], abs=3)
    expect(details.locator(".frame .heat")).to_have_count(2)
    expect(details.locator("#match-frame .heat")).to_have_css("opacity", "0.8")
    details.get_by_label("Heat map", exact=True).uncheck()
    expect(details.locator("#match-frame .heat")).to_have_css("opacity", "0")
    details.get_by_role("button", name="2 · ").click()
    expect(details.locator(".frame .heat")).to_have_count(2)
    assert double.asked("POST", "/v1/explanations")[-1]["query"] == 1


def test_going_from_match_to_match_and_back(found):
    card(found, 0).locator(".photo").click()
    details = found.page.locator("#details")
    expect(details.get_by_label("Previous match")).to_be_disabled()
    details.get_by_label("Next match").click()
    expect(details.locator("h2")).to_have_text("Match 2 beside the query")
    details.locator(".mark.wrong").click()
    expect(details.locator(".mark.wrong")).to_have_attribute("aria-pressed", "true")
    details.get_by_label("Close").click()
    expect(card(found, 1)).to_be_focused()
    expect(card(found, 1)).to_have_attribute("data-mark", "wrong")


def test_a_comparison_that_cannot_be_made_says_why(found, double):
    found.watch.expect(404)
    double.fail("/v1/explanations", 404, "image_not_shown")
    card(found, 0).locator(".photo").click()
    why = found.page.locator("#why")
    expect(why).to_contain_text("The service may not read the file of this image.")
    why.get_by_role("button", name="Try again").click()
    expect(found.page.locator("#details .band")).to_have_count(6)


def test_erasing_names_the_image_and_asks_first(found, double):
    erased = card(found, 1).get_attribute("data-id")
    record = double.records[erased]
    page = found.page
    card(found, 1).locator(".photo").click()
    page.get_by_role("button", name="Erase for good").click()
    confirm = page.locator("#confirm")
    for named in (erased, record.path.name, f"Camera {record.camera}", "cannot be undone"):
        expect(confirm).to_contain_text(named)
    expect(confirm.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(confirm).to_be_hidden()
    assert erased in double.records
    page.get_by_role("button", name="Erase for good").click()
    confirm.get_by_role("button", name="Erase it for good").click()
    expect(page.locator("#notices")).to_contain_text(
        f"Erased for good: {record.path.parent.parent.name}"
    )
    expect(found.cards()).to_have_count(19)
    expect(page.locator("#details")).to_be_hidden()
    assert erased not in double.records
    expect(page.locator("#gallery-line")).to_contain_text(f"{len(double.records)} images")


def test_hiding_can_be_undone(found, double):
    hidden = card(found, 0).get_attribute("data-id")
    card(found, 0).locator(".photo").click()
    found.page.get_by_role("button", name="Hide from searches").click()
    found.page.get_by_role("button", name="Hide it").click()
    expect(found.cards()).to_have_count(19)
    assert double.records[hidden].hidden
    found.page.get_by_role("button", name="Show it again").click()
    expect(found.page.locator("#notices")).to_contain_text("Searches find it again")
    assert not double.records[hidden].hidden


def test_an_erasure_that_fails_leaves_everything(found, double):
    found.watch.expect(503)
    card(found, 0).locator(".photo").click()
    double.fail(
        f"/v1/gallery/images/{card(found, 0).get_attribute('data-id')}", 503, "audit_failed"
    )
    found.page.get_by_role("button", name="Erase for good").click()
    found.page.get_by_role("button", name="Erase it for good").click()
    expect(found.page.locator("#confirm-problem")).to_contain_text("cannot write its log")
    expect(found.page.get_by_role("button", name="Erase it for good")).to_be_enabled()
    expect(found.cards()).to_have_count(20)


@pytest.mark.parametrize(("role", "exports"), [("search", 0), ("write", 2)])
def test_who_may_not_erase_is_not_offered_it(desk_at, double, night, role, exports):
    double.keys = {"key-1": role}
    with desk_at(double.address, key="key-1") as desk:
        desk.search(night())
        expect(desk.page.locator("#after button")).to_have_count(exports)
        card(desk, 0).locator(".photo").click()
        expect(desk.page.locator("#details .levels")).to_be_visible()
        expect(desk.page.locator("#details .remove")).to_have_count(0)


def test_marks_are_exported_as_files(found, double):
    card(found, 0).locator(".mark.right").click()
    saved(double, found, ["right"])
    with found.page.expect_download() as download:
        found.page.get_by_role("button", name="Marks (CSV)").click()
    assert download.value.suggested_filename.startswith("fprnet-marks-")
    assert download.value.path().read_text().endswith(",right")
    with found.page.expect_download() as download:
        found.page.get_by_role("button", name="Training set (ZIP)").click()
    assert download.value.suggested_filename.endswith(".zip")
    assert download.value.path().read_text().startswith("zip")
