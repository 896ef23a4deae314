"""The page of a real service in a real browser."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page, expect
from prometheus_client import CollectorRegistry

from scaler.engine.clock import SystemClock
from scaler.observability import api
from scaler.observability.history import History
from scaler.observability.live import Live
from scaler.observability.status import StatusBoard

if TYPE_CHECKING:
    from conftest import Scene, Seen

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

Open = Callable[..., Page]

# Every text against what is behind it, by WCAG 2; returns what is below 4.5.
CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => {
    const part = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = parse(getComputedStyle(each).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  let looked = 0;
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const ink = element.namespaceURI.endsWith("svg") ? style.fill : style.color;
    const [a, b] = [light(parse(ink)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    looked += 1;
    if (ratio < 4.5) found.push(`${element.className} ${element.textContent}: ${ratio}`);
  }
  return [looked, found];
}"""


def row(page: Page, name: str) -> Locator:
    """Return a workload's row of the table."""
    return page.locator("#rows .row").filter(has=page.get_by_role("link", name=name, exact=True))


def replicas(page: Page, name: str) -> Locator:
    return row(page, name).locator(".replicas .value")


def is_live(page: Page) -> None:
    expect(page.locator("#connection")).to_have_text("live")


@pytest.fixture
def at_zero(scene: Scene) -> Iterator[None]:
    """The worker has nothing to do, before and after."""
    scene.fill(0)
    scene.service.wait_for_zero("worker")
    yield
    scene.fill(0)


@pytest.mark.usefixtures("at_zero")
def test_what_changes_is_shown_without_a_reload(scene: Scene, open_page: Open) -> None:
    page = open_page(scene.url)
    page.evaluate("window.kept = true")
    expect(replicas(page, "worker")).to_contain_text("0 of 0")
    expect(row(page, "worker")).to_contain_text("at zero")
    scene.fill(20)
    expect(replicas(page, "worker")).to_contain_text("4 of 4")
    expect(row(page, "worker").locator(".triggers")).to_contain_text("20 / 5")
    expect(row(page, "worker")).to_contain_text("steady")
    expect(row(page, "worker").get_by_label(re.compile(r"up to \d replicas in the last hour"))).to_be_visible()
    scene.fill(0)
    expect(replicas(page, "worker")).to_contain_text("0 of 0")
    assert page.evaluate("window.kept")


def test_requests_are_shown_as_held_and_in_flight(scene: Scene, open_page: Open) -> None:
    page = open_page(scene.url)
    requests = row(page, "shop").locator(".requests .value")
    expect(requests).to_contain_text("0 held")
    with scene.request("shop", "/slow?seconds=600"):
        expect(requests).to_contain_text("1 held")
        expect(row(page, "shop")).to_contain_text("scaling up")
        scene.gate.touch()
        expect(requests).to_contain_text("1 in flight")
        expect(requests).to_contain_text("0 held")
        page.goto(f"{scene.url}#/shop")
        expect(page.locator(".requests-card").get_by_text("1 in flight")).to_be_visible()
        expect(page.get_by_role("link", name="http://shop.localhost")).to_be_visible()
    expect(page.locator(".requests-card")).to_contain_text("0 in flight")
    scene.gate.unlink()


@pytest.mark.usefixtures("at_zero")
def test_one_workload_is_shown_with_why_its_hour_and_its_decisions(scene: Scene, open_page: Open) -> None:
    page = open_page(f"{scene.url}#/worker")
    expect(page.get_by_role("heading", name="worker", level=1)).to_be_focused()
    expect(page).to_have_title("worker · scaler")
    expect(page.locator(".why")).to_contain_text("0 wanted")
    scene.fill(100)
    expect(page.locator(".why")).to_contain_text("5 wanted")
    expect(page.locator(".why")).to_contain_text("maxReplicaCount 20 → 5")
    expect(page.locator(".triggers-now")).to_contain_text("100 value")
    expect(page.locator(".replica-list li")).to_have_count(5)
    rise = page.locator(".decision").filter(has=page.get_by_text("0 → 5", exact=True)).first
    expect(rise).to_contain_text("a trigger became active")
    expect(rise).to_contain_text("jobs 100 / 5, wants 20")
    expect(page.get_by_role("slider", name="Replicas, the last hour")).to_have_attribute(
        "aria-valuetext", re.compile("wanted 5")
    )
    expect(page.get_by_role("slider", name="jobs (redis), the last hour")).to_have_attribute(
        "aria-valuetext", re.compile("value 100")
    )
    scene.fill(0)
    fall = page.locator(".decision").filter(has=page.get_by_text("5 → 0", exact=True)).first
    expect(fall).to_contain_text("no trigger was active")


def test_a_filter_keeps_what_fits_and_survives_a_reload(scene: Scene, open_page: Open) -> None:
    page = open_page(scene.url)
    shown = page.locator("#rows .row:not([hidden])")
    expect(shown).to_have_count(3)
    page.get_by_label("Filter").fill("redis WORK")
    expect(shown).to_have_count(1)
    expect(page.locator("#count")).to_have_text("1 of 3")
    page.reload()
    expect(page.get_by_label("Filter")).to_have_value("redis WORK")
    expect(shown).to_have_count(1)
    page.get_by_label("Filter").fill("nothing like it")
    expect(page.locator("#empty")).to_have_text("No workload fits the filter.")
    page.get_by_label("Filter").press("Escape")
    expect(shown).to_have_count(3)
    page.get_by_label("Only what needs attention").check()
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("source unknown")


def test_a_workload_has_an_address_of_its_own(scene: Scene, open_page: Open) -> None:
    page = open_page(scene.url)
    page.get_by_role("link", name="worker", exact=True).click()
    expect(page).to_have_url(f"{scene.url}#/worker")
    page.reload()
    expect(page.get_by_role("heading", name="worker", level=1)).to_be_visible()
    expect(page.locator(".why")).to_contain_text("wanted")
    page.get_by_role("link", name="All workloads").click()
    expect(page.get_by_role("link", name="worker", exact=True)).to_be_focused()
    page.goto(f"{scene.url}#/nobody")
    expect(page.locator(".gone")).to_contain_text("no workload of this name")


def test_all_of_it_is_reached_by_keyboard(scene: Scene, open_page: Open) -> None:
    page = open_page(scene.url)
    expect(row(page, "worker")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_label("Filter")).to_be_focused()
    page.keyboard.type("worker/")
    expect(page.get_by_label("Filter")).to_have_value("worker/")
    page.keyboard.press("Backspace")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="worker", exact=True)
    expect(link).to_be_focused()
    assert link.evaluate("each => getComputedStyle(each).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    chart = page.get_by_role("slider", name="Replicas, the last hour")
    expect(chart).to_have_attribute("aria-valuenow", "239")
    chart.focus()
    page.keyboard.press("ArrowLeft")
    expect(chart).to_have_attribute("aria-valuenow", "238")
    # All charts point at the same moment.
    expect(page.get_by_role("slider", name="jobs (redis), the last hour")).to_have_attribute("aria-valuenow", "238")
    page.keyboard.press("Home")
    expect(chart).to_have_attribute("aria-valuetext", re.compile(r"^\d.*: ready unknown, wanted unknown$"))
    page.keyboard.press("Escape")
    expect(chart).to_have_attribute("aria-valuetext", re.compile("^latest: "))


@pytest.mark.parametrize("width", [320, 360, 768, 1024])
def test_nothing_is_wider_than_the_screen(scene: Scene, open_page: Open, width: int) -> None:
    page = open_page(scene.url, viewport={"width": width, "height": 700})
    for address in ("", "#/worker", "#/lost", "#/shop"):
        page.goto("about:blank")
        page.goto(scene.url + address)
        expect(page.locator("h1:visible")).to_be_visible()
        expect(page.locator(".plot svg" if address else "#rows .row").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_in_both_themes(scene: Scene, open_page: Open, scheme: str) -> None:
    page = open_page(scene.url, color_scheme=scheme)
    for address in ("", "#/lost", "#/shop"):
        page.goto("about:blank")
        page.goto(scene.url + address)
        expect(page.locator(".plot svg" if address else "#rows .row").first).to_be_visible()
        looked, weak = page.evaluate(CONTRAST)
        assert looked > 20
        assert weak == []


def test_the_theme_is_the_system_s_until_another_is_chosen(scene: Scene, open_page: Open) -> None:
    page = open_page(scene.url, color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    assert light != dark
    page.get_by_role("radio", name="Light").check(force=True)
    assert page.evaluate(ground) == light
    page.reload()
    is_live(page)
    expect(page.get_by_role("radio", name="Light")).to_be_checked()
    assert page.evaluate(ground) == light
    page.get_by_role("radio", name="Auto").check(force=True)
    assert page.evaluate(ground) == dark


def test_nothing_is_fetched_elsewhere_and_nothing_is_complained_of(scene: Scene, open_page: Open, seen: Seen) -> None:
    page = open_page(scene.url)
    expect(row(page, "worker")).to_be_visible()
    page.goto(f"{scene.url}#/worker")
    expect(page.locator(".plot svg").first).to_be_visible()
    assert len(seen.requests) > 10
    assert [each.url for each in seen.requests if not each.url.startswith(scene.url)] == []
    assert {each.method for each in seen.requests} == {"GET"}
    assert seen.complaints == []


def test_what_the_service_says_is_never_read_as_markup(scene: Scene, open_page: Open, seen: Seen) -> None:
    page = open_page(scene.url)
    expect(row(page, "lost").locator(".triggers")).to_contain_text(scene.nasty)
    expect(row(page, "lost")).to_contain_text("source unknown")
    page.goto(f"{scene.url}#/lost")
    expect(page.locator("#workload .troubles")).to_contain_text(f"{scene.nasty} (redis) is unknown")
    expect(page.locator(".decisions")).to_contain_text(scene.nasty)
    page.goto(f"{scene.url}#/{scene.nasty}")
    expect(page.get_by_role("heading", level=1)).to_have_text(scene.nasty)
    assert page.locator("img").count() == 0
    assert seen.dialogs == seen.complaints == []
    # And if ever one line forgot it, the browser would refuse.
    refused = "() => { try { document.body.innerHTML = '<b>x</b>' } catch (error) { return error.name } }"
    assert page.evaluate(refused) == "TypeError"


@pytest.mark.usefixtures("at_zero")
def test_a_rejected_edit_is_told_until_it_is_mended(scene: Scene, open_page: Open) -> None:
    page = open_page(scene.url)
    told = page.locator("#troubles")
    is_live(page)
    expect(told).to_be_empty()
    manifest = scene.service.manifest
    before = manifest.read_text()
    try:
        manifest.write_text("name: broken\n")
        expect(told).to_contain_text("The last edit of the manifests was rejected")
    finally:
        manifest.write_text(before)
    expect(told).to_be_empty()


def test_a_restart_of_the_service_is_told_and_got_over(scene: Scene, open_page: Open) -> None:
    page = open_page(scene.url)
    page.evaluate("window.kept = true")
    is_live(page)
    scene.service.stop()
    assert "Exception in ASGI" not in scene.service.log
    try:
        expect(page.locator("#connection")).to_have_text("not connected")
        expect(page.get_by_role("alert")).to_contain_text("The service does not answer. Below is what was known at")
        expect(row(page, "worker")).to_be_visible()
    finally:
        scene.start()
    is_live(page)
    expect(page.locator("#lost")).to_be_hidden()
    scene.fill(10)
    expect(replicas(page, "worker")).to_contain_text("2 of 2")
    assert page.evaluate("window.kept")


@pytest.fixture
def idle_service() -> Iterator[str]:
    """A service that has no workload."""
    with api.bind("127.0.0.1:0") as listener:
        board = StatusBoard()
        live = Live(board)
        app = api.make_app(board, CollectorRegistry(), history=History(SystemClock()), live=live)
        server = api.Server(app)

        async def serve() -> None:
            telling = asyncio.create_task(live.run())
            await server.serve(sockets=[listener])
            telling.cancel()

        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        yield "http://{}:{}/".format(*listener.getsockname())
        server.should_exit = True
        thread.join()


def test_a_service_without_workloads_says_so(idle_service: str, open_page: Open) -> None:
    page = open_page(idle_service)
    expect(page.locator("#empty")).to_contain_text("No workloads yet.")
    expect(page.locator("#list")).to_be_hidden()
    page.goto("about:blank")
