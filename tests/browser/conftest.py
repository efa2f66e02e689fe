"""A real browser, a page that nothing may go wrong on, and the double of the service."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from browser.double import Double

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
PATIENCE = 10_000  # milliseconds until what is waited for counts as missing
FAILED_REQUEST = re.compile(r"Failed to load resource: (?:.*status of (\d+)|net::(\w+))")


@dataclass
class Watch:
    """What went wrong on a page that no test has asked for."""

    origin: str
    complaints: list[str] = field(default_factory=list)
    expected: set[str] = field(default_factory=set)

    def expect(self, *statuses: str | int) -> None:
        """Let requests fail with these statuses, or without an answer (ERR_...)."""
        self.expected |= {str(status) for status in statuses}

    def console(self, message: Any) -> None:
        if message.type not in ("error", "warning"):
            return
        failed = FAILED_REQUEST.match(message.text)
        if failed and self.expected & {*failed.groups()}:
            return
        self.complaints.append(f"{message.type}: {message.text}")

    def request(self, request: Any) -> None:
        if not request.url.startswith((self.origin, "blob:" + self.origin, "data:")):
            self.complaints.append(f"request to {request.url}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    reason = "tests of the operator's page need Playwright: pip install playwright"
    sync_api = pytest.importorskip("playwright.sync_api", reason=reason)
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not there: install Debian's package chromium")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        sync_api.expect.set_options(timeout=PATIENCE)
        yield launched
        launched.close()


@dataclass
class Desk:
    """An operator's browser: a page, and the watch over it."""

    page: Page
    context: BrowserContext
    watch: Watch

    def open(self, address: str, wait_for: str = "html[data-ready]") -> None:
        self.page.goto(address)
        self.page.locator(wait_for).wait_for()
        # Chromium drops keys that are pressed before it has painted the page for the first time.
        self.page.wait_for_function("performance.getEntriesByType('paint').length > 0")

    def search(self, *images: Path) -> None:
        """Choose images and search."""
        self.page.set_input_files("#files", images)
        self.page.locator("#previews li").nth(len(images) - 1).wait_for()
        self.page.click("#search")

    def try_now(self) -> None:
        """Click on it, unless the page has tried by itself and was first."""
        button = self.page.get_by_role("button", name="Try now")
        button.evaluate_all("buttons => buttons.forEach(button => button.click())")

    def cards(self) -> Any:
        return self.page.locator("#matches .card")


@pytest.fixture
def desk_at(browser: Browser) -> Callable[..., Any]:
    """``with desk_at(address, **options of a context) as desk``; fails on any complaint."""

    @contextmanager
    def opened(
        address: str, *, key: str | None = None, wait_for: str = "html[data-ready]", **options: Any
    ) -> Iterator[Desk]:
        settings = {"locale": "en-GB", "timezone_id": "Asia/Shanghai", "reduced_motion": "reduce"}
        context = browser.new_context(**(settings | options))
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        watch = Watch(address)
        if wait_for == "#key[open]":
            watch.expect(401)
        page.on("console", watch.console)
        page.on("pageerror", lambda error: watch.complaints.append(f"uncaught: {error}"))
        page.on("request", watch.request)
        # Dialogs that choose files are caught from the start: begun by a key, it would be too late.
        page.on("filechooser", lambda _: None)
        desk = Desk(page, context, watch)
        if key is not None:
            context.add_init_script(f"sessionStorage.setItem('fprnet.key', {json.dumps(key)})")
        try:
            desk.open(address, wait_for)
            yield desk
        finally:
            context.close()
        assert not watch.complaints

    return opened


@pytest.fixture
def double(tiny_set: Path) -> Iterator[Double]:
    made = Double(tiny_set)
    made.start()
    yield made
    if made.server is not None:
        made.stop()


@pytest.fixture
def desk(double: Double, desk_at: Callable[..., Any]) -> Iterator[Desk]:
    """The page open at the double's address, in English, 1280 pixels wide, in Shanghai."""
    with desk_at(double.address) as opened:
        yield opened


@pytest.fixture
def night(tiny_set: Path) -> Callable[..., Path]:
    """``night(person, number)``: an infrared image of a person of the generated set."""
    folders = sorted((tiny_set / "cam3").iterdir())
    people = [folder.name for folder in folders if len(list(folder.iterdir())) >= 2]

    def image(person: int = 0, number: int = 0) -> Path:
        return sorted((tiny_set / "cam3" / people[person]).iterdir())[number]

    return image
