"""axe-core finds no serious violation in what is ours: every view, light and dark, at the desk and on the phone.

What gradio draws itself (its tabs, labels and footer) is left out where it breaks a rule we cannot mend.
"""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect

from tests.support.app_server import AppServer
from tests.support.gradio_fields import opened

OURS = [
    "#masthead", "#examples", "#explorer", "#library-piece", "#compare", "#methods-piece", "#notice", "#probe-piece",
    "#probe-price", "#probe-notice", "#probe-purpose", "#probe-shelf", "#strategy", "#strategy-parameters",
    "#annotate-piece", "#results-piece",
]  # fmt: skip


def serious(page: Page) -> list[str]:
    """Violations of impact serious or critical within our pieces that are on show."""
    shown = [name for name in OURS if page.locator(name).count() and page.locator(name).first.is_visible()]
    options = {"resultTypes": ["violations"]}
    found = Axe().run(page, context={"include": [[name] for name in shown]}, options=options).response["violations"]
    return [
        f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]} {v['nodes'][0]['any'][:1]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_view_has_a_serious_violation(chromium: Browser, app: AppServer, scheme: str, width: int) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(app.url)
    expect(page.locator(".fl-explorer [role=option]").first).to_be_visible()
    page.wait_for_timeout(500)
    assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
    found = {"explore": serious(page)}
    for name in ("Data", "Summary", "Recipe"):
        page.locator("#explorer").get_by_role("tab", name=name).click()
        found[name] = serious(page)
    opened(page.locator("#settings button").first, page.get_by_label("Strategy")).click()
    page.get_by_role("option", name="Best of N", exact=True).click()
    expect(page.locator("#strategy-parameters")).to_be_visible()
    found["strategy"] = serious(page)
    page.get_by_role("tab", name="Probe").click()
    expect(page.locator("#probe-purpose")).to_contain_text("does the answer change?")
    expect(page.locator("#probe-shelf")).to_contain_text("Kept probes")
    found["probe"] = serious(page)
    page.get_by_role("tab", name="Library").click()
    boxes = page.locator("#library-piece input[type=checkbox]")
    expect(boxes.first).to_be_visible()
    found["library"] = serious(page)
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.locator("#library-piece").get_by_role("button", name="Compare").first.click()
    expect(page.locator("#compare [role=option]").first).to_be_visible()
    found["compare"] = serious(page)
    page.get_by_role("tab", name="Annotate").click()
    expect(page.locator("#annotate-piece")).to_contain_text("Demonstration")
    found["annotate"] = serious(page)
    page.get_by_role("tab", name="Results").click()
    page.locator("#results-piece").get_by_role("button", name=re.compile("Demonstration")).first.click()
    expect(page.locator("#results-piece")).to_contain_text("answers are in")
    for name in ("Overview", "Agreement", "Scores against labels"):
        page.locator("#results-piece").get_by_role("tab", name=name).click()
        expect(page.locator("#results-piece table:visible").first).to_be_visible()
        found[f"results, {name}"] = serious(page)
    page.get_by_role("tab", name="Methods").click()
    expect(page.locator("#methods-piece")).to_contain_text("Varentropy")
    found["methods"] = serious(page)
    context.close()
    assert {view: problems for view, problems in found.items() if problems} == {}


def test_a_violation_would_be_noticed(page: Page, app: AppServer) -> None:
    page.goto(app.url)
    expect(page.locator(".fl-explorer [role=option]").first).to_be_visible()
    page.evaluate(
        """() => {
          const button = document.createElement('button');
          document.querySelector('#explorer').append(button);
        }"""
    )
    assert any("button-name" in problem for problem in serious(page))
