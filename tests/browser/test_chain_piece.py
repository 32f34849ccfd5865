"""Asking for the chain of an answer and following it in the browser: what is sent and said, by pointer and keyboard.

Documents are made by hand; how a chain looks is tested elsewhere.
"""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.support import chain_page as chain
from tests.support.chain_page import (
    ANSWER,
    ARCS,
    PIECES,
    RUN,
    SCORES,
    SHOWN,
    feed,
    heard,
    marked,
    open_panel,
    strength,
    title,
    token,
    trace_button,
    words,
)  # fmt: skip
from tests.support.whatif_page import run


def test_a_run_is_asked_for_once_and_another_one_again(page: Page) -> None:
    panel = open_panel(page)
    expect(panel).to_contain_text("Opening…")
    page.get_by_role("tab", name="Data").click()
    page.get_by_role("tab", name="Chain").click()
    assert heard(page, "chain_open") == [{"run": RUN}]
    page.evaluate("text => feed(text)", run("other", PIECES))
    assert heard(page, "chain_open") == [{"run": RUN}, {"run": "other"}]


def test_the_sentence_says_what_the_answer_rests_on_and_leads_there(page: Page) -> None:
    panel = open_panel(page, chain.document())
    said = panel.locator(".fl-ch-sentence")
    expect(said).to_have_text(
        "The answer ‘4’ (token 119) rests on 20 tokens; "
        "most on ‘total’ (token 21), ‘number’ (token 22) and ‘given’ (token 25)."
    )
    said.get_by_role("button", name="total").click()
    expect(title(panel)).to_have_text("Token 21 totalin the chain, not kept: 10 others are more like the answer")
    assert page.locator(".fl-explorer").get_attribute("data-pinned") == "20", "one selection with the instrument"


def test_an_answer_that_was_found_is_traced_with_one_click(page: Page) -> None:
    panel = open_panel(page, chain.offer())
    expect(panel.locator(".fl-ch-sentence")).to_contain_text("On which earlier tokens does ‘4’ (token 119) rest?")
    expect(panel.get_by_label("Answer", exact=True)).to_contain_text("last number: ‘4’, token 119")
    expect(panel).to_contain_text("one pass over 192 tokens, then up to 20 substitutes")
    expect(panel.get_by_label("Heads a row")).to_be_hidden()
    trace_button(panel).click()
    assert heard(page, "chain_trace") == [
        {
            "run": RUN,
            "fields": {
                "start": ANSWER, "stop": ANSWER + 1, "language": "en", "reduction": "max", "heads": 16,
                "most_a_round": 3, "threshold": 0.5, "minimum": 5, "scan_depth": 5, "similar": 10, "floor": 0,
                "top": 5, "least_probability": 0.01, "more": 10, "extra_stop_words": "",
            },
        }
    ]  # fmt: skip


def test_another_answer_and_other_settings_are_sent(page: Page) -> None:
    panel = open_panel(page, chain.offer())
    panel.get_by_label("Answer", exact=True).select_option(index=1)
    panel.get_by_text("Settings", exact=True).click()
    panel.get_by_label("Language of stop words").select_option("German")
    panel.get_by_label("More stop words").fill("boxes pencils")
    panel.get_by_label("Heads are reduced by their").select_option("mean")
    panel.get_by_label("Heads a row").fill("0.5")
    trace_button(panel).click()
    expect(panel.get_by_role("alert")).to_have_text(
        "Heads a row: “0.5” cannot be; give a whole number from 1 to 4,096."
    )
    assert heard(page, "chain_trace") == []
    panel.get_by_label("Heads a row").fill("4")
    trace_button(panel).click()
    sent = heard(page, "chain_trace")[0]["fields"]
    assert (sent["start"], sent["stop"]) == (ANSWER - 1, ANSWER + 2)
    assert (sent["language"], sent["reduction"], sent["heads"]) == ("de", "mean", 4)
    assert sent["extra_stop_words"] == "boxes pencils"


def test_without_an_answer_the_button_says_why_it_rests_until_tokens_are_selected(page: Page) -> None:
    panel = open_panel(page, chain.offer(found=[], span=None))
    expect(panel.locator(".fl-ch-sentence")).to_contain_text("No answer was found in this text.")
    expect(trace_button(panel)).to_be_disabled()
    expect(trace_button(panel)).to_have_accessible_description(re.compile("^Select the answer's tokens"))
    token(panel, 49).click()
    expect(trace_button(panel)).to_be_disabled()
    page.keyboard.press("Shift+ArrowRight")
    expect(panel.get_by_label("Answer", exact=True)).to_contain_text("selected: ‘21’, tokens 50 to 51")
    trace_button(panel).click()
    fields = heard(page, "chain_trace")[0]["fields"]
    assert (fields["start"], fields["stop"]) == (49, 51)


def test_tokens_are_selected_with_the_mouse_and_in_the_instruments_text(page: Page) -> None:
    panel = open_panel(page, chain.offer())
    token(panel, 85).scroll_into_view_if_needed()
    first, last = (token(panel, t).locator(".fl-ch-w").bounding_box() for t in (85, 87))
    assert first and last
    page.mouse.move(first["x"] + 1, first["y"] + 8)
    page.mouse.down()
    page.mouse.move(last["x"] + last["width"] - 1, last["y"] + 8, steps=4)
    page.mouse.up()
    answer = panel.get_by_label("Answer", exact=True)
    expect(answer.locator("option:checked")).to_contain_text("tokens 86 to 88")
    assert page.locator(".fl-reading .fl-span").count() == 3, "the instrument shows the same span"
    token(panel, 5).click()
    expect(answer.locator("option:checked")).to_contain_text("last number")
    page.locator(".fl-reading [role=option]").nth(28).click()
    page.locator(".fl-reading [role=option]").nth(29).click(modifiers=["Shift"])
    expect(answer.locator("option:checked")).to_have_text("selected: ‘12’, tokens 29 to 30")


def test_the_chain_is_stepped_through_hop_by_hop(page: Page) -> None:
    panel = open_panel(page, chain.document())
    hop = panel.get_by_role("group", name="Hops shown")
    expect(hop).to_contain_text("all 7 hops")
    expect(hop.get_by_role("button", name="One hop more")).to_be_disabled()
    words(panel).focus()
    for _ in range(5):
        page.keyboard.press("[")
    expect(hop).to_contain_text("hop 2 of 7")
    assert marked(panel) == sorted({to for _, to, _, at in ARCS if at <= 2})
    strength(panel, len(ARCS))
    expect(panel.locator(SHOWN)).to_have_count(len([arc for arc in ARCS if arc[3] <= 2]))
    assert page.locator(".fl-reading .fl-in-chain").count() == len(marked(panel))
    page.keyboard.press("[")
    page.keyboard.press("[")
    expect(hop).to_contain_text("hop 1 of 7")
    expect(hop.get_by_role("button", name="One hop less")).to_be_disabled()
    hop.get_by_role("button", name="One hop more").click()
    expect(hop).to_contain_text("hop 2 of 7")
    expect(panel.locator("[aria-live]")).to_contain_text("Hop 2 of 7: ")


def test_the_keyboard_goes_over_tokens_and_down_and_up_the_chain(page: Page) -> None:
    panel = open_panel(page, chain.document())
    expect(words(panel)).to_have_attribute("tabindex", "0")
    assert panel.locator(".fl-ch-words [tabindex]").count() == 0, "one tab stop"
    words(panel).focus()
    steps = [
        ("Home", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("n", 7), ("n", 19), ("p", 7), ("End", 121), ("p", 106),
        ("p", 96), ("n", 106), ("ArrowLeft", 105), ("End", 121), ("ArrowLeft", 120), ("ArrowLeft", 119),
        ("ArrowDown", 106), ("ArrowDown", 94), ("ArrowDown", 51), ("ArrowUp", 94), ("ArrowUp", 106),
        ("ArrowUp", 119), ("ArrowUp", 119),
    ]  # fmt: skip
    for key, number in steps:
        page.keyboard.press(key)
        expect(title(panel)).to_contain_text(re.compile(rf"^Token {number} "))
    expect(panel.locator("[aria-live]")).to_have_text("Nothing in the chain rests on it.")
    chosen = words(panel).get_attribute("aria-activedescendant")
    node = page.locator(f"#{chosen}")
    assert node.get_attribute("aria-selected") == "true"
    assert node.get_attribute("aria-label") == "4, token 119, the answer"


def test_up_leads_back_to_where_one_came_from_else_to_the_strongest(page: Page) -> None:
    panel = open_panel(page, chain.document())
    for start, keys, number in ((38, ["ArrowDown", "ArrowUp"], 39), (32, ["ArrowUp"], 37)):
        token(panel, start).click()
        for key in keys:
            page.keyboard.press(key)
        expect(title(panel)).to_contain_text(re.compile(rf"^Token {number} "))


def test_outside_the_chain_up_and_down_go_by_line(page: Page) -> None:
    panel = open_panel(page, chain.document())
    token(panel, 3).click()
    page.keyboard.press("ArrowDown")
    expect(token(panel, 3)).to_have_attribute("aria-selected", "false")
    chosen = page.locator(f"#{words(panel).get_attribute('aria-activedescendant')}")
    # both now, as the text may have moved to show the second
    before, after = (
        each.evaluate("(node) => node.getBoundingClientRect().toJSON()") for each in (token(panel, 3), chosen)
    )
    assert before and after and after["y"] > before["y"] + 20
    assert abs(after["x"] - before["x"]) < 80


def test_a_token_leads_to_its_forks_and_to_what_if(page: Page) -> None:
    panel = open_panel(page, chain.document())
    token(panel, 50).click()
    panel.get_by_role("button", name="Fork here").click()
    expect(page.get_by_role("tab", name="Forks")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".fl-explorer")).to_have_attribute("data-pinned", "50")
    page.get_by_role("tab", name="Chain").click()
    token(panel, 36).click()
    panel.get_by_role("button", name="What if here").click()
    expect(page.get_by_role("group", name="What if")).to_contain_text("Instead of “·+” write")


def test_without_forks_on_the_page_none_are_offered(page: Page) -> None:
    panel = open_panel(page, chain.document(), forks=False)
    expect(panel.get_by_role("button", name="What if here")).to_be_visible()
    expect(panel.get_by_role("button", name="Fork here")).to_be_hidden()


def test_problems_warnings_and_refusals_are_said(page: Page) -> None:
    warned = chain.header() + chain.tokens() + chain.line({"warnings": ["The chain is short."]}) + chain.standing()
    panel = open_panel(page, warned)
    expect(panel.get_by_role("listitem").filter(has_text="The chain is short.")).to_be_visible()
    aside = "text => chainAside(text)"
    page.evaluate(aside, chain.line({"run": "elsewhere", "n": "1", "problem": "Not of this run."}))
    expect(panel.locator(".fl-ch-problem")).to_be_empty()
    page.evaluate(aside, chain.line({"run": RUN, "n": "2", "problem": "The model is being loaded: try again soon."}))
    expect(panel.get_by_role("alert")).to_have_text("The model is being loaded: try again soon.")
    trace_button(panel).click()
    expect(panel.locator(".fl-ch-problem")).to_be_empty()
    feed(page, chain.line({"v": 1, "run": RUN, "chain": "", "refused": "This run has no tokens of its own."}))
    expect(panel.locator(".fl-ch-message")).to_have_text("This run has no tokens of its own.")
    expect(trace_button(panel)).to_be_hidden()
    assert page.locator(".fl-reading .fl-in-chain").count() == 0


def test_a_document_of_a_run_that_was_left_changes_nothing(page: Page) -> None:
    panel = open_panel(page, chain.document())
    feed(page, chain.document("left", title="Another one"))
    expect(panel).to_have_attribute("data-run", RUN)
    page.evaluate("text => feed(text)", run("other", PIECES))
    expect(panel).to_contain_text("Opening…")
    assert page.locator(".fl-reading .fl-in-chain").count() == 0
    feed(page, chain.document("other"))
    expect(panel).to_have_attribute("data-run", "other")
    assert page.locator(".fl-reading .fl-in-chain").count() == len(SCORES)


def test_earlier_traces_of_a_run_are_opened(page: Page) -> None:
    others = [
        {"uid": "chain-1", "text": "4", "start": 118, "stop": 119, "created": "2026-01-02T10:00:00+00:00"},
        {"uid": "chain-0", "text": "21", "start": 49, "stop": 51, "created": "2026-01-01T10:00:00+00:00"},
    ]
    panel = open_panel(page, chain.document())
    expect(panel.get_by_label("Traces of this run")).to_be_hidden()
    feed(page, chain.document(others=others))
    choice = panel.get_by_label("Traces of this run")
    expect(choice).to_have_value("chain-1")
    choice.select_option("chain-0")
    assert heard(page, "chain_open")[-1] == {"run": RUN, "uid": "chain-0"}
