"""How the annotator's page looks: accessible in light and dark, on the desk and on the phone, long texts, odd words."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect

from tests.support import annotate_page as annotate
from tests.support.annotate_page import (
    HOSTILE,
    ITEMS,
    SCORES,
    calls,
    drag,
    drawn,
    open_page,
    run,
    selected,
    session,
    settled,
    token,
    words,
)  # fmt: skip

TRAINING = {"right": 0, "of": 1, "lines": ["correct: no, not yes"], "expected": {"labels": [], "answers": {}}}


def serious(page: Page) -> list[str]:
    found = Axe().run(page, context={"include": [[".fl-annotate"]]}, options={"resultTypes": ["violations"]})
    bad = [v for v in found.response["violations"] if v["impact"] in ("serious", "critical")]
    return [f"{v['id']}: {v['nodes'][0]['html'][:200]} {v['nodes'][0]['any'][:1]}" for v in bad]


def check(page: Page, width: int) -> None:
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_an_item_is_accessible_and_fits(page: Page, width: int, dark: bool) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    theirs = {"labels": [{"id": "z", "set": "errors", "label": "vague", "run": 0, "start": 1, "stop": 3}],
              "answers": {"correct": "no"}, "comment": "", "flag": False, "status": "submitted"}  # fmt: skip
    items = [annotate.item("i1", part="training", feedback=TRAINING, runs=[annotate.scored()],
                           others=[{"by": "A2", "state": theirs}])]  # fmt: skip
    panel = open_page(page, dark=dark, items=items, session=session(blind=False, show_scores=True, scores=SCORES))
    check(page, width)
    drag(page, token(panel, 22), token(panel, 28))
    page.keyboard.press("2")
    page.keyboard.press("t")
    drag(page, token(panel, 15), token(panel, 30))
    page.keyboard.press("1")
    panel.get_by_text("What others said (1)").click()
    panel.get_by_role("button", name="Keys").click()
    panel.get_by_role("button", name="Skip …").click()
    panel.get_by_role("checkbox", name="too long").click()
    check(page, width)
    page.keyboard.press("Control+Enter")
    expect(panel.locator(".fl-an-lacks")).to_be_visible()
    page.evaluate("world.down = 'before'")
    panel.get_by_role("radio", name="yes", exact=True).click()
    expect(panel.locator(".fl-an-failing")).to_be_visible()
    check(page, width)
    page.evaluate("Object.assign(world, {down: '', refuse: {flag: 'No flags here.'}})")
    panel.get_by_role("button", name="Flag").click()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(panel.locator(".fl-an-refused")).to_be_visible()
    panel.get_by_role("button", name="Submit").click()
    expect(panel.locator(".fl-an-feedback")).to_be_visible()
    check(page, width)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_the_pages_around_the_work_are_accessible_and_fit(page: Page, width: int, dark: bool) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    quiz = [{"question": "How often?", "options": ["once", "each time"], "answer": "once"}]
    panel = open_page(page, dark=dark, value="", items=ITEMS[:1], session=session(guidelines_read=False, quiz=quiz))
    expect(panel.get_by_role("listitem")).to_have_count(2)
    check(page, width)
    panel.get_by_role("button", name="Errors in small sums").click()
    panel.get_by_role("button", name="Begin").click()
    check(page, width)
    panel.get_by_role("radio", name="once").check()
    panel.get_by_role("button", name="Begin").click()
    panel.get_by_role("radio", name="yes", exact=True).click()
    page.keyboard.press("Control+Enter")
    expect(panel.get_by_role("heading", name="Done. Thank you.")).to_be_visible()
    check(page, width)
    page.evaluate("world.closed = 'This session is closed.'")
    panel.get_by_role("button", name="All sessions").click()
    panel.get_by_role("button", name="Errors in small sums").click()
    expect(panel.get_by_role("alert")).to_be_visible()
    check(page, width)


@pytest.mark.parametrize("dark", [False, True])
def test_two_texts_fit_a_phone(page: Page, dark: bool) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    schema = {"label_sets": [], "questions": [annotate.BETTER]}
    pair = [annotate.item("i1", runs=[run(), run(annotate.OTHER)])]
    panel = open_page(page, dark=dark, session=session(schema=schema), items=pair)
    first, second = words(panel, "Text A").bounding_box(), words(panel, "Text B").bounding_box()
    assert first and second and second["y"] > first["y"] + first["height"]
    check(page, 390)


def test_no_two_labels_look_alike(page: Page) -> None:
    many = [{"name": f"l{i}", "title": f"Label {i}", "description": "", "key": i + 1 if i < 9 else None}
            for i in range(12)]  # fmt: skip
    schema = {"label_sets": [annotate.ERRORS | {"labels": many}], "questions": []}
    panel = open_page(page, session=session(schema=schema))
    looks = panel.locator(".fl-an-label .fl-an-sample").evaluate_all(
        "nodes => nodes.map(getComputedStyle).map((s) => `${s.borderTopColor} ${s.borderTopStyle}`)"
    )
    assert len(set(looks)) == 12
    assert panel.locator(".fl-an-label kbd").count() == 9


def test_words_of_people_and_models_never_run(page: Page) -> None:
    label = {"name": "x", "title": HOSTILE, "description": HOSTILE, "key": 1}
    schema = {
        "label_sets": [annotate.ERRORS | {"title": HOSTILE, "help": HOSTILE, "labels": [label]}],
        "questions": [annotate.CORRECT | {"title": HOSTILE, "help": HOSTILE, "options": [HOSTILE, "no"]}],
    }
    items = [annotate.item("i1", runs=[run(f"{HOSTILE}|\x00|\ufffd| \n\n|end", prompt=HOSTILE, system=HOSTILE)])]
    panel = open_page(page, items=items, session=session(schema=schema, title=HOSTILE))
    expect(token(panel, 0)).to_contain_text("<img src=x onerror=window.__ran=1> ${window.__ran=2}")
    token(panel, 0).click()
    page.keyboard.press("1")
    panel.get_by_role("radio").first.click()
    panel.get_by_label("Comment").fill(HOSTILE)
    settled(page)
    assert len(drawn(panel)) == 1
    page.evaluate("world.refuse = {flag: '<b>no</b>'}")
    page.keyboard.press("Escape")
    panel.get_by_role("button", name="Flag").click()
    expect(panel.locator(".fl-an-refused")).to_contain_text("<b>no</b>")
    assert panel.locator("img, b:not(.fl-an-tag)").count() == 0
    assert page.evaluate("window.__ran") is None


def test_a_long_text_answers_at_once(page: Page) -> None:
    long = "|".join([annotate.TEXT.replace("|⟨end⟩", "")] * 60)
    panel = open_page(page, items=[annotate.item("i1", runs=[run(long)])])
    expect(panel.locator("[data-t]")).to_have_count(60 * 46)
    for start in range(0, 2000, 40):
        page.evaluate(
            "start => piece.desk.label('errors', ['factual', 'vague'][start % 80 ? 0 : 1], 0, start, start + 6)", start
        )
    settled(page)
    token(panel, 2000).click()
    spent = page.evaluate(
        """async () => {
          const times = [];
          for (const key of ['ArrowRight', 'ArrowRight', '1', 'ArrowDown', '2']) {
            const t = performance.now();
            document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
            document.body.getBoundingClientRect();
            times.push(performance.now() - t);
            await new Promise(requestAnimationFrame);
          }
          return times;
        }"""
    )
    assert max(spent) < 250, spent
    assert panel.locator(".fl-an-tag").count() == 52


@pytest.fixture
def phone(chromium: Browser) -> Page:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    return context.new_page()


def test_a_finger_selects_and_labels(phone: Page) -> None:
    panel = open_page(phone)
    token(panel, 5).tap()
    assert selected(panel) == [5]
    panel.get_by_role("button", name="Vague").tap()
    assert drawn(panel) == ["Vague"]
    phone.evaluate(
        """() => {
          const at = (t) => document.querySelector(`[data-t="${t}"] .fl-an-w`).firstChild;
          getSelection().setBaseAndExtent(at(10), 0, at(13), 1);
        }"""
    )
    phone.wait_for_function("document.querySelectorAll('[data-t][aria-selected=true]').length === 4")
    assert selected(panel) == [10, 11, 12, 13]
    panel.get_by_role("button", name="Arithmetic").tap()
    assert drawn(panel) == ["Vague", "Arithmetic"]
    assert len(calls(phone, "next_item")) == 1
    phone.context.close()
