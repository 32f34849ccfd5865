"""How the chain of an answer looks in the browser: tints, arcs, tables, figures, files, widths, hostile words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

from tests.support import chain_page as chain
from tests.support.chain_page import (
    ANSWER,
    ARCS,
    KEPT,
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
)  # fmt: skip


def test_chain_tokens_are_tinted_and_outlined_and_the_answer_is_underlined(page: Page) -> None:
    panel = open_panel(page, chain.document())
    assert marked(panel) == list(SCORES)
    kept = panel.locator(".fl-ch-token:has(.fl-ch-kept)")
    assert kept.evaluate_all("nodes => nodes.map((node) => Number(node.dataset.t))") == list(KEPT)
    expect(panel.locator(".fl-ch-answer")).to_have_count(2)  # one in the text, one in the key
    expect(token(panel, ANSWER).locator(".fl-ch-answer")).to_have_text("4")
    tints = [
        token(panel, t).locator(".fl-ch-w").evaluate("node => getComputedStyle(node).backgroundColor")
        for t in (20, 49, 3)
    ]
    assert len(set(tints)) == 3 and tints[2] == "rgba(0, 0, 0, 0)"
    outlined = page.locator(".fl-reading .fl-in-chain").evaluate_all(
        "nodes => nodes.map((node) => [...node.parentElement.children].indexOf(node))"
    )
    assert outlined == list(SCORES), "the instrument's own text outlines the chain, too"


def test_only_the_strongest_arcs_stand_and_those_of_the_chosen_token_always(page: Page) -> None:
    panel = open_panel(page, chain.document())
    token(panel, 3).click()
    at_first = panel.locator(SHOWN).count()
    assert 12 <= at_first <= 20
    assert panel.locator(".fl-ch-arcs g").count() == len(ARCS)
    strength(panel, 4)
    expect(panel.locator(SHOWN)).to_have_count(4)
    expect(panel.locator("output")).to_have_text("4 of 33 arcs, from 0.84")
    strongest = sorted(ARCS, key=lambda arc: -arc[2])[:4]
    ends = panel.locator(SHOWN).evaluate_all("nodes => nodes.map(({dataset: d}) => [+d.from, +d.to])")
    assert sorted(map(tuple, ends)) == sorted((start, stop) for start, stop, _, _ in strongest)
    token(panel, 105).click()
    page.mouse.move(0, 0)
    mine = [arc for arc in ARCS if 105 in arc[:2]]
    expect(panel.locator(".fl-ch-down, .fl-ch-up").and_(panel.locator("g"))).to_have_count(len(mine))
    assert not set(mine) & set(strongest), "none of them would have stood"


def test_arcs_join_the_words_and_are_as_thick_as_their_weight(page: Page) -> None:
    panel = open_panel(page, chain.document())
    strength(panel, len(ARCS))
    off = panel.evaluate(
        """panel => [...panel.querySelectorAll('.fl-ch-arcs g')].map((group) => {
          const path = group.querySelector('path');
          const frame = panel.querySelector('.fl-ch-arcs').getBoundingClientRect();
          const near = (t, point) => {
            const box = panel.querySelector(`[data-t="${t}"] .fl-ch-w`).getBoundingClientRect();
            const [x, y] = [point.x + frame.left, point.y + frame.top];
            return Math.abs(x - (box.left + box.right) / 2) < 4 && y > box.top - 4 && y < box.bottom + 4;
          };
          const { from, to } = group.dataset;
          return [near(from, path.getPointAtLength(0)), near(to, path.getPointAtLength(path.getTotalLength())),
            +from, +to, +path.getAttribute('stroke-width')];
        })"""
    )
    assert len(off) == len(ARCS) and all(start and stop for start, stop, *_ in off), off
    width = {(start, stop): thick for _, _, start, stop, thick in off}
    for one in ARCS:
        for other in ARCS:
            if one[2] > other[2] + 0.01:
                assert width[one[0], one[1]] > width[other[0], other[1]]


def test_one_token_from_near_says_what_it_rests_on_and_what_rests_on_it(page: Page) -> None:
    panel = open_panel(page, chain.document())
    token(panel, 105).click()
    detail = panel.locator(".fl-ch-detail")
    expect(title(panel)).to_contain_text("in the chain, kept")
    expect(detail).to_contain_text("score0.662")
    expect(detail).to_contain_text("similarity0.651")
    expect(detail).to_contain_text("hop1")
    expect(detail).to_contain_text("entropyn/a")
    expect(detail.locator(".fl-ch-line-to")).to_have_text("rests on= 0.55- 0.40")
    expect(detail.locator(".fl-ch-line-from")).to_have_text("what rests on it4 0.66")
    detail.locator(".fl-ch-line-to").get_by_role("button").first.click()
    expect(title(panel)).to_contain_text("Token 94 =")
    token(panel, 3).click()
    expect(title(panel)).to_contain_text("not in the chain")
    token(panel, ANSWER).click()
    expect(title(panel)).to_contain_text("the answer itself")


def test_tables_are_sorted_and_their_rows_choose_tokens(page: Page) -> None:
    panel = open_panel(page, chain.document())
    table = panel.get_by_role("region", name="Tokens of the chain")
    expect(table.locator("tbody tr")).to_have_count(20)
    expect(table.locator("tbody tr").first).to_contain_text("need")
    table.get_by_role("button", name="Score").click()
    expect(table.get_by_role("columnheader", name="Score")).to_have_attribute("aria-sort", "descending")
    expect(table.locator("tbody tr").first).to_contain_text("1.643")
    table.get_by_role("button", name="Score").click()
    expect(table.locator("tbody tr").first).to_contain_text("0.386")
    table.locator("tbody tr").first.get_by_role("button", name="Show token 50").click()
    expect(title(panel)).to_contain_text("Token 50 ")
    swaps = panel.get_by_role("region", name="Variants of the chain")
    assert [text.strip()[:3] for text in swaps.locator("tbody td:nth-child(3)").all_text_contents()][:3] == [
        "31.", "22.", "14.",
    ]  # fmt: skip
    expect(swaps.locator("tbody tr").nth(2)).to_contain_text("× 0.00331")
    swaps.get_by_role("button", name="Times the original").click()
    expect(swaps.locator("tbody tr").first).to_contain_text("number → amount")
    swaps.locator("tbody tr").first.click()
    expect(title(panel)).to_contain_text("Token 22 number")
    widths = swaps.locator(".fl-ch-factor i").evaluate_all("nodes => nodes.map((node) => parseFloat(node.style.width))")
    assert max(widths) == pytest.approx(50) and min(widths) < 1, "a scale of factors"


def test_confidence_stands_with_its_parts_and_with_what_to_hold_it_against(page: Page) -> None:
    panel = open_panel(page, chain.document())
    part = panel.locator(".fl-ch-confidence")
    expect(part.locator(".fl-ch-value")).to_have_text("0.0397")
    expect(part).to_contain_text("compare only with chains of about 10 kept tokens")
    expect(part.get_by_role("row", name=re.compile("^the answer itself"))).to_contain_text("0.937")
    expect(part.get_by_role("row", name=re.compile("^whole response"))).to_contain_text("3.2×10⁻²¹")
    expect(part).to_contain_text("RAUQ0.412")
    expect(part).to_contain_text("0.871\u00a0nats")


def test_a_figure_that_does_not_exist_is_not_a_zero(page: Page) -> None:
    unknown = chain.confidence(p_uqac=None, rauq=None, mean_chain=None)
    text = chain.header() + chain.tokens() + chain.variants(2) + unknown + chain.standing("stopped")
    panel = open_panel(page, text)
    part = panel.locator(".fl-ch-confidence")
    expect(part.locator(".fl-ch-value")).to_have_text("n/a")
    expect(part).to_contain_text("RAUQn/a")
    expect(part.get_by_role("row", name=re.compile("^whole chain"))).to_contain_text("n/a")
    swaps = panel.get_by_role("region", name="Variants of the chain")
    assert swaps.get_by_text("n/a").count() == 2 * 8
    swaps.get_by_role("button", name="P(answer)").click()
    swaps.get_by_role("button", name="P(answer)").click()
    expect(swaps.locator("tbody tr").last).to_contain_text("n/a")
    expect(swaps.locator("tbody tr").first).to_contain_text("0.412")


def test_nothing_jumps_while_it_is_traced_and_it_can_be_stopped(page: Page) -> None:
    head = chain.header(chain="")
    panel = open_panel(page, head + chain.standing("running", "Reading the text: 64 of 192 tokens.", 64, 192))
    steps = [
        head + chain.tokens() + chain.standing("running", "Following attention: hop 7."),
        head + chain.tokens() + chain.variants(0) + chain.standing("running", "Trying: 0 of 10.", 0, 10),
        head + chain.tokens() + chain.variants(6) + chain.standing("running", "Trying: 6 of 10.", 6, 10),
        chain.document(),
    ]
    expect(panel.get_by_role("progressbar")).to_have_attribute("max", "192")
    expect(trace_button(panel)).to_be_disabled()
    places = [token(panel, 60).bounding_box()]
    for text in steps:
        feed(page, text)
        places.append(token(panel, 60).bounding_box())
    assert len({(round(box["x"]), round(box["y"])) for box in places if box}) == 1, places
    expect(panel.get_by_role("progressbar")).to_have_count(0)
    expect(panel.locator("[aria-live]")).to_have_text("The chain is traced.")
    assert heard(page, "chain_scores") == [{"run": RUN}], "the run knows more of itself now"
    feed(page, steps[1])
    panel.get_by_role("button", name="Stop").focus()
    feed(page, steps[2])
    expect(panel.get_by_role("button", name="Stop")).to_be_focused()
    page.keyboard.press("Enter")
    assert heard(page, "chain_stop") == [{"run": RUN}]


def test_a_reader_is_not_moved_when_a_trace_ends_or_is_stopped(page: Page) -> None:
    running = chain.header(chain="") + chain.tokens() + chain.variants(3) + chain.standing("running", "…", 3, 10)
    panel = open_panel(page, running)
    token(panel, 50).click()
    page.keyboard.press("[")
    strength(panel, 7)
    feed(page, chain.document())
    expect(title(panel)).to_contain_text("Token 51 ")
    expect(panel.get_by_role("group", name="Hops shown")).to_contain_text("hop 6 of 7")
    expect(panel.locator("output")).to_contain_text("7 of 33 arcs")
    known = [{"uid": "chain-1", "text": "4", "start": 118, "stop": 119, "created": "2026-01-02T10:00:00+00:00"}]
    said = panel.locator("[aria-live]")
    said.evaluate("node => { node.textContent = ''; }")
    feed(page, chain.header(chain="", others=known) + chain.standing("running", "Reading."))
    feed(page, chain.document())
    expect(said).to_be_empty()
    assert len(heard(page, "chain_scores")) == 1, "what was stopped made nothing known"


def test_pictures_and_numbers_are_taken_away(page: Page, tmp_path: Path) -> None:
    panel = open_panel(page, chain.document())

    def saved(name: str) -> Path:
        panel.get_by_role("button", name="Take away").click()
        with page.expect_download() as saving:
            panel.get_by_role("menuitem", name=name).click()
        target = tmp_path / saving.value.suggested_filename
        saving.value.save_as(target)
        return target

    rows = saved("Chain as CSV").read_text("utf-8-sig").splitlines()
    assert rows[0].startswith("token,text,score,similarity,kept,hop") and len(rows) == 21
    assert rows[-1].startswith("106,4,0.662,0.651,1,1,") and ",," in rows[-1], "no entropy is an empty cell"
    assert len(saved("Arcs as CSV").read_text("utf-8-sig").splitlines()) == 1 + len(ARCS)
    assert saved("Variants as CSV").read_text("utf-8-sig").splitlines()[1].startswith("51,1,0,32,0.31,0.412,")
    picture = saved("Picture as SVG").read_text("utf-8")
    assert picture.startswith("<svg") and "var(--" not in picture
    assert "Pencils" in picture and "rests on 20 tokens" in picture and "20 tokens in the chain, 10 kept" in picture
    assert picture.count("<path") == 20 + 1, "the arcs on show and the one of the key"
    assert saved("Picture as PNG").read_bytes().startswith(b"\x89PNG")


def test_words_of_a_model_never_run(page: Page) -> None:
    pieces = list(PIECES)
    pieces[20], pieces[21] = chain.HOSTILE, "\n \n\n"
    hostile = {"way": "x", "label": chain.HOSTILE, "start": 20, "stop": 21, "text": chain.HOSTILE}
    text = (
        chain.header(pieces=pieces, found=[hostile], span=[20, 21], title=chain.HOSTILE)
        + chain.tokens()
        + chain.variants()
        + chain.confidence()
        + chain.standing("failed", chain.HOSTILE)
    )
    panel = open_panel(page, text)
    expect(panel.locator(".fl-ch-sentence")).to_contain_text("<img src=x")
    expect(token(panel, 20)).to_contain_text("<img src=x onerror=window.__ran=1> ${window.__ran=2}")
    token(panel, 20).click()
    panel.get_by_role("button", name="Take away").click()
    with page.expect_download():
        panel.get_by_role("menuitem", name="Picture as SVG").click()
    assert panel.locator("img").count() == 0
    assert page.evaluate("window.__ran") is None


@pytest.mark.parametrize("width", [1280, 900, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_it_is_accessible_and_fits(page: Page, width: int, dark: bool) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    panel = open_panel(page, chain.document(), dark=dark)
    token(panel, 105).click()
    panel.get_by_text("Settings", exact=True).click()
    panel.get_by_text("More", exact=True).click()
    for text in (chain.document(), chain.offer(found=[], span=None), chain.header() + chain.standing("running", "…")):
        feed(page, text)
        found = Axe().run(page, context={"include": [[".fl-chain"]]}, options={"resultTypes": ["violations"]})
        bad = [v for v in found.response["violations"] if v["impact"] in ("serious", "critical")]
        assert not bad, [(v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["any"][:1]) for v in bad]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
