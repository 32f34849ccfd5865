"""Every hostile text in every place where text is shown, in a real browser: nothing of it runs, all of it is seen.

A place is a view, one of its fields and the element that shows it. What is shown in a place that is not listed fails,
and so does a listed place that a text did not reach. Views stand alone here; the whole app comes last.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from storage.database import Store
from tests.browser.conftest import Watch
from tests.storage.examples import small_trace
from tests.support import chromium as chromium_finder
from tests.support import fork_documents, hostile, probe_page, whatif_page
from tests.support.app_server import AppServer
from tests.support.hostile_pages import (
    MARKDOWN,
    OWN_PLACES,
    SCAN,
    SERVED,
    SILENT,
    TABS,
    Filler,
    Spec,
    forms,
    html,
    raw_forms,
)
from tests.support.hostile_places import FEWER, PLACES
from tests.support.hostile_views import program, specs, tokens

PROMISED = {"texts": 150}
ADDRESS = "http://forklore.test/"
IN_TABS = {"tree": "Branches", "forks": "Forks", "chain": "Chain"}
TURNS = """async ([view, rounds, tour]) => {
  const look = new Function('turn', `return (async () => {${tour}})()`);
  hostile.page = view;
  for (let turn = 0; turn < rounds.length; turn += 1) {
    for (const [name, value] of Object.entries(rounds[turn])) {
      if (name.startsWith('answers.')) { answers[name.slice(8)] = value; continue; }
      // the list of sessions stands where none is open
      if (name === 'mountAnnotate') { feed[name]('{}'); await hostile.settle(); hostile.scan(); }
      feed[name](value);
    }
    await hostile.settle();
    hostile.scan();
    await look(turn);
  }
  return hostile.told();
}"""


class Guarded:
    """A page that must neither run a text nor ask anybody else for anything, nor complain."""

    def __init__(self, context: BrowserContext, own: str = ADDRESS) -> None:
        self.asked: list[str] = []
        self.dialogs: list[str] = []
        self.watch = Watch()
        context.on("request", lambda request: None if _ours(request.url, own) else self.asked.append(request.url))
        self.page = context.new_page()
        self.page.set_default_timeout(60_000)
        self.watch.attach(self.page)
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))

    def is_clean(self) -> None:
        assert self.page.evaluate(f"window.{hostile.CANARY}") is None, "a text ran as a script"
        assert self.asked == [], "a text made the page ask somebody else"
        assert self.dialogs == [] and self.watch.complaints == []

    def learns(self, fill: Filler) -> None:
        """Tells the page how each text must look."""
        known = [[forms(text) for text in hostile.TEXTS], [raw_forms(text) for text in hostile.TEXTS], fill.fields]
        self.page.evaluate(
            "([forms, raw, fields, loose]) => Object.assign(hostile, {forms, raw, fields, loose})", [*known, [MARKDOWN]]
        )


def _ours(url: str, own: str) -> bool:
    return url.startswith((own, "data:", "blob:"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if chromium_finder.find() is None:
        pytest.skip("no Chromium: install one or set CHROMIUM to its path; `make test` does")
    with chromium_finder.launched() as browser:
        yield browser


@pytest.fixture
def guarded(chromium: Browser) -> Iterator[Guarded]:
    context = chromium.new_context()
    found = Guarded(context)
    found.page.route(ADDRESS + "**", lambda route: route.fulfill(body=html(), content_type="text/html; charset=utf-8"))
    found.page.goto(ADDRESS)
    yield found
    context.close()


def open_tab(page: Page, name: str) -> None:
    page.evaluate("document => feed.mountExplorer(document)", whatif_page.run("tokens"))
    page.get_by_role("tab", name=name, exact=True).click()


def told(seen: dict[str, list[int]]) -> dict[str, int]:
    return {place: len(numbers) for place, numbers in seen.items()}


def test_there_are_enough_texts_and_no_two_are_the_same() -> None:
    assert len(hostile.TEXTS) >= PROMISED["texts"] and len(set(hostile.TEXTS)) == len(hostile.TEXTS)


@pytest.mark.parametrize("view", specs(), ids=lambda view: view.name)
def test_every_text_is_shown_exactly_in_every_place_and_none_runs(guarded: Guarded, view: Spec) -> None:
    fill, rounds, _ = program(view)
    guarded.learns(fill)
    if view.name in IN_TABS:
        open_tab(guarded.page, IN_TABS[view.name])
    found = guarded.page.evaluate(TURNS, [view.name, [dict(one) for one in rounds], view.tour])
    guarded.is_clean()
    wrong = [(place, hostile.TEXTS[number][:60], shown) for place, number, shown in found["wrong"]]
    assert wrong == [], f"{len(wrong)} texts are shown otherwise than they are"
    counts = told(found["seen"])
    listed = {place for place in PLACES if place.startswith(f"{view.name}: ")}
    assert set(counts) == listed, "places that show text and are not listed, or are listed and do not"
    short = {place: n for place, n in counts.items() if n < FEWER.get(place, len(hostile.TEXTS))}
    assert short == {}, "not every text came to these places"


def test_every_piece_is_on_the_page_that_these_tests_look_at(root: Path) -> None:
    """A new piece has to be given hostile texts here, or said to show none."""
    made = set()
    for file in (root / "assets").glob("*.js"):
        made |= set(re.findall(r"Forklore\.(mount[A-Z]\w*) = ", file.read_text()))
    assert made == {*OWN_PLACES, *TABS, *SERVED, *SILENT, "mountExplorer"}
    # every piece that takes documents was among those of a view
    fed = {name for view in specs() for name in view.feeds(Filler(rounds=view.rounds), 0)}
    assert made - fed == {*SILENT, "mountMethods"}, "its words are the project's own"


def test_what_is_marked_is_what_unicode_says_acts(guarded: Guarded) -> None:
    """The browser's marks against a reading of Unicode's tables of its own, for every sign of every text."""
    signs = sorted({sign for text in hostile.TEXTS for sign in text if sign not in "\n\t"})
    shown = guarded.page.evaluate("signs => signs.map((sign) => Forklore.format.marked(sign))", signs)
    assert shown == [hostile.marked(sign) for sign in signs]
    halves = guarded.page.evaluate("texts => texts.map(Forklore.format.marked)", list(hostile.SURROGATES))
    assert halves == ["⟨D800⟩", "x⟨DFFF⟩y", "⟨DC00⟩⟨D800⟩"]


def test_a_cut_text_ends_before_a_picture_or_an_accented_letter(guarded: Guarded) -> None:
    cases = [
        ["👨\u200d👩\u200d👧 family", 4],
        ["ab👍🏽cd", 4],
        ["cafe\u0301 au lait", 5],
        ["plain words", 6],
        ["short", 9],
    ]
    cut = guarded.page.evaluate("cases => cases.map(([text, most]) => Forklore.format.cut(text, most))", cases)
    assert cut[1:] == ["ab…", "caf…", "plain…", "short"]
    assert cut[0].endswith("…") and "\u200d…" not in cut[0]


def test_broken_bytes_are_shown_in_hexadecimal(guarded: Guarded) -> None:
    guarded.page.evaluate("document => feed.mountExplorer(document)", tokens(Filler(), 0)["mountExplorer"])
    marks = guarded.page.locator("#explorer .fl-prose .fl-mark-bytes").evaluate_all(
        "all => all.map((n) => n.dataset.mark)"
    )
    assert marks == [f"⟨{raw.hex(' ')}⟩" for raw in hostile.BROKEN]
    guarded.is_clean()


def test_names_that_every_object_has_are_words_like_others(guarded: Guarded) -> None:
    """Outcomes, values and tags that are called __proto__ or constructor are counted and shown like any other."""
    names = list(hostile.FAMILIES["objects"])
    few = names[:6]
    open_tab(guarded.page, "Forks")
    guarded.page.evaluate("document => feed.mountForks(document)", fork_documents.whole("tokens", labels=tuple(few)))
    shown = guarded.page.locator(".fl-forks .fl-fk-name").evaluate_all("all => all.map((n) => n.textContent)")
    assert set(few) <= set(shown)
    document = json.loads(probe_page.made(runs=2))
    for k, cell in enumerate(document["cells"]):
        cell["label"] = names[k % len(names)]
    document["plan"]["values"] = ["__proto__", "constructor", "toString"]
    guarded.page.evaluate("document => feed.mountProbe(document)", json.dumps(document))
    assert "__proto__" in guarded.page.locator("#probe").inner_text()
    row = {"uid": "__proto__", "title": "__proto__", "prompt": "constructor", "answer": "", "kind": "generation",
           "status": "finished", "model_name": "constructor", "quantization": "", "tokens": 1, "seed": "1",
           "created_at": "2026-01-01T00:00:00+00:00", "tags": names, "note": "", "run_scores": {}, "example": False,
           "parent": None, "fork_position": None, "damaged": False}  # fmt: skip
    page = {"at": "2026-01-01T00:00:00+00:00", "query": {"text": "", "tags": [], "kinds": [], "models": [],
            "statuses": [], "examples": None, "sort": "created", "descending": True, "limit": 50, "offset": 0},
            "total": 1, "rows": [row], "tags": names, "models": ["constructor", "__proto__"], "model_titles": {},
            "scores": [], "deleted": [], "message": "", "bounds": {}}  # fmt: skip
    guarded.page.evaluate("document => feed.mountLibrary(document)", json.dumps(page))
    assert guarded.page.locator("#library .fl-lib-row .fl-lib-chip").all_text_contents() == names
    assert guarded.page.evaluate("({}).polluted === undefined && Object.keys(Object.prototype).length === 0")
    guarded.is_clean()


def saved(page: Page, label: str) -> bytes:
    """What a line of the menu "Take away" saves."""
    page.get_by_role("button", name="Take away").click()
    with page.expect_download() as waiting:
        page.get_by_role("menuitem", name=label).click()
    return Path(waiting.value.path()).read_bytes()


def test_files_hold_the_texts_unharmed_and_open_again(guarded: Guarded, chromium: Browser) -> None:
    page, fill = guarded.page, Filler()
    fill.turn(0)
    document = tokens(fill, 0)["mountExplorer"]
    page.evaluate("document => feed.mountExplorer(document)", document)
    page.wait_for_selector("#explorer .fl-tk")
    wrapped = [fill.wrap("token", i) for i in range(len(hostile.TEXTS))]

    data = json.loads(saved(page, "Data as JSON"))
    assert [token["piece"] for token in data["tokens"]][: len(wrapped)] == wrapped
    assert len(data["tokens"]) == len(wrapped) + len(hostile.BROKEN)

    table = list(csv.reader(io.StringIO(saved(page, "Table as CSV").decode("utf-8-sig"), newline="")))
    cells = [cell for row in table for cell in row]
    assert all(text in cells for text in wrapped if "\r" not in text), "a text is one cell, whatever it holds"

    drawing = ElementTree.fromstring(saved(page, "Curves as SVG"))
    assert {node.tag.rpartition("}")[2] for node in drawing.iter()} <= {
        "svg", "title", "g", "rect", "line", "path", "text", "tspan", "circle", "polyline", "polygon", "desc", "defs",
        "linearGradient", "stop", "clipPath", "style"}  # fmt: skip

    context = chromium.new_context()
    alone = Guarded(context)
    body = saved(page, "Web page").decode()
    alone.page.route(ADDRESS + "**", lambda route: route.fulfill(body=body, content_type="text/html; charset=utf-8"))
    alone.page.goto(ADDRESS)
    # the page's own policy would refuse it as a script element
    alone.page.evaluate(SCAN.read_text())
    alone.learns(fill)
    found = alone.page.evaluate("() => { hostile.page = 'alone'; hostile.scan(); return hostile.told(); }")
    alone.is_clean()
    context.close()
    assert found["wrong"] == [] and told(found["seen"])["alone: token @ fl-w"] == len(hostile.TEXTS)
    guarded.is_clean()


def test_a_cell_never_begins_as_a_formula(guarded: Guarded) -> None:
    """In tables as text and to paste, of this and of every view: they share one writer."""
    texts = list(hostile.TEXTS)
    written = guarded.page.evaluate(
        "rows => [Forklore.format.csv(rows), Forklore.format.tsv(rows)]", [[t] for t in texts]
    )
    cells = [row[0] if row else "" for row in csv.reader(io.StringIO(written[0], newline=""))]
    assert [cell[:1] for cell in cells if cell[:1] in tuple("=+-@\t\r")] == []
    assert [cell.removeprefix("'") for cell in cells] == [text.removeprefix("'") for text in texts]
    lines = written[1].rstrip("\n").split("\n")
    assert len(lines) == len(texts) and not any(line.startswith(tuple("=+-@\t\r")) for line in lines)


def hostile_store(file: Path) -> Filler:
    """A store with a run whose tokens are all the texts, and others with titles, tags and notes of them."""
    fill = Filler()
    texts = [fill.wrap("token", i) for i in range(len(hostile.TEXTS))]
    many = len(texts)
    trace = small_trace(1, tokens=many, alternatives=20, scores=2)
    ids = np.arange(many, dtype=np.int32)
    trace = replace(
        trace, token_ids=ids, pieces=tuple(texts), text="".join(texts), special_ids=frozenset(),
        scores=dict(zip(("entropy", "surprisal"), trace.scores.values(), strict=True)),
        topk_ids=np.stack([(ids + k) % many for k in range(20)], axis=1).astype(np.int32),
        topk_logprobs=np.tile(-0.2 * np.arange(1, 21, dtype=np.float32), (many, 1)), runner_up=(ids + 1) % many,
        token_bytes={i: text.encode() for i, text in enumerate(texts)}, notes=(fill.wrap("notes", 0),),
        prompt=" ".join(fill.wrap("prompt", i) for i in range(many)), system=fill.wrap("system", 1), kind="scored",
    )  # fmt: skip
    short = [i for i, text in enumerate(hostile.TEXTS) if len(text) < 40]
    with Store(file) as store:
        named: dict[str, Any] = {"status": "finished", "run_scores": {}}
        for n, i in enumerate(short):
            store.runs.add(small_trace(2, tokens=2), uid=f"titled-{n}", title=fill.wrap("title", i),
                           tags=(fill.wrap("tag", i),), note=fill.wrap("note", i), **named)  # fmt: skip
        store.runs.add(trace, uid="hostile", title=fill.wrap("title", short[0]), **named)
    return fill


def test_the_whole_app_shows_them_exactly_too(chromium: Browser, tmp_path: Path) -> None:
    """From the store through the server and gradio's own templates to the page."""
    fill = hostile_store(tmp_path / "forklore.db")
    app = AppServer(tmp_path / "forklore.db").start()
    context = chromium.new_context()
    try:
        guarded = Guarded(context, app.url)
        page = guarded.page
        page.goto(f"{app.url}/?run=hostile")
        page.wait_for_selector(".fl-explorer[data-run=hostile] .fl-tk")
        page.evaluate(SCAN.read_text())
        guarded.learns(fill)
        page.evaluate("() => { hostile.page = 'app'; hostile.scan(); }")
        page.get_by_role("tab", name="Library", exact=True).click()
        page.wait_for_selector("#library-piece .fl-lib-row")
        found = page.evaluate("() => { hostile.scan(); return hostile.told(); }")
        guarded.is_clean()
        assert found["wrong"] == []
        counts = told(found["seen"])
        assert counts["app: token @ fl-w"] == counts["app: prompt @ fl-prompt"] == len(hostile.TEXTS)
        assert counts["app: title @ fl-lib-title"] >= 40 and counts["app: tag @ fl-lib-chip"] >= 40
    finally:
        context.close()
        app.stop()
