"""The page of a simulated run, in a real browser: what is drawn, found, filtered, marked; and that it is harmless."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from processes import BINARY, PATIENCE_S
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

pytestmark = pytest.mark.browser

BUG = "commit-without-fence"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --force-device-scale-factor=1 --window-size=1400,1300"
)
LOST, MESSAGE = "x-", "<-"
HOSTILE = '</script><script>window.struck=1</script><img src=x onerror="window.struck=1">{{script}}'
SCENARIO = """
version = 1
name = {name}

[world]
dispatchers = 1
workers = 2
heal_at = "5s"

[[submit]]
at = "100ms"
runs = "1s"
count = 3
every = "10ms"

[[fault]]
at = "500ms"
node = "W0"
what = "pause"
for = "2s"

[[twist]]
at = "0s"
on = "down W1"
bend = "lost"
"""


@dataclass
class Told:
    """A run that was written as a page and told as JSON."""

    page: Path
    replay: list[str]
    answer: dict[str, Any]

    def lines(self, *more: str) -> list[tuple[str, str]]:
        """Each event's place, such as `D0<-W1`, and the rest of its line."""
        trace = replay(*self.replay, *more, "--trace")["trace"]
        found = re.findall(r"^ *\d+ +[\d.]+s +(\S+) +(.*)$", trace, re.MULTILINE)
        return [(place, rest) for place, rest in found]


def replay(*arguments: str) -> dict[str, Any]:
    command = [BINARY, "sim", "replay", *arguments, "--json"]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=PATIENCE_S * 3, check=False)
    assert ended.stdout, ended
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The first seed in which a planted bug breaks the promise that it is about."""
    failure: dict[str, Any] = {"seed": 0, "violation": {}}
    while failure["violation"].get("promise") != "P3":
        seeds = ["--first-seed", str(failure["seed"] + 1), "--seeds", "300"]
        command = [BINARY, "sim", "run", *seeds, "--bug", BUG, "--json"]
        found = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=PATIENCE_S * 3, check=False)
        failure = json.loads(found.stdout.splitlines()[0])
    arguments = shlex.split(failure["replay"])[3:]
    page = tmp_path_factory.mktemp("failing") / "page.html"
    return Told(page, arguments, replay(*arguments, "--html", str(page)))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = Options()
    options.binary_location = os.environ["MPCSFAAS_CHROMIUM"]
    for flag in [*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(os.environ["MPCSFAAS_CHROMEDRIVER"]))
    try:
        yield driver
    finally:
        driver.quit()


class Page:
    """What a reader sees and does."""

    def __init__(self, browser: Chrome, path: Path) -> None:
        self.browser = browser
        browser.get(path.as_uri())
        self.settle()

    def settle(self) -> None:
        """Lets the page draw what was asked of it: it draws at most once a frame."""
        self.browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")

    def one(self, css: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, css)

    def click(self, css: str) -> None:
        self.one(css).click()
        self.settle()

    def count(self, what: str) -> int:
        return int(self.one("#status").get_attribute(f"data-{what}") or -1)

    def follow(self, task: str) -> None:
        field = self.one("#task")
        field.clear()
        field.send_keys(task)
        self.settle()

    def show_routine(self) -> None:
        if not self.one("#routine").is_selected():
            self.click("#routine")

    def rows(self) -> list[list[str]]:
        """The rows of the list that are in view: their names in the page; number, time, place, kind, task, what."""
        read = """
            const rows = [...document.querySelectorAll('#list .row')].sort((a, b) => a.offsetTop - b.offsetTop);
            return rows.map(row => [row.id, ...[...row.children].map(cell => cell.textContent)]);"""
        rows: list[list[str]] = self.browser.execute_script(read)
        return rows

    def select(self, kind: str, what: str) -> list[str]:
        """Clicks the first row of this kind that begins so, wherever in the list it is."""
        self.browser.execute_script("document.getElementById('list').scrollTop = 0")
        while True:
            self.settle()
            for row, *cells in self.rows():
                if cells[3] == kind and cells[5].startswith(what):
                    self.click(f"#{row}")
                    return cells
            more = """
                const list = document.getElementById('list'), was = list.scrollTop;
                list.scrollTop += 200;
                return list.scrollTop > was;"""
            assert self.browser.execute_script(more), f"no {kind} {what}"

    def point_at_focus(self) -> None:
        """Moves the pointer to what has the focus in the diagram."""
        ActionChains(self.browser).move_to_element(self.one("#scroller")).perform()
        ActionChains(self.browser).move_to_element(self.one("#ring")).perform()
        self.settle()

    def columns_of(self, colour: str) -> list[int]:
        """Where in the diagram a colour, such as `213,94,0`, stands from above to below.

        The arrows of a run with many tasks are drawn over it, and cover more than half.
        """
        read = """
            const canvas = document.getElementById('canvas'), ratio = canvas.width / canvas.clientWidth;
            const {width, height, data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            const counts = new Array(width).fill(0);
            for (let at = 0; at < data.length; at += 4) {
                if (data.slice(at, at + 3).join() === arguments[0]) counts[(at / 4) % width]++;
            }
            return [...counts.keys()].filter(x => counts[x] > height / 4).map(x => Math.round(x / ratio));"""
        found: list[int] = self.browser.execute_script(read, colour)
        return found

    def complaints(self) -> list[dict[str, Any]]:
        """What the console has. The page's own policy complains of each request and each script that is not its own."""
        log: list[dict[str, Any]] = self.browser.get_log("browser")
        return log

    def requests(self) -> list[str]:
        read = "return performance.getEntriesByType('resource').map(entry => entry.name)"
        found: list[str] = self.browser.execute_script(read)
        return found


@pytest.fixture
def page(browser: Chrome, failing: Told) -> Iterator[Page]:
    page = Page(browser, failing.page)
    yield page
    assert page.complaints() == []
    assert page.requests() == []


def test_the_top_says_what_was_run_and_how_it_went(page: Page, failing: Told) -> None:
    violation = failing.answer["violation"]
    head = page.one("header").text
    assert re.match(rf"seed {failing.answer['seed']}@[0-9a-f]{{4}}\n", head)
    assert f"{violation['promise']} broken" in head
    assert violation["what"] in head.replace("\n", " ")
    assert failing.answer["knobs"] in head
    assert f"mpcsfaas sim replay {shlex.join(failing.replay)}" in head
    assert failing.answer["hash"] in head


def test_the_shrunk_run_has_the_arrows_and_lanes_that_its_story_tells(page: Page, failing: Told) -> None:
    page.click("#run-1")
    page.show_routine()
    lines = failing.lines("--shrunk")
    # Each line is an arrow of its own; but of what waits two lines tell, if it is taken in.
    told = [rest for place, rest in lines if MESSAGE in place or LOST in place]
    waits = sum(rest.endswith("(waits)") for rest in told)
    assert len(told) - waits <= page.count("arrows") <= len(told)
    assert page.count("lost") == sum(LOST in place for place, _ in lines)
    nodes = {name for place, _ in lines for name in re.split(f"{MESSAGE}|{LOST}", place)}
    assert page.count("lanes") == len(page.all("#lanes li")) == len(nodes)
    assert nodes == {label.text for label in page.all("#lanes b")}
    assert f"{len(lines)} events" in page.one("#note").text
    assert "--shrunk" in page.one("header").text


def test_beats_are_hidden_until_they_are_asked_for(page: Page) -> None:
    page.click("#run-1")
    few = page.count("arrows")
    assert not any(what.startswith("Beat") for *_, what in page.rows())
    page.show_routine()
    assert page.count("arrows") > few
    page.select("message", "Beat")


def test_one_task_is_followed(page: Page, failing: Told) -> None:
    name = failing.answer["violation"]["what"].split()[0]
    everything = page.count("arrows")
    page.follow(name)
    assert 0 < page.count("arrows") < everything
    for *_, kind, task, what in page.rows():
        about = task.split(".")[0]
        assert about == name or (about == "" and kind in ("life", "fault", "twist")), what
    # Lines that wait are told twice, and are one arrow.
    told = [place for place, _ in failing.lines("--task", name) if MESSAGE in place or LOST in place]
    waits = [rest for place, rest in failing.lines("--task", name) if rest.endswith("(waits)")]
    assert len(told) - len(waits) <= page.count("arrows") <= len(told)
    assert f"{name} in the store" in page.one("#details").text
    assert "QUEUED" in page.one("#details").text
    page.click("#every")
    assert page.count("arrows") == everything


def test_what_the_pointer_is_on_is_explained(page: Page) -> None:
    page.click("#run-1")
    number, time, place, *_, what = page.select("message", "Run 1")
    page.one("#canvas").send_keys(Keys.ESCAPE, Keys.ESCAPE)
    page.select("message", "Run 1")
    page.point_at_focus()
    tip = page.one("#tip")
    assert tip.is_displayed()
    to, sender = place.split(MESSAGE)
    assert tip.text.startswith(what)
    for fact in (f"from {sender}, dispatcher", f"to {to}, worker", f"arrived {time}, after ", f"event {number}"):
        assert fact in tip.text
    details = page.one("#details").text
    assert what in details
    assert "attempt 1" in details


def test_a_reader_without_a_pointer_gets_from_event_to_event(page: Page) -> None:
    page.click("#run-1")
    canvas = page.one("#canvas")
    canvas.send_keys(Keys.HOME)
    seen = []
    for _ in range(5):
        page.settle()
        seen.append(page.one("#details").text.splitlines()[2])
        assert page.one("#ring").is_displayed()
        canvas.send_keys(Keys.ARROW_RIGHT)
    assert seen == sorted(set(seen), key=int)
    canvas.send_keys(Keys.ARROW_LEFT)
    page.settle()
    assert page.one("#details").text.splitlines()[2] == seen[-1]
    assert page.one("#list").get_attribute("aria-activedescendant")
    canvas.send_keys(Keys.ESCAPE)
    page.settle()
    assert not page.one("#ring").is_displayed()


@pytest.mark.parametrize("run", ["failing run", "shrunk run"])
def test_the_broken_promise_is_marked_at_its_time(page: Page, failing: Told, run: str) -> None:
    page.browser.find_element(By.XPATH, f"//*[@role='tab'][.='{run}']").click()
    page.settle()
    flag = page.one("#violation")
    assert flag.is_displayed()
    assert failing.answer["violation"]["promise"] in flag.text
    assert "Only the current attempt commits." in (flag.get_attribute("title") or "")
    # The line stands at the flag's end, all the way down.
    end = flag.rect["x"] + flag.rect["width"] - page.one("#canvas").rect["x"]
    columns = page.columns_of("213,94,0")
    assert columns
    assert all(abs(column - end) <= 3 for column in columns)
    page.click("#goto")
    assert flag.is_displayed()
    # What broke it has the focus.
    last = page.one("#details").text
    assert "S, store\n" in last
    assert "Commit" in last


def test_a_part_is_looked_at_and_the_whole_again(page: Page) -> None:
    canvas, flag = page.one("#canvas"), page.one("#violation")

    def outside() -> int:
        page.settle()
        return len(page.all("#list .outside"))

    assert outside() == 0
    for _ in range(5):
        ActionChains(page.browser).scroll_from_origin(ScrollOrigin.from_element(canvas), 0, -300).perform()
    assert outside() > 0
    assert not flag.is_displayed(), "it lies at the end, and the middle is looked at"
    canvas.send_keys("0")
    assert outside() == 0
    for _ in range(2):
        canvas.send_keys("+")
    assert outside() > 0
    right = ActionChains(page.browser)
    for _ in range(4):
        right.drag_and_drop_by_offset(canvas, -500, 0)
    right.perform()
    page.settle()
    assert flag.is_displayed(), "the diagram was drawn along to its end"


def test_a_run_that_breaks_nothing_says_so_and_is_alone(browser: Chrome, tmp_path: Path) -> None:
    path = tmp_path / "clean.html"
    replay("--seed", "7", "--mode", "lite", "--html", str(path))
    page = Page(browser, path)
    assert [tab.text for tab in page.all("[role=tab]")] == ["run"]
    assert "every promise was kept" in page.one("#verdict").text
    assert "nothing to shrink" in page.one("#note").text
    assert not page.one("#violation").is_displayed()
    assert page.complaints() == []


def test_it_follows_the_readers_taste_for_light_or_dark(browser: Chrome, failing: Told) -> None:
    grounds = {}
    for taste in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": taste}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        page = Page(browser, failing.page)
        grounds[taste] = page.one("body").value_of_css_property("background-color")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert grounds == {"light": "rgba(255, 255, 255, 1)", "dark": "rgba(20, 22, 26, 1)"}


def test_a_run_of_ten_thousand_events_is_a_page_of_few_megabytes(browser: Chrome, tmp_path: Path) -> None:
    path = tmp_path / "large.html"
    answer = replay("--seed", "3", "--mode", "performance", "--html", str(path))
    assert answer["events"] > 10_000
    assert path.stat().st_size < 3_000_000
    page = Page(browser, path)
    page.show_routine()
    assert page.count("arrows") > 5_000
    assert len(page.all("#list .row")) < 100, "only rows in view are elements"
    page.follow("t300")
    assert 4 <= page.count("arrows") < 100
    assert page.complaints() == []


def test_hostile_text_stays_text(browser: Chrome, tmp_path: Path) -> None:
    scenario = tmp_path / "<img src=x onerror=window.struck=1>.toml"
    scenario.write_text(SCENARIO.format(name=json.dumps(HOSTILE)))
    path = tmp_path / "hostile.html"
    replay(str(scenario), "--html", str(path))
    # The world has no payload that says anything; so let a store answer what an attacker would like it to.
    written = path.read_text()
    payload = json.dumps(HOSTILE).replace("<", "\\u003c").replace(">", "\\u003e")
    assert '"Submit 1"' in written
    path.write_text(written.replace('"Submit 1"', payload).replace('"t2"', payload))

    page = Page(browser, path)
    assert HOSTILE in page.one("#facts").text
    assert scenario.name in page.one("h1").text
    cells = page.select("store", HOSTILE)
    assert HOSTILE in page.one("#details h3").text
    assert cells[5] == HOSTILE
    page.point_at_focus()
    assert page.one("#tip").text.startswith(HOSTILE)
    page.follow(HOSTILE)
    WebDriverWait(browser, PATIENCE_S).until(lambda _: HOSTILE in page.one("#details").text)
    assert page.browser.execute_script("return typeof window.struck") == "undefined"
    assert (len(page.all("img")), len(page.all("script"))) == (0, 3)
    assert page.complaints() == []
    assert page.requests() == []


def test_a_page_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "page.html"
    command = [BINARY, "sim", "replay", "--seed", "7", "--mode", "lite", "--html", str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert ended.returncode == 1
    assert f"cannot write {path}: No such file" in ended.stderr
