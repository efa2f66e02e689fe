"""For everybody: by keyboard, in two languages, light and dark, on phones and wide screens."""

import json
import re

import pytest

from conftest import ROOT

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="tests of the operator's page need Playwright"
)
expect = sync_api.expect

TRANSLATIONS = ROOT / "src" / "fprnet" / "serving" / "page" / "translations"

# Texts that are seen and their contrast, by WCAG 2: relative luminances of the text's colour and of
# what lies behind it (backgrounds of its ancestors, blended), and whether it counts as large.
CONTRASTS = """() => {
  const parse = (text) => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d");
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [R, G, B]) =>
    [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const behind = (element) => {
    if (!element) return [255, 255, 255, 1];
    const colour = parse(getComputedStyle(element).backgroundColor);
    return colour[3] === 1 ? colour : over(colour, behind(element.parentElement));
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((channel) => {
      const part = channel / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const dialogs = document.querySelectorAll("dialog[open]");
  const root = dialogs[dialogs.length - 1] ?? document.body;
  const found = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    const seen = { visibilityProperty: true, opacityProperty: true };
    if (!text || !element.checkVisibility(seen)) continue;
    if (element.closest(".covered, :disabled, noscript, option, .skip")) continue;
    const background = behind(element);
    const style = getComputedStyle(element);
    const [one, other] = [over(parse(style.color), background), background].map(luminance);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    found.push([text, ratio, large]);
  }
  return found;
}"""


def test_everything_by_keyboard_alone(desk, double, night):
    page = desk.page

    def press(*keys):
        for key in keys:
            page.keyboard.press(key)

    press("Tab")
    expect(page.locator("#skip")).to_be_focused()
    with page.expect_file_chooser() as chooser:
        press("o")
    chooser.value.set_files([night()])
    expect(page.locator("#previews li")).to_have_count(1)
    press("s")
    expect(desk.cards()).to_have_count(20)
    press("m")
    expect(desk.cards().first).to_be_focused()
    press("ArrowRight", "ArrowRight")
    expect(desk.cards().nth(2)).to_be_focused()
    press("ArrowLeft", "w")
    expect(desk.cards().nth(1)).to_have_attribute("data-mark", "wrong")
    expect(desk.cards().nth(1)).to_be_focused()
    press("u")
    expect(page.locator(".badge")).to_have_count(0)
    press("End")
    expect(desk.cards().nth(19)).to_be_focused()
    press("Home", "Enter")
    details = page.locator("#details")
    expect(details.locator("h2")).to_have_text("Match 1 beside the query")
    expect(details.locator(".heat")).to_have_count(2)
    press("h")
    expect(details.locator("#heat-on")).not_to_be_checked()
    press("r", "ArrowRight")
    expect(details.locator("h2")).to_have_text("Match 2 beside the query")
    press("r", "Escape")
    expect(details).to_be_hidden()
    expect(desk.cards().nth(1)).to_be_focused()
    press("f")
    expect(page.locator(".refined")).to_have_text("Refined with 2 confirmed matches")
    press("?")
    expect(page.locator("#help")).to_be_visible()
    press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    # From a card, Tab goes to its own two buttons, not through all cards.
    press("m", "Home", "Tab", "Tab")
    wrong = desk.cards().first.locator(".mark.wrong")
    expect(wrong).to_be_focused()
    press("Space")
    expect(desk.cards().first).to_have_attribute("data-mark", "wrong")
    expect(wrong).to_be_focused()


def test_up_and_down_go_by_rows(desk, night):
    desk.search(night())
    expect(desk.cards()).to_have_count(20)
    desk.cards().first.focus()
    before = desk.cards().first.bounding_box()
    desk.page.keyboard.press("ArrowDown")
    below = desk.page.evaluate("() => document.activeElement.offsetLeft")
    assert below == desk.cards().first.evaluate("(card) => card.offsetLeft")
    desk.page.keyboard.press("ArrowUp")
    expect(desk.cards().first).to_be_focused()
    assert before["height"] > 0


def test_single_keys_can_be_switched_off(desk, double, night):
    desk.search(night())
    expect(desk.cards()).to_have_count(20)
    desk.page.keyboard.press("?")
    desk.page.locator("#single-keys").uncheck()
    desk.page.keyboard.press("Escape")
    desk.cards().first.focus()
    desk.page.keyboard.press("r")
    desk.page.keyboard.press("?")
    desk.page.keyboard.press("ArrowRight")  # not a letter: it goes on working
    expect(desk.cards().nth(1)).to_be_focused()
    expect(desk.page.locator("#help")).to_be_hidden()
    desk.page.reload()
    desk.page.locator("html[data-ready]").wait_for()
    desk.page.keyboard.press("?")
    expect(desk.page.locator("#help")).to_be_hidden()
    assert double.marks == {}


def test_letters_in_a_field_are_letters(desk):
    desk.page.locator("#identity").focus()
    desk.page.keyboard.press("?")
    expect(desk.page.locator("#help")).to_be_hidden()


def test_focus_is_seen(desk):
    desk.page.keyboard.press("Tab")
    desk.page.keyboard.press("Tab")
    outline = desk.page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_language_of_the_browser_then_the_chosen_one(desk_at, double, night):
    with desk_at(double.address, locale="zh-CN") as desk:
        page = desk.page
        expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
        expect(page.locator("#images-title")).to_have_text("同一个人的红外图像")
        desk.search(night())
        expect(page.locator("#verdict")).to_contain_text("可能在图库中")
        expect(desk.cards().first.locator(".mark.right")).to_have_text("正确")
        desk.cards().first.locator(".photo").click()
        expect(page.locator("#details h2")).to_have_text("匹配 1 与查询图像对比")
        expect(page.locator("#details .levels")).to_be_visible()
        page.keyboard.press("Escape")
        # Nothing is left in the other language, but for names.
        seen = page.locator("body").inner_text()
        words = set(re.findall(r"[A-Za-z]{2,}", seen))
        names = {"fprnet", "English", "CSV", "ZIP", "Ctrl", "ms", "Asia", "Shanghai", "GMT", "jpg"}
        assert words <= names
        page.get_by_role("button", name="English").click()
        expect(page.locator("#verdict")).to_contain_text("Probably in the gallery")
        expect(desk.cards().first.locator(".mark.right")).to_have_text("Right")
        assert not re.search(r"[\u4e00-\u9fff]", page.locator("main").inner_text())
        page.reload()
        expect(page.locator("html")).to_have_attribute("lang", "en")
        expect(page.locator("#images-title")).to_have_text("Infrared images of one person")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(desk_at, double, night, scheme):
    with desk_at(double.address, color_scheme=scheme) as desk:
        page = desk.page
        page.get_by_label("Camera 1", exact=False).check()
        assert_readable(page, at_least=20)
        desk.watch.expect(422)
        double.fail("/v1/search", 422, "filter")
        desk.search(night())
        expect(page.get_by_role("alert").filter(has_text="A filter")).to_be_visible()
        assert_readable(page, at_least=20)
        page.click("#search")
        desk.cards().first.locator(".mark.right").click()
        desk.cards().nth(1).locator(".mark.wrong").click()
        assert_readable(page, at_least=100)
        page.click("[data-name=refine]")
        expect(page.locator(".refined")).to_be_visible()
        assert_readable(page, at_least=100)
        desk.cards().first.locator(".photo").click()
        expect(page.locator("#details .levels")).to_be_visible()
        assert_readable(page, at_least=30)
        page.get_by_role("button", name="Erase for good").click()
        assert_readable(page, at_least=8)
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        assert_readable(page, at_least=20)


def assert_readable(page, at_least):
    measured = page.evaluate(CONTRASTS)
    assert len(measured) >= at_least
    assert [entry for entry in measured if entry[1] < (3 if entry[2] else 4.5)] == []


def test_contrast_is_measured_rightly(desk):
    """Gray 118 on white has a contrast of 4.54, gray 119 one of 4.48: the known border of AA."""
    ratios = desk.page.evaluate(
        f"""() => [118, 119].map((gray) => {{
            const text = document.createElement("p");
            text.append("x");
            text.style.color = `rgb(${{gray}} ${{gray}} ${{gray}})`;
            document.body.replaceChildren(text);
            document.body.style.background = "white";
            return ({CONTRASTS})()[0][1];
        }})"""
    )
    assert ratios == pytest.approx([4.54, 4.48], abs=0.005)


def test_colours_are_chosen_and_remembered(desk):
    scheme = "() => getComputedStyle(document.documentElement).colorScheme"
    desk.page.click("#theme")
    desk.page.click("#theme")
    assert desk.page.evaluate(scheme) == "dark"
    desk.page.reload()
    desk.page.locator("html[data-ready]").wait_for()
    assert desk.page.evaluate(scheme) == "dark"


WIDTHS = (360, 390, 768, 1280, 1920)


def test_nothing_is_cut_off_or_too_small_to_touch(desk, night):
    page = desk.page
    fits_everywhere(page, "main")
    desk.search(night())
    expect(desk.cards()).to_have_count(20)
    desk.cards().first.locator(".mark.right").click()
    expect(page.locator("[data-name=refine]")).to_be_visible()
    fits_everywhere(page, "body")
    desk.cards().first.locator(".photo").click()
    expect(page.locator("#details .band")).to_have_count(6)
    fits_everywhere(page, "#details")


def test_long_names_fit(desk_at, double, night):
    names = [
        "Supercalifragilisticexpialidocious_without_any_space_" + "0" * 20,
        "东门停车场摄像头二号" * 4,
    ]
    for record in double.records.values():
        record.camera = record.location = names[record.camera % 2]
    double.keys = {"key": "admin"}
    with desk_at(double.address, key="key") as desk:
        expect(desk.page.locator("#cameras .chip")).to_have_count(2)
        for width in WIDTHS:
            desk.page.set_viewport_size({"width": width, "height": 800})
            desk.page.locator("#filters").evaluate("(filters) => { filters.open = true; }")
            fits(desk.page, "body")
            cut = """boxes => boxes.filter(box => box.scrollWidth > box.clientWidth + 1).length"""
            assert desk.page.locator(".chips").evaluate_all(cut) == 0
            # The key's button stays beside the name of the page, not over it.
            title = desk.page.locator(".top h1").bounding_box()
            assert title["x"] < desk.page.locator("#key-button .icon").bounding_box()["x"]
            inside = """tools => [...tools.children].every(child => child.hidden ||
                child.getBoundingClientRect().left >= tools.previousElementSibling
                    .getBoundingClientRect().right && child.scrollWidth <= child.clientWidth + 1)"""
            assert desk.page.locator(".tools").evaluate(inside)
            assert desk.page.locator(".names").bounding_box()["width"] > 48


def test_names_from_right_to_left_leave_the_rest_in_order(desk, double, night):
    for record in double.records.values():
        record.identity = "محمد بن عبد الله"
    desk.page.get_by_label("Group by person", exact=False).check()
    desk.search(night())
    heading = desk.page.locator(".divider span").first
    expect(heading).to_have_text(re.compile("Person \u2068محمد بن عبد الله\u2069: 20 images"))
    name, count = heading.evaluate(
        """(span) => ["محمد", "20"].map((word) => {
            const range = document.createRange();
            const at = span.firstChild.data.indexOf(word);
            range.setStart(span.firstChild, at);
            range.setEnd(span.firstChild, at + word.length);
            return range.getBoundingClientRect().x;
        })"""
    )
    assert name < count


def test_a_similarity_is_never_minus_zero(desk):
    said = desk.page.evaluate(
        """async () => {
            const source = document.querySelector("script[type=module]").src;
            const { similarity } = await import(new URL("format.js", source));
            return [-0.004, 0, -0.006].map(similarity);
        }"""
    )
    assert said == ["0.00", "0.00", "-0.01"]


def fits_everywhere(page, root):
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        fits(page, root)


def fits(page, root):
    """No scrolling sideways, and every target at least 24 x 24 pixels (WCAG 2.5.8)."""
    wide, small = page.evaluate(
        """(root) => {
            const region = document.querySelector(root);
            const boxes = [...region.querySelectorAll("button, select, summary, .chip, .tick")]
                .filter((target) => target.checkVisibility() && !target.closest(".covered"))
                .map((target) => [target.outerHTML.slice(0, 80), target.getBoundingClientRect()]);
            const wide = boxes
                .filter(([, box]) => box.right > window.innerWidth + 0.5 || box.left < -0.5)
                .map(([name]) => name);
            if (document.documentElement.scrollWidth > window.innerWidth) wide.push("the page");
            if (region.scrollWidth > region.clientWidth + 1) wide.push(root);
            const small = boxes
                .filter(([, box]) => Math.min(box.width, box.height) < 24)
                .map(([name]) => name);
            return [wide, small];
        }""",
        root,
    )
    assert (wide, small) == ([], [])


def test_on_a_phone_the_answer_comes_into_view(desk_at, double, night):
    with desk_at(double.address, viewport={"width": 390, "height": 844}, has_touch=True) as desk:
        desk.search(night())
        expect(desk.page.locator("#verdict")).to_be_in_viewport(ratio=1)
        expect(desk.page.locator("#filters .chips").first).to_be_hidden()


def test_everything_has_a_name(desk, night):
    desk.search(night(0, 0), night(0, 1))
    expect(desk.cards()).to_have_count(20)
    desk.cards().first.locator(".photo").click()
    expect(desk.page.locator("#details .heat")).to_have_count(2)
    nameless, twice = desk.page.evaluate(
        """() => {
            const named = (element) =>
                element.getAttribute("aria-label") || element.labels?.[0]?.textContent.trim() ||
                document.getElementById(element.getAttribute("aria-labelledby"))?.textContent ||
                (element.matches("button, summary, a") && element.textContent.trim());
            const inputs = "button, input, select, summary, dialog[open], form[id=query]";
            const nameless = [...document.querySelectorAll(inputs)]
                .filter((element) => element.checkVisibility() && !named(element));
            const pictures = [...document.querySelectorAll("img:not([alt])")];
            const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
            return [
                [...nameless, ...pictures].map((element) => element.outerHTML.slice(0, 120)),
                ids.filter((id, position) => ids.indexOf(id) !== position),
            ];
        }"""
    )
    assert (nameless, twice) == ([], [])
    spoken = desk.cards().first.get_attribute("aria-label")
    assert re.match(r"Match 1, very likely, > 99%, Similarity 0\.\d\d, Camera \d, ", spoken)


def test_nothing_moves_for_who_does_not_want_it(desk, double, night):
    double.hold()
    desk.search(night())
    expect(desk.page.locator("#waiting")).to_be_visible()
    assert desk.page.evaluate("() => document.getAnimations().length") == 0
    durations = desk.page.evaluate(
        """() => [...document.querySelectorAll("*")].map(
            (element) => getComputedStyle(element).transitionDuration)"""
    )
    assert set(durations) == {"0s"}
    double.let_go()
    expect(desk.cards()).to_have_count(20)


def test_without_javascript_the_page_says_so_in_the_browsers_language(browser, double):
    text = json.loads((TRANSLATIONS / "zh.json").read_text("utf-8"))["page.noscript"]
    context = browser.new_context(java_script_enabled=False, locale="zh-CN")
    page = context.new_page()
    page.goto(double.address)
    expect(page.locator("noscript p")).to_be_visible()
    assert text in page.content()
    context.close()
