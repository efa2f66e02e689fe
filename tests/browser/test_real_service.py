"""The page with everything behind it: a trained model, a gallery, 'fprnet serve'."""

import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from conftest import command, environment, run_process

pytest.importorskip("fastapi", reason="needs the service: pip install 'fprnet[service]'")
sync_api = pytest.importorskip(
    "playwright.sync_api", reason="tests of the operator's page need Playwright"
)
expect = sync_api.expect

pytestmark = pytest.mark.slow


class Service:
    """``fprnet serve`` as a process of its own, at the same address each time it is started."""

    def __init__(self, folder: Path, images: Path, key: str) -> None:
        self.folder = folder
        self.images = images
        self.key = key
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        words = ["serve", "--gallery", "people.db", "--images", self.images, "--port", self.port]
        self.process = subprocess.Popen(
            command(*words, "--keys"),
            cwd=self.folder,
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        said = []
        for line in self.process.stderr:
            said.append(line)
            if ready := re.search(r"http://127\.0\.0\.1:(\d+) serves", line):
                self.port = int(ready[1])
                return
        raise AssertionError("".join(said))

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        assert self.process.stderr is not None
        self.process.send_signal(how)
        status = self.process.wait(timeout=60)
        self.process.stderr.close()
        return status


@pytest.fixture(scope="module")
def service(tiny_set, trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    shutil.copytree(trained, folder / "run")

    def run(*words):
        done = run_process(*words)
        assert done.status == 0, done.err
        return done.out

    run("calibrate", folder / "run", "--data", tiny_set, "--people", "test")
    run("gallery", "create", "--uri", folder / "people.db", "--model", folder / "run")
    run("gallery", "add", "--uri", folder / "people.db", "--data", tiny_set)
    key = run("keys", "add", "desk", "--role", "admin", "--gallery", folder / "people.db").strip()
    served = Service(folder, tiny_set, key)
    served.start()
    yield served
    assert served.stop() == 0


@pytest.fixture
def desk(service, desk_at):
    with desk_at(service.address, key=service.key) as opened:
        yield opened


def test_search_details_mark_refine_reload(desk, service, tiny_set, night):
    page = desk.page
    images = len(list(tiny_set.glob("cam[1245]/*/*.jpg")))
    expect(page.locator("#gallery-line")).to_contain_text(f"{images} images · 4 cameras")
    desk.search(night(0, 0))
    expect(desk.cards()).to_have_count(20)
    expect(page.locator("#bar")).to_contain_text(f"20 matches among {images} images")
    expect(page.locator("#verdict h3")).to_contain_text(re.compile("in the gallery"))
    similarities = [
        float(re.search(r"Similarity (-?\d\.\d\d)", text)[1])
        for text in desk.cards().all_inner_texts()
    ]
    assert similarities == sorted(similarities, reverse=True)
    expect(desk.cards().first.locator(".sure b")).to_contain_text("%")
    expect(desk.cards().first.locator("img")).to_be_visible()

    desk.cards().first.locator(".photo").click()
    details = page.locator("#details")
    expect(details.locator(".frame .heat")).to_have_count(2)
    shares = [float(cell) for cell in details.locator(".levels td:last-child").all_inner_texts()]
    # Each is rounded to two decimals, and so is the similarity that they add up to.
    assert sum(shares) == pytest.approx(similarities[0], abs=0.005 * (len(shares) + 1))
    details.locator(".mark.right").click()
    page.keyboard.press("Escape")
    expect(desk.cards().first).to_have_attribute("data-mark", "right")
    expect(desk.cards().first).to_have_class("card")  # saved

    page.click("[data-name=refine]")
    expect(page.locator(".refined")).to_have_text("Refined with one confirmed match")
    expect(page.locator(".badge.used")).to_have_count(1)

    page.get_by_role("checkbox", name="Camera 1").check()
    page.reload()
    page.locator("html[data-ready]").wait_for()
    expect(page.get_by_role("checkbox", name="Camera 1")).to_be_checked()
    page.click("#clear-filters")
    desk.search(night(0, 0))
    expect(page.locator(".badge.is-right")).to_have_count(1)
    with page.expect_download() as download:
        page.click("#export-csv")
    assert "right" in download.value.path().read_text("utf-8")
    [mark] = read_marks(page, service)
    assert mark["verdict"] == "right"


def read_marks(page, service):
    """What the service has stored, asked without the page."""
    answer = page.request.get(
        f"{service.address}v1/feedback?format=json",
        headers={"Authorization": f"Bearer {service.key}"},
    )
    assert answer.ok
    return answer.json()


def test_in_chinese_on_a_phone_by_keyboard(service, desk_at, night):
    phone = {"viewport": {"width": 390, "height": 844}, "locale": "zh-CN"}
    with desk_at(service.address, key=service.key, **phone) as desk:
        page = desk.page
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("o")
        chooser.value.set_files([night(1, 0)])
        expect(page.locator("#previews li")).to_have_count(1)
        page.keyboard.press("s")
        expect(page.locator("#verdict h3")).to_contain_text("图库中")
        page.keyboard.press("m")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("w")
        expect(desk.cards().nth(1).locator(".badge")).to_have_text("错误")
        page.keyboard.press("Enter")
        expect(page.locator("#details h2")).to_have_text("匹配 2 与查询图像对比")
        expect(page.locator("#details .heat")).to_have_count(2)
        page.keyboard.press("u")
        page.keyboard.press("Escape")
        expect(desk.cards().nth(1)).to_be_focused()
        expect(page.locator(".badge")).to_have_count(0)


def test_a_daytime_image_and_a_damaged_one(desk, tiny_set, night, tmp_path):
    desk.search(sorted(tiny_set.glob("cam1/*/*.jpg"))[0])
    expect(desk.page.locator("#notices")).to_contain_text("This may not be an infrared image")
    desk.page.locator("#previews button").click()
    # A browser sees that a JPEG is cut off; of a TIFF, which it cannot show, the service does.
    whole = night().read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    desk.page.set_input_files("#files", tmp_path / "cut.jpg")
    expect(desk.page.locator("#image-problems")).to_contain_text("cut.jpg cannot be read")
    Image.open(night()).save(tmp_path / "cut.tif")
    (tmp_path / "cut.tif").write_bytes((tmp_path / "cut.tif").read_bytes()[:-500])
    desk.watch.expect(422)
    desk.search(tmp_path / "cut.tif")
    alert = desk.page.get_by_role("alert").filter(has_text="cut.tif")
    expect(alert).to_contain_text("damaged or incomplete")
    expect(desk.page.locator("#previews li")).to_have_count(1)


def test_a_wrong_key(service, desk_at):
    with desk_at(service.address, wait_for="#key[open]") as desk:
        desk.page.fill("#key-input", "wrong")
        desk.page.press("#key-input", "Enter")
        expect(desk.page.locator("#key-why")).to_have_text("This key is not known.")
        desk.page.fill("#key-input", service.key)
        desk.page.press("#key-input", "Enter")
        expect(desk.page.locator("#key-role")).to_have_text("desk · administrator")


def test_erased_by_an_administrator(desk, night):
    desk.search(night(2, 0))
    expect(desk.cards()).to_have_count(20)
    erased = desk.cards().nth(1).get_attribute("data-id")
    desk.cards().nth(1).locator(".photo").click()
    desk.page.get_by_role("button", name="Erase for good").click()
    desk.page.get_by_role("button", name="Erase it for good").click()
    expect(desk.page.locator("#notices")).to_contain_text("Erased for good")
    desk.watch.expect(404)  # the search is forgotten, so the page sends the image again
    desk.page.click("#search")
    expect(desk.cards()).to_have_count(20)
    expect(desk.page.locator(f'[data-id="{erased}"]')).to_have_count(0)


def test_a_service_that_is_killed_and_started_again(desk, service, night):
    desk.search(night(3, 0))
    expect(desk.cards()).to_have_count(20)
    desk.watch.expect("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", 404)
    service.stop(signal.SIGKILL)
    desk.cards().first.locator(".mark.right").click()
    desk.page.select_option("#top", "10")
    desk.page.click("#search")
    notice = desk.page.get_by_role("alert").filter(has_text="The service cannot be reached.")
    expect(notice).to_be_visible()
    expect(desk.page.locator("#previews li")).to_have_count(1)
    service.start()
    desk.try_now()
    expect(desk.cards()).to_have_count(10)
    expect(notice).to_have_count(0)
    expect(desk.cards().first).to_have_class("card")  # the mark is saved
    expect(desk.cards().first).to_have_attribute("data-mark", "right")
