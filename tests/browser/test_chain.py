"""Attention chains in a real browser with the real model: trace, follow, fork, come back, stop; nothing is made up."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.test_page import explorer, finished, generate, open_page, wait_for_model
from tests.support.app_server import AppServer
from tests.support.chain_page import SHOWN, marked, title, token, trace_button, words
from tests.support.piece_page import until

# with this seed the answer is that of an example: several sentences and a sum at the end
QUESTION = "A farmer has 17 sheep and buys 25 more, then sells 9. How many sheep does he have now? Explain briefly."
SEED = 2
PATIENCE = 120_000


def open_chain(page: Page) -> Locator:
    """The tab of the run on show, once its document is there."""
    page.get_by_role("tab", name="Chain").click()
    panel = page.locator(".fl-chain")
    expect(panel).to_have_attribute("data-run", explorer(page).get_attribute("data-run") or "")
    return panel


def ended(panel: Locator, how: str = "finished") -> None:
    expect(panel).to_have_attribute("data-state", how, timeout=PATIENCE)


def figure(panel: Locator) -> str:
    """The large figure of the confidence, which is one."""
    text = panel.locator(".fl-ch-value").inner_text()
    assert re.match(r"\d", text), text
    return text


def offered_scores(page: Page) -> list[str]:
    """The names of every score that the text can be tinted by."""
    page.locator("button.fl-seg-more").click()
    names = page.get_by_role("menuitemradio").all_inner_texts()
    page.keyboard.press("Escape")
    return names


def test_an_arithmetic_answer_is_traced_followed_and_found_again_without_tracing(page: Page, app: AppServer) -> None:
    open_page(page, app)
    wait_for_model(page)
    generate(page, QUESTION, tokens=60, seed=SEED)
    run = finished(page)["run"]
    panel = open_chain(page)
    expect(panel.locator(".fl-ch-sentence")).to_contain_text("On which earlier tokens does")
    assert not marked(panel) and not panel.get_attribute("data-chain")
    assert not any("RAUQ" in name for name in offered_scores(page))
    trace_button(panel).click()
    ended(panel)
    said = panel.locator(".fl-ch-sentence")
    expect(said).to_contain_text(re.compile(r"The answer ‘.*’ \(tokens? [\d to]+\) rests on \d+ tokens?"))
    found = marked(panel)
    assert found and panel.locator(SHOWN).count() > 0, "arcs are drawn"
    assert page.locator(".fl-reading .fl-in-chain").count() == len(found), "in the text above, too"
    assert figure(panel)
    for part in ("the answer itself", "kept tokens + answer", "whole response", "RAUQ"):
        expect(panel.locator(".fl-ch-confidence")).to_contain_text(part)
    assert panel.get_by_role("region", name="Tokens of the chain").locator("tbody tr").count() == len(found)
    substitutes = panel.get_by_role("region", name="Variants of the chain").locator("tbody tr")
    variants = substitutes.count()
    expect(panel.locator(".fl-ch-means")).to_contain_text(f"{variants} variant")

    # the run knows two scores more, which its next document brings
    until(page, lambda: any("RAUQ" in name for name in offered_scores(page)))

    strongest = panel.locator(".fl-ch-sentence").get_by_role("button").first
    strongest.click()
    chosen = int(explorer(page).get_attribute("data-pinned") or -1)
    assert chosen in found
    expect(title(panel)).to_contain_text(f"Token {chosen + 1} ")
    token(panel, found[0]).click()
    panel.get_by_role("button", name="Fork here").click()
    expect(page.get_by_role("tab", name="Forks")).to_have_attribute("aria-selected", "true")
    expect(explorer(page)).to_have_attribute("data-pinned", str(found[0]))
    page.get_by_role("tab", name="Chain").click()
    panel.get_by_role("button", name="What if here").click()
    expect(page.get_by_role("group", name="What if")).to_contain_text("Instead of")
    sentence, confidence = said.inner_text(), figure(panel)

    page.reload()
    expect(explorer(page)).to_have_attribute("data-run", run)
    panel = open_chain(page)
    expect(panel).to_have_attribute("data-chain", re.compile(r"\w+"))
    ended(panel)
    assert panel.locator(".fl-ch-sentence").inner_text() == sentence and marked(panel) == found
    assert figure(panel) == confidence
    assert panel.get_by_role("region", name="Variants of the chain").locator("tbody tr").count() == variants


def test_a_first_visitor_follows_the_shipped_chain_by_keys_alone(page: Page, app: AppServer) -> None:
    page.goto(app.url)
    expect(page.locator(".fl-explorer [role=option]").first).to_be_visible()
    panel = open_chain(page)
    ended(panel)
    expect(panel.locator(".fl-ch-sentence")).to_contain_text(re.compile("The answer ‘18’ .* rests on 11 tokens"))
    found = marked(panel)
    words(panel).focus()
    page.keyboard.press("End")
    page.keyboard.press("p")
    seen = [int(explorer(page).get_attribute("data-pinned") or -1)]
    for _ in range(3):
        page.keyboard.press("ArrowDown")
        seen.append(int(explorer(page).get_attribute("data-pinned") or -1))
    assert set(seen) <= set(found) and seen == sorted(set(seen), reverse=True), "each rests on an earlier one"
    page.keyboard.press("[")
    expect(panel.get_by_role("group", name="Hops shown")).to_contain_text(re.compile(r"hop \d of \d"))
    assert len(marked(panel)) < len(found)


def test_a_trace_that_is_stopped_keeps_nothing_and_another_answer_can_be_selected(page: Page, app: AppServer) -> None:
    open_page(page, app, "/?run=example-1-4")
    wait_for_model(page)
    panel = open_chain(page)
    panel.get_by_text("Settings", exact=True).click()
    panel.locator(".fl-ch-moresettings > summary").click()
    for label, value in (
        ("Least length", "300"), ("Tokens a hop may add", "50"), ("Kept tokens", "100"), ("Further substitutes", "100"),
        ("Least probability", "0"), ("Least similarity", "-1"),
    ):  # fmt: skip
        panel.get_by_label(label, exact=True).fill(value)
    trace_button(panel).click()
    panel.get_by_role("button", name="Stop", exact=True).click()
    expect(panel.locator(".fl-ch-state")).to_contain_text("Nothing of this trace was kept.", timeout=PATIENCE)
    assert not panel.get_attribute("data-chain") and not marked(panel)
    page.reload()
    panel = open_chain(page)
    expect(trace_button(panel)).to_be_enabled()
    assert not panel.get_attribute("data-chain"), "nothing was kept"

    wait_for_model(page)
    token(panel, 30).click()
    page.keyboard.press("Shift+ArrowRight")
    trace_button(panel).click()
    ended(panel)
    expect(panel.locator(".fl-ch-sentence")).to_contain_text("tokens 31 to 32")
    assert all(t < 30 for t in marked(panel))


def test_what_cannot_be_traced_is_told_in_the_form(page: Page, app: AppServer) -> None:
    open_page(page, app, "/?run=example-1-2")
    wait_for_model(page)
    panel = open_chain(page)
    expect(trace_button(panel)).to_be_disabled()
    expect(trace_button(panel)).to_have_accessible_description(re.compile("Select the answer's tokens"))
    token(panel, 0).click()
    page.keyboard.press("Shift+ArrowRight")
    trace_button(panel).click()
    expect(panel.get_by_role("alert")).to_contain_text("nothing of the response stands before it")


def test_the_methods_page_explains_what_the_chain_says(page: Page, app: AppServer) -> None:
    open_page(page, app)
    page.get_by_role("tab", name="Methods").click()
    page.get_by_label("Find a score").fill("attention chain")
    methods = page.locator("#methods-piece")
    for label in ("Chain score", "Similarity", "Kept", "P(answer)", "P along the chain"):
        expect(methods.get_by_role("heading", name=label, exact=True)).to_be_visible()
