"""A team's page in a browser: in by a link, out by a button, one's own runs alone, and a run shared by its link."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from engine.errors import NotFound
from engine.host import ModelHost
from engine.limits import Limits
from storage.database import Store
from tests.storage.examples import continued, small_trace
from tests.support.app_server import free_port
from tests.support.piece_page import address, until
from ui import examples
from ui.actions import Workbench
from ui.page import build_page
from ui.people import People
from ui.serve import open_port
from ui.settings import Settings
from ui.shelf import Shelf

# it could go on
TRACE = replace(small_trace(1, 30), finish_reason="length")


@dataclass
class Team:
    """A team's page. links: name -> secret of the personal link; viewers: name -> owner of what they make."""

    url: str
    store: Store
    links: dict[str, str]
    viewers: dict[str, str]


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    folder: Path = tmp_path_factory.mktemp("team")
    settings = Settings(
        "embedded", None, None, None, folder / "t.db", folder, "127.0.0.1", free_port(), 1, "team", keep_days=7
    )
    with Store(folder / "t.db") as store:
        examples.install(store)
        made = {name: store.people.add(name) for name in ("Ada", "Ben")}
        viewers = {name: person.viewer for name, (person, _) in made.items()}
        kept = {"status": "finished", "run_scores": {}, "owner": viewers["Ada"]}
        store.runs.add(TRACE, uid="adas", title="Ada's run", **kept)  # type: ignore[arg-type]
        branch = continued(TRACE, 20, 2, 35)
        store.runs.add(branch, uid="branch", title="Its branch", parent="adas", fork_position=20, **kept)  # type: ignore[arg-type]
        page = build_page(Workbench(store, ModelHost(), Limits()), Shelf(store), settings)
        open_port(page, settings, None, People(store))
        yield Team(address(settings.port), store, {name: secret for name, (_, secret) in made.items()}, viewers)
        page.close()


def enter(page: Page, team: Team, name: str, more: str = "") -> Page:
    page.goto(f"{team.url}?person={team.links[name]}{more}")
    expect(page.locator(".fl-who bdi")).to_have_text(name, timeout=60_000)
    return page


@dataclass
class Gate:
    """What a page asks the server for: held back while it is shut. passed: what it let through, oldest first."""

    shut: bool = False
    passed: list[Request] = field(default_factory=list)
    held: list[Route] = field(default_factory=list)

    def meet(self, route: Route) -> None:
        self.held.append(route)
        if not self.shut:
            self.open()

    def close(self) -> None:
        """Hold back what is asked from now on, and wait until all that was let through has been answered."""
        self.shut = True
        for request in self.passed:
            request.response()
        self.passed.clear()

    def open(self) -> None:
        self.shut = False
        while self.held:
            route = self.held.pop(0)
            self.passed.append(route.request)
            route.continue_()


def test_a_link_opens_the_page_and_is_gone_from_the_address(page: Page, team: Team) -> None:
    enter(page, team, "Ada", "&run=adas")
    assert team.links["Ada"] not in page.url and "run=adas" in page.url
    expect(page.locator('.fl-explorer[data-run="adas"]')).to_be_visible()
    assert team.links["Ada"] not in page.evaluate("document.cookie + JSON.stringify(localStorage) + document.referrer")
    page.go_back()
    assert team.links["Ada"] not in page.url, "nor is it in the history"


def test_without_a_link_there_is_a_page_to_paste_it_into(page: Page, team: Team) -> None:
    page.goto(f"{team.url}?run=adas")
    field = page.get_by_label("Your personal link")
    expect(field).to_be_focused()
    field.fill("https://elsewhere.example/?person=nonsense")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not known here")
    assert "nonsense" not in page.url
    field.fill(f"{team.url}?person={team.links['Ben']}")
    page.keyboard.press("Enter")
    expect(page.locator(".fl-who bdi")).to_have_text("Ben", timeout=60_000)
    expect(page.locator("#notice")).to_contain_text("There is no run")


def test_signing_out_leaves_nothing_open(page: Page, team: Team) -> None:
    enter(page, team, "Ada")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Your personal link")).to_be_visible()
    page.goto(f"{team.url}?run=adas")
    expect(page.get_by_label("Your personal link")).to_be_visible()


@pytest.mark.console_ok("401")
def test_who_is_removed_gets_nothing_more_from_a_page_that_is_open(page: Page, team: Team) -> None:
    _, team.links["Carl"] = team.store.people.add("Carl")
    gate = Gate()
    page.route("**/gradio_api/**", gate.meet)
    enter(page, team, "Carl")
    until_quiet(page, gate.passed)
    gate.close()
    team.store.people.remove("Carl")
    page.get_by_role("tab", name="Library").click()
    until(page, lambda: gate.held, seconds=60)
    gate.open()
    expect(page.locator(".fl-ended-access")).to_have_count(1, timeout=60_000)
    until_quiet(page, gate.passed)
    answers = [(answer.status, answer.url) for request in gate.passed if (answer := request.response())]
    assert len(answers) == len(gate.passed) > 0
    assert {status for status, _ in answers} == {401}, answers
    page.reload()
    expect(page.get_by_label("Your personal link")).to_be_visible()


def until_quiet(page: Page, asked: list[Request]) -> None:
    """Wait until all that was asked has been answered, and nothing more has been asked for two seconds."""
    deadline, before = time.monotonic() + 60, -1
    while len(asked) != before:
        assert time.monotonic() < deadline, f"the page goes on asking: {asked[-1].url}"
        before = len(asked)
        for request in asked[:before]:
            request.response()
        page.wait_for_timeout(2_000)


@pytest.mark.console_ok("401")
def test_an_open_page_says_once_that_access_has_ended_and_asks_no_more(page: Page, team: Team) -> None:
    _, team.links["Dora"] = team.store.people.add("Dora")
    enter(page, team, "Dora")
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if "gradio_api" in request.url else None)
    team.store.people.remove("Dora")
    page.get_by_role("tab", name="Library").click()
    ended = page.locator(".fl-ended-access")
    expect(ended).to_have_count(1, timeout=30_000)
    expect(ended).to_contain_text("Your access has ended")
    # what was under way when the first refusal came may still be refused itself
    until_quiet(page, asked)
    asked.clear()
    page.wait_for_timeout(6_500)
    page.get_by_role("tab", name="Explore").click()
    page.get_by_role("button", name="Generate").click()
    page.wait_for_timeout(900)
    expect(page.locator(".fl-reach")).to_have_count(0)
    assert [request.url for request in asked] == [], "the page's clock ticks every five seconds"
    expect(ended).to_have_count(1)
    expect(page.locator(".toast-body")).to_have_count(0)
    ended.get_by_role("link", name="Sign in again").click()
    expect(page.get_by_label("Your personal link")).to_be_visible()


@pytest.mark.console_ok("401")
def test_a_button_that_finds_the_access_ended_is_not_said_to_wait_for_the_server(page: Page, team: Team) -> None:
    _, team.links["Emil"] = team.store.people.add("Emil")
    enter(page, team, "Emil")
    team.store.people.remove("Emil")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator(".fl-ended-access")).to_contain_text("ask whoever runs this page", timeout=30_000)
    page.wait_for_timeout(900)
    expect(page.locator(".fl-reach")).to_have_count(0)


def test_a_run_is_shared_by_its_link_until_that_is_stopped(page: Page, team: Team, chromium: Browser) -> None:
    enter(page, team, "Ada", "&run=adas")
    page.get_by_role("button", name="Share", exact=True).click()
    ask = page.get_by_role("dialog", name="Share this run")
    expect(ask).to_contain_text("Only you can see this run.")
    ask.get_by_role("button", name="Share by link").click()
    expect(ask.get_by_label("Link of this run")).to_have_value(f"{team.url}?run=adas")
    expect(ask).to_contain_text("Whoever has the link can open this run")

    context = chromium.new_context()
    other = enter(context.new_page(), team, "Ben", "&run=adas")
    expect(other.locator('.fl-explorer[data-run="adas"]')).to_be_visible()
    expect(other.locator(".fl-foreign")).to_contain_text("Shared with you: this run stays its owner's.")
    expect(other.locator(".fl-continue")).to_be_hidden()
    expect(page.locator(".fl-foreign")).to_be_hidden()
    expect(page.locator(".fl-continue"), "only its owner goes on with it").to_be_visible()
    other.get_by_role("button", name="Share", exact=True).click()
    expect(other.get_by_role("dialog")).to_contain_text("it stays theirs")
    expect(other.get_by_role("button", name="Stop sharing")).to_have_count(0)
    other.keyboard.press("Escape")
    other.get_by_role("tab", name="Library").click()
    expect(other.locator(".fl-lib-row").first).to_be_visible()
    expect(other.locator("#library-piece")).not_to_contain_text("Ada's run")

    ask.get_by_role("button", name="Stop sharing").click()
    expect(ask).to_contain_text("Only you can see this run.")
    other.goto(f"{team.url}?run=adas")
    expect(other.locator("#notice")).to_contain_text("it was deleted, or is not shared with you.", timeout=60_000)
    expect(other.locator(".fl-reading [role=option]").first).to_be_visible()
    expect(other.locator("#notice")).not_to_contain_text("adas")
    assert other.url == f"{team.url}?run=adas", "the address does not become that of the example shown instead"
    other.goto(f"{team.url}?annotate=nothing")
    expect(other.locator(".fl-explorer")).to_have_attribute("data-state", "finished", timeout=60_000)
    assert other.url == f"{team.url}?annotate=nothing"
    context.close()


def test_the_library_shares_a_row_or_several_and_marks_what_is_shared(page: Page, team: Team) -> None:
    enter(page, team, "Ada")
    page.get_by_role("tab", name="Library").click()
    row, branch = (page.locator(f'.fl-lib-row[data-uid="{uid}"]') for uid in ("adas", "branch"))
    expect(row).to_be_visible()
    expect(page.locator(".fl-lib-chip-shared")).to_have_count(0)
    row.hover()
    row.get_by_role("button", name="Share Ada's run").click()
    ask = page.get_by_role("dialog", name="Share this run")
    ask.get_by_role("button", name="Share by link").click()
    expect(ask.get_by_label("Link of this run")).to_have_value(f"{team.url}?run=adas")
    page.keyboard.press("Escape")
    expect(row.locator(".fl-lib-chip-shared")).to_have_text("Shared")
    expect(row.get_by_role("button", name="Share Ada's run")).to_be_focused()

    for one in (row, branch):
        one.locator("input[type=checkbox]").check()
    page.locator(".fl-lib-selection").get_by_role("button", name="Share", exact=True).click()
    ask = page.get_by_role("dialog", name="Share 2 runs")
    expect(ask).to_contain_text("1 of them can be opened")
    ask.get_by_role("button", name="Share by links").click()
    expect(ask.locator(".fl-ask-runs a")).to_have_text([f"{team.url}?run=branch", f"{team.url}?run=adas"][::-1])
    assert {team.store.runs.header(uid, viewer="nobody").uid for uid in ("adas", "branch")} == {"adas", "branch"}
    ask.get_by_role("button", name="Close").click()
    page.reload()
    page.get_by_role("tab", name="Library").click()
    expect(page.locator(".fl-lib-chip-shared")).to_have_count(2)

    for one in (row, branch):
        one.locator("input[type=checkbox]").check()
    page.locator(".fl-lib-selection").get_by_role("button", name="Share", exact=True).click()
    ask.get_by_role("button", name="Stop sharing").click()
    expect(ask).to_contain_text("The links open nothing any more")
    ask.get_by_role("button", name="Close").click()
    expect(page.locator(".fl-lib-chip-shared")).to_have_count(0)
    with pytest.raises(NotFound):
        team.store.runs.header("adas", viewer="nobody")
    page.locator(".fl-lib-row:has(.fl-lib-chip-example) input[type=checkbox]").first.check()
    for one in (row, branch):
        one.locator("input[type=checkbox]").uncheck()
    expect(page.locator(".fl-lib-selection").get_by_role("button", name="Share", exact=True)).to_be_disabled()


def test_runs_are_deleted_for_good_with_their_branches_after_a_question(page: Page, team: Team) -> None:
    enter(page, team, "Ada")
    page.get_by_role("tab", name="Library").click()
    row = page.locator(".fl-lib-row", has_text="Ada's run")
    expect(row).to_be_visible()
    expect(page.locator(".fl-lib-line:not(.fl-lib-selection) > .fl-own-menu")).to_be_visible()
    row.locator("input[type=checkbox]").check()
    expect(page.locator(".fl-lib-selection > .fl-own-menu")).to_be_visible()
    page.get_by_role("button", name="Delete for good", exact=True).click()
    page.set_viewport_size({"width": 390, "height": 900})
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Delete for good", exact=True).click()
    menu = page.get_by_role("menu", name="Delete for good").bounding_box()
    assert menu and menu["x"] >= 0 and menu["x"] + menu["width"] <= 390
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_role("menuitem", name="The selected run").click()
    ask = page.get_by_role("dialog", name="Delete 1 run for good")
    expect(ask).to_contain_text("You made 1 branch of it; it keeps all its tokens if it stays.")
    buttons = [ask.get_by_role("button", name=name).bounding_box() for name in ("with 1", "without the", "Close")]
    assert len({(box or {}).get("y") for box in buttons}) == 1, "all stand on one line"
    ask.get_by_role("button", name="Close").click()
    assert team.store.runs.header("adas", viewer=team.viewers["Ada"]).uid == "adas", "closing deletes nothing"
    page.get_by_role("button", name="Delete for good", exact=True).click()
    page.get_by_role("menuitem", name="The selected run").click()
    page.get_by_role("button", name="Delete with 1 branch").click()
    expect(page.get_by_text("Deleted 2 runs for good.")).to_be_visible()
    expect(row).to_have_count(0)
    with team.store.read() as session:
        left = session.connection().exec_driver_sql("SELECT count(*) FROM run WHERE owner = ?", (team.viewers["Ada"],))
        assert left.scalar_one() == 0


def test_everything_of_mine_goes_after_its_word_was_typed(page: Page, team: Team) -> None:
    for seed in (3, 4):
        team.store.runs.add(small_trace(seed), owner=team.viewers["Ben"], status="finished", run_scores={})
    enter(page, team, "Ben")
    page.get_by_role("tab", name="Library").click()
    page.get_by_role("button", name="Delete for good", exact=True).click()
    page.get_by_role("menuitem", name="Everything of mine").click()
    ask = page.get_by_role("dialog", name="Delete everything of mine")
    ask.get_by_role("button", name="Delete everything").click()
    expect(ask.get_by_role("status")).to_contain_text("Confirm it with the word")
    ask.get_by_role("textbox").fill("Everything")
    ask.get_by_role("button", name="Delete everything").click()
    expect(page.get_by_text("Deleted 2 runs for good.")).to_be_visible()
