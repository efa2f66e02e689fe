"""What goes wrong on the way: keys, refusals, a busy service, a service that is gone."""

import pytest

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="tests of the operator's page need Playwright"
)
expect = sync_api.expect


def kept(desk, count=1):
    """Chosen images and filters are as they were."""
    expect(desk.page.locator("#previews li")).to_have_count(count)
    expect(desk.page.get_by_label("Camera 1", exact=False)).to_be_checked()


@pytest.fixture
def asking(desk, night):
    """An image is chosen and a filter is set."""
    desk.page.get_by_label("Camera 1", exact=False).check()
    desk.page.set_input_files("#files", night())
    expect(desk.page.locator("#previews li")).to_have_count(1)
    return desk


def test_a_key_is_asked_for_until_it_is_right(desk_at, double, night):
    double.keys = {"right-key": "admin"}
    with desk_at(double.address, wait_for="#key[open]") as desk:
        page = desk.page
        page.fill("#key-input", "with blanks")
        page.press("#key-input", "Enter")
        expect(page.locator("#key-why")).to_contain_text("without spaces")
        page.fill("#key-input", "wrong-key")
        page.press("#key-input", "Enter")
        expect(page.locator("#key-why")).to_have_text("This key is not known.")
        expect(page.locator("#key-input")).to_have_value("")
        page.fill("#key-input", "right-key")
        page.press("#key-input", "Enter")
        expect(page.locator("#key")).to_be_hidden()
        expect(page.locator("#key-role")).to_have_text("ward-3 · administrator")
        expect(page.locator("#gallery-line")).to_contain_text("images")
        stored = page.evaluate(
            """() => [{...sessionStorage}, {...localStorage}, document.cookie, location.href]
                .map((value) => JSON.stringify(value))"""
        )
        assert "right-key" in stored[0]
        assert "right-key" not in "".join(stored[1:])
        page.reload()
        expect(page.locator("#gallery-line")).to_contain_text("images")
        expect(page.locator("#key")).to_be_hidden()
        another = desk.context.new_page()  # another tab asks again
        another.goto(double.address)
        expect(another.locator("#key")).to_be_visible()
        # Withdrawn in the middle of the work: asked again, and the search goes on with the new one.
        double.keys = {"newer-key": "search"}
        desk.search(night())
        page.fill("#key-input", "newer-key")
        page.press("#key-input", "Enter")
        expect(desk.cards()).to_have_count(20)
        expect(page.locator("#key-role")).to_have_text("ward-3 · search")


def test_without_a_key_the_page_says_what_is_needed(desk_at, double):
    double.keys = {"right-key": "search"}
    with desk_at(double.address, wait_for="#key[open]") as desk:
        desk.page.click("#key-cancel")
        notice = desk.page.locator("#notices .notice")
        expect(notice).to_contain_text("A key is needed.")
        notice.get_by_role("button", name="Try again").click()
        expect(desk.page.locator("#key")).to_be_visible()


REFUSALS = [
    (413, "image_too_large", "An image is too large.", "Cut out the person"),
    (422, "image_damaged", "An image is damaged or incomplete.", "Export it again"),
    (422, "filter", "A filter cannot be used.", "Change it, or clear the filters."),
    (403, "role", "Your key does not allow this.", "Ask whoever runs the service"),
    (503, "gallery_gone", "The gallery cannot be reached.", "Try again in a minute"),
    (500, "internal", "The service has made a mistake.", "Tell whoever runs the service"),
    (422, "something_new", "The service did not do that.", "Try again"),
]


def test_refusals_are_said_in_plain_words_and_lose_nothing(asking, double):
    for status, code, what, then in REFUSALS:
        asking.watch.expect(status)
        double.fail("/v1/search", status, code)
        asking.page.click("#search")
        notice = asking.page.get_by_role("alert").filter(has_text=what)
        expect(notice).to_contain_text(then)
        expect(notice).to_contain_text(f"what was wrong: {code}; do it otherwise")
        kept(asking)
    notice.get_by_role("button", name="Try again").click()
    expect(asking.cards().first).to_be_visible()
    expect(asking.page.locator("#notices .notice")).to_have_count(0)


def test_an_answer_that_is_not_the_services_is_not_believed(asking):
    asking.watch.expect(502)
    asking.page.route(
        "**/v1/search", lambda route: route.fulfill(status=502, body="<h1>Bad Gateway</h1>")
    )
    asking.page.click("#search")
    expect(asking.page.locator("#notices")).to_contain_text(
        "Something between this page and the service"
    )
    kept(asking)


@pytest.mark.parametrize(("status", "code"), [(429, "too_fast"), (503, "busy")])
def test_a_busy_service_is_asked_again_by_itself(asking, double, status, code):
    asking.watch.expect(status)
    double.fail("/v1/search", status, code, Retry_After="1")
    asking.page.click("#search")
    expect(asking.page.locator("#notices")).to_contain_text("Next try in one second")
    expect(asking.cards().first).to_be_visible()
    expect(asking.page.locator("#notices .notice")).to_have_count(0)


def test_waiting_for_a_busy_service_can_be_ended(asking, double):
    asking.watch.expect(429)
    double.fail("/v1/search", 429, "too_fast", Retry_After="600")
    asking.page.click("#search")
    notice = asking.page.locator("#notices")
    expect(notice).to_contain_text("Next try in 600 seconds")
    notice.get_by_role("button", name="Stop").click()
    expect(notice).to_be_empty()
    kept(asking)


def test_a_search_under_way_can_be_stopped(asking, double):
    double.hold()
    asking.page.click("#search")
    expect(asking.page.locator("#search")).to_have_text("Stop")
    expect(asking.page.locator("#waiting")).to_be_visible()
    asking.page.click("#search")
    expect(asking.page.locator("#search")).to_have_text("Search")
    expect(asking.page.locator("#empty")).to_be_visible()
    double.let_go()
    kept(asking)


def test_a_service_that_comes_back_is_searched_by_itself(asking, double):
    asking.watch.expect("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE")
    double.stop()
    asking.page.click("#search")
    notice = asking.page.get_by_role("alert").filter(has_text="The service cannot be reached.")
    expect(notice).to_contain_text("Your images, filters and marks are kept")
    # Its icon, which was not shown before, needs no answer of the service that is gone.
    icon = notice.locator(".icon-offline").evaluate("(icon) => getComputedStyle(icon).maskImage")
    assert icon.startswith('url("data:image/svg+xml,')
    kept(asking)
    double.start()
    expect(asking.cards().first).to_be_visible()
    expect(notice).to_have_count(0)


def test_marks_made_while_the_service_is_gone_are_saved_when_it_is_back(asking, double):
    asking.page.click("#search")
    expect(asking.cards().first).to_be_visible()
    asking.watch.expect("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", 404)
    double.stop()
    asking.cards().first.locator(".mark.right").click()
    expect(asking.page.locator("#notices")).to_contain_text("The service cannot be reached.")
    expect(asking.cards().first).to_have_class("card unsaved")
    expect(asking.cards().first.locator(".saving")).to_have_text("not saved yet")
    expect(asking.cards().first.locator(".saving")).to_be_visible()
    double.searches.clear()  # it was started anew and remembers no search
    double.start()
    asking.try_now()
    expect(asking.cards().first).to_have_class("card")
    expect(asking.page.locator(".saving")).to_have_count(0)
    expect(asking.cards().first).to_have_attribute("data-mark", "right")
    assert list(double.marks.values()) == ["right"]


def test_a_mark_that_is_refused_is_taken_back(asking, double):
    asking.page.click("#search")
    asking.watch.expect(503)
    double.fail("/v1/feedback", 503, "audit_failed")
    asking.cards().first.locator(".mark.wrong").click()
    expect(asking.page.locator("#notices")).to_contain_text("The mark was not saved.")
    expect(asking.page.locator(".badge")).to_have_count(0)


def test_a_picture_that_cannot_be_loaded_leaves_the_match(asking, double):
    asking.watch.expect(404)
    answer = double.search

    def without_its_file(*asked):
        made = answer(*asked)
        double.fail(
            f"/v1/gallery/images/{made['matches'][0]['id']}/content", 404, "image_not_shown"
        )
        return made

    double.search = without_its_file
    asking.page.click("#search")
    expect(asking.cards().first.locator(".photo")).to_contain_text("gone or not shared")
    expect(asking.cards().nth(1).locator("img")).to_be_visible()
