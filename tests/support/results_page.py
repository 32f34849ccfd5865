"""A page with nothing but the owner's view of sessions; the server is a table of answers written here.

`asked` in the page holds every call, `heard` every event. An answer that is a text beginning with "!" is a refusal.
"""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Locator, Page

from tests.support.whatif_page import ADDRESS
from ui import assets

SESSION = "s-1"
HOSTILE = "<img src=x onerror=window.__ran=1> ${window.__ran=2}"
TEXT = " The capital of Australia is Sydney . It has 17 + 25 = 43 million people ."
PIECES = [piece if piece == "." else f" {piece}" for piece in TEXT.split()]
OTHER = [" Canberra", " is", " the", " capital", "."]

SCHEMA: dict[str, Any] = {
    "label_sets": [
        {"name": "errors", "title": "Errors", "unit": "span", "overlap": True, "help": "", "labels": [
            {"name": "factual", "title": "Factual error", "description": "Something that is not so", "key": 1},
            {"name": "arithmetic", "title": "Arithmetic", "description": "", "key": 2},
            {"name": "vague", "title": "vague", "description": "", "key": 3},
        ]},
    ],
    "questions": [
        {"name": "correct", "title": "Is the answer correct?", "kind": "choice", "options": ["yes", "no", "unsure"],
         "required": True, "help": "", "low": 1, "high": 5, "low_text": "", "high_text": "", "ties": True},
        {"name": "quality", "title": "How good is it?", "kind": "likert", "options": [], "low": 1, "high": 5,
         "low_text": "poor", "high_text": "excellent", "required": False, "help": "", "ties": True},
        {"name": "where", "title": "Where does it go wrong?", "kind": "token", "options": [], "required": False,
         "help": "", "low": 1, "high": 5, "low_text": "", "high_text": "", "ties": True},
    ],
}  # fmt: skip
SCHEMA_YAML = """labels:
  - name: errors
    title: Errors
    unit: span
    overlap: true
    labels: [{name: factual, title: Factual error}, {name: arithmetic, title: Arithmetic}, vague]
questions:
  - {name: correct, title: Is the answer correct?, kind: choice, options: [yes, no, unsure], required: true}
  - {name: quality, title: How good is it?, kind: likert, low: 1, high: 5, low_text: poor, high_text: excellent}
  - {name: where, title: Where does it go wrong?, kind: token}
"""
SETTINGS: dict[str, Any] = {
    "overlap": 2, "order": "shuffled", "order_score": "", "seed": 0, "blind": True, "show_scores": False,
    "check_every": 5, "opens_at": None, "closes_at": None, "quiz": [],
}  # fmt: skip


def member(number: int, name: str, **more: Any) -> dict[str, Any]:
    return {
        "uid": f"m{number}", "me": f"A{number}", "name": name, "role": "annotator", "done": 12, "skipped": 1, "open": 0,
        "flags": 2, "seconds": 23.4, "hasty": 0, "slow": 0, "checks": {"right": 5, "of": 6}, "revoked": False,
        "linked": True, "expires": None, "begun": True, "last": "2026-11-20T15:04:00Z",
    } | more  # fmt: skip


def overview(**more: Any) -> dict[str, Any]:
    return {
        "session": SESSION, "title": "Errors in short answers", "status": "open", "blind": True, "example": False,
        "created": "2026-11-18T09:00:00Z", "settings": SETTINGS, "schema": SCHEMA, "schema_yaml": SCHEMA_YAML,
        "schema_version": 1, "answered": True, "guidelines": "# What to mark\n\nMark the **smallest** span.",
        "guidelines_version": 2, "role": "owner", "items": 20, "counts": {"work": 16, "training": 2, "check": 2},
        "progress": {"answers": 25, "needed": 32, "complete_items": 11, "items": 16},
        "members": [
            member(1, "Ana"), member(2, "Bo", hasty=3, slow=1, checks={"right": 2, "of": 5}),
            member(3, "Cy", done=1, seconds=None, checks={"right": 0, "of": 0}, revoked=True, last=None),
        ],
        "targets": [
            {"id": "set:errors", "title": "Errors: any label", "kind": "span", "level": "nominal"},
            {"id": "question:correct", "title": "Is the answer correct?", "kind": "choice", "level": "nominal"},
            {"id": "question:quality", "title": "How good is it?", "kind": "likert", "level": "interval"},
        ],
        "finals": 1, "disputed": 3,
    } | more  # fmt: skip


def item(place: int, **more: Any) -> dict[str, Any]:
    return {
        "item": f"i{place}", "place": place, "part": "work", "runs": [f"run-{place}"], "gone": [False],
        "text": TEXT.strip(), "answers": 2, "flags": 0, "seconds": 31.0, "disagreement": round(0.9 / place, 2),
        "final": False, "comments": [],
    } | more  # fmt: skip


ITEMS = [
    item(1, comments=[{"by": "A1", "text": "I cannot tell."}], flags=1),
    item(2, final=True),
    item(3),
    item(4, answers=1, disagreement=None, seconds=None, gone=[True]),
    item(5, part="check", answers=2, disagreement=0.0),
    *(item(place, disagreement=0.0) for place in range(6, 21)),
]


def state(labels: list[tuple[str, int, int]], answers: dict[str, Any], comment: str = "") -> dict[str, Any]:
    rows = [
        {"id": f"l{i}", "set": "errors", "label": label, "run": 0, "start": start, "stop": stop}
        for i, (label, start, stop) in enumerate(labels)
    ]
    return {
        "labels": rows, "answers": answers, "comment": comment, "flag": False, "status": "submitted", "reason": "",
        "active": 20.0, "wall": 30.0, "undo": None, "redo": None, "changes": 0,
    }  # fmt: skip


SIDES = [
    {"by": "A", "state": state([("factual", 5, 6), ("arithmetic", 13, 14)], {"correct": "no", "quality": 2, "where": 5},
                               "Sydney is not the capital.")},
    {"by": "B", "state": state([("factual", 5, 6), ("vague", 9, 15)], {"correct": "no", "quality": 3, "where": 5})},
    {"by": "C", "state": state([], {"correct": "unsure", "quality": 3, "where": None})},
]  # fmt: skip


def dispute(place: int) -> dict[str, Any]:
    run = {"prompt": "What is the capital of Australia?", "system": None, "model": "SmolLM2",
           "tokens": [{"t": piece} for piece in PIECES]}  # fmt: skip
    return {"item": f"i{place}", "place": place, "runs": [run], "sides": SIDES, "final": None}


AGREEMENT: dict[str, Any] = {
    "target": "question:correct", "title": "Is the answer correct?", "n_items": 14, "raters": ["A1", "A2", "A3"],
    "measures": [
        {"name": "alpha", "title": "Krippendorff’s alpha (nominal)", "value": 0.613, "low": 0.402, "high": 0.79,
         "n": 14, "reason": ""},
        {"name": "percent", "title": "Percent agreement", "value": 0.786, "low": 0.571, "high": 0.929, "n": 14,
         "reason": ""},
        {"name": "fleiss", "title": "Fleiss’ kappa", "value": None, "low": None, "high": None, "n": 0,
         "reason": "items have unequal counts of answers"},
    ],
    "pairs": [
        {"a": "A1", "b": "A2", "n": 11, "percent": 0.818, "kappa": 0.67, "kappa_linear": None, "kappa_quadratic": None,
         "confusion": {"categories": ["yes", "no", "unsure"], "counts": [[4, 1, 0], [0, 4, 1], [0, 0, 1]]}},
        {"a": "A1", "b": "A3", "n": 1, "percent": 1.0, "kappa": None, "kappa_linear": None, "kappa_quadratic": None,
         "confusion": {"categories": ["yes"], "counts": [[1]]}},
    ],
    "reason": "",
}  # fmt: skip


def score(name: str, title: str, auroc: list[Any], **more: Any) -> dict[str, Any]:
    return {
        "name": name, "title": title, "n": 16, "auroc": auroc, "ap": [0.61, 0.4, 0.83], "prr": [0.44, -0.12, 0.8],
        "ece": 0.112, "spearman": 0.41, "reason": "", "direction": "high",
    } | more  # fmt: skip


SCORES: dict[str, Any] = {
    "target": "set:errors", "title": "Errors: any label", "against": "majority", "positive": "no",
    "positive_title": "no", "againsts": ["majority", "gold", "A1", "A2"], "choices": [], "items": 16, "level": "run",
    "n": 16, "positives": 7,
    "rows": [
        score("mean_entropy", "Mean entropy", [0.71, 0.44, 0.93]),
        score("perplexity", "Perplexity", [0.82, 0.61, 0.97], spearman=0.52, prr=[0.66, 0.2, 0.91]),
        score("semantic", "Semantic entropy", [None, None, None], n=0, ap=[None] * 3, prr=[None] * 3, ece=None,
              spearman=None, reason="no run has this score"),
    ],
    "reason": "",
}  # fmt: skip
CURVES: dict[str, Any] = {
    "roc": [[0, 0], [0, 0.43], [0.11, 0.57], [0.22, 0.86], [0.56, 1], [1, 1]],
    "best": [[0, 0], [0.5625, 0], [1, 0.4375]], "base": 0.4375,
    "risk_coverage": [[0.06, 0], [0.25, 0.1], [0.5, 0.14], [0.75, 0.33], [1, 0.4375]],
    "calibration": [{"predicted": 0.1, "observed": 0.05, "n": 6}, {"predicted": 0.6, "observed": 0.7, "n": 10}],
    "wrong": [
        {"item": "i3", "place": 3, "value": 1.92, "label": 0, "text": TEXT.strip(), "run": "run-3", "token": 5,
         "misplaced": 0.86},
        {"item": "i7", "place": 7, "value": 0.11, "label": 1, "text": "It is 4.", "run": "run-7", "token": None,
         "misplaced": 0.78},
    ],
}  # fmt: skip


def run_row(number: int, **more: Any) -> dict[str, Any]:
    return {
        "uid": f"run-{number}", "title": "", "prompt": f"Question {number}: what is the capital of Australia?",
        "answer": TEXT.strip(), "kind": "generation", "status": "finished", "model_name": "smollm2", "tokens": 17,
        "created_at": "2026-11-18T09:00:00+00:00", "tags": [], "note": "", "example": False, "damaged": False,
        "run_scores": {},
    } | more  # fmt: skip


LISTED = [
    {"session": SESSION, "title": "Errors in short answers", "role": "owner", "status": "open", "done": 0, "total": 20,
     "example": False, "member": False},
    {"session": "s-2", "title": "Which answer is better?", "role": "annotator", "status": "open", "done": 3,
     "total": 12, "example": False, "member": True},
    {"session": "s-3", "title": "Demonstration with simulated annotators", "role": "owner", "status": "closed",
     "done": 0, "total": 12, "example": True, "member": False},
]  # fmt: skip
DEFAULTS: dict[str, Any] = {
    "schema_yaml": SCHEMA_YAML, "guidelines": "Read the whole answer first.", "settings": SETTINGS | {"check_every": 0},
    "scores": [{"name": "mean_entropy", "title": "Mean entropy"}, {"name": "perplexity", "title": "Perplexity"}],
    "presets": [{"name": "errors", "title": "Errors in an answer", "schema_yaml": SCHEMA_YAML, "pairs": False},
                {"name": "better", "title": "Which of two answers is better", "schema_yaml": "questions: []\n",
                 "pairs": True}],
}  # fmt: skip


def answers(**more: Any) -> dict[str, Any]:
    """What the server answers by name."""
    joined = {"member": "m4", "link": "?annotate=secret-4", "overview": overview()}
    return {
        "my_annotations": LISTED, "session_overview": overview(), "session_items": {"total": 20, "rows": ITEMS},
        "session_agreement": AGREEMENT, "session_scores": SCORES, "session_curves": CURVES,
        "disputes": [
            {"item": f"i{place}", "place": place, "text": TEXT.strip(), "n": 3, "disagreement": 0.9 / place,
             "final": place == 2}
            for place in (1, 2, 3)
        ],
        "dispute": dispute(1), "adjudicate": {"item": "i1", "saved": True, "left": 1, "next": "i3"},
        "session_defaults": DEFAULTS, "check_schema": {"ok": True, "problems": [], "schema": SCHEMA},
        "list_runs": {"total": 3, "rows": [run_row(i) for i in (1, 2, 3)]},
        "open_run": {"prompt": "What is the capital?", "tokens": [{"id": i, "text": t} for i, t in enumerate(PIECES)]},
        "create_session": overview(answered=False, members=[], guidelines_version=1), "edit_session": overview(),
        "fork_session": overview(session="s-9", title="Forked"), "add_annotator": joined, "join_session": joined,
        "change_annotator": joined, "delete_session": {"deleted": True}, "restore_session": overview(),
        "export_session": {"name": "errors.csv", "type": "text/csv", "base64": "YSxiCjEsMgo="},
        "import_session": overview(), "import_labels": {"added": 2, "refused": [{"line": 3, "reason": "Unknown run."}]},
    } | more  # fmt: skip


def html(found: dict[str, Any], *, dark: bool = False, value: str = "") -> str:
    """The whole page. `feed(value)` gives the piece another value; `answers` may be changed."""
    table = json.dumps(found).replace("<", "\\u003c")
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Results</title>
<meta name="viewport" content="width=device-width, initial-scale=1">{assets.head()}</head>
<body class="{"dark" if dark else ""}" style="margin:0;padding:20px;background:var(--fl-page)">
<main><h1 style="display:none">Forklore</h1><div id="results-piece"><div class="fl-piece"></div></div></main>
<script>
  window.heard = [];
  window.asked = [];
  window.answers = {table};
  Forklore.server = Forklore.server || {{}};
  Forklore.server.call = async (name, ...args) => {{
    asked.push([name, args]);
    await new Promise((done) => setTimeout(done, 5));
    const answer = typeof answers[name] === "function" ? answers[name](...args) : answers[name];
    if (typeof answer === "string" && answer.startsWith("!")) {{
      throw Object.assign(new Error(answer.slice(1)), {{sentence: answer.slice(1)}});
    }}
    return JSON.parse(JSON.stringify(answer));
  }};
  const props = {{value: {json.dumps(value)}}};
  let told = () => {{}};
  window.results = Forklore.mountResults({{
    element: document.getElementById("results-piece"), props, trigger: (name, detail) => heard.push([name, detail]),
    watch: (_, listener) => {{ told = listener; }},
  }});
  window.feed = (text) => {{ props.value = text; told(); }};
</script></body></html>"""


def open_page(page: Page, found: dict[str, Any] | None = None, *, dark: bool = False, value: str = "") -> Locator:
    """The page in a browser, at the list of sessions or at what `value` says."""
    body = html(answers() if found is None else found, dark=dark, value=value)
    page.route(ADDRESS + "**", lambda route: route.fulfill(body=body, content_type="text/html; charset=utf-8"))
    page.goto(ADDRESS)
    return page.locator("#results-piece")


def open_session(page: Page, tab: str = "Overview", found: dict[str, Any] | None = None, **options: Any) -> Locator:
    """One session, at a part of it."""
    piece = open_page(page, found, value=json.dumps({"open": SESSION}), **options)
    piece.get_by_role("tab", name=tab).click()
    return piece


def asked(page: Page, name: str) -> list[list[Any]]:
    """The arguments of every call of an endpoint."""
    return [args for called, args in page.evaluate("asked") if called == name]


def heard(page: Page, name: str) -> list[dict[str, Any]]:
    return [detail for event, detail in page.evaluate("heard") if event == name]


def copied(page: Page, button: Locator) -> list[list[str]]:
    """The cells that a press of `button` puts on the clipboard."""
    page.evaluate(
        """() => {
          window.pasted = '';
          Object.defineProperty(navigator, 'clipboard', {configurable: true, value: {
            writeText: async (text) => { window.pasted = text; },
          }});
        }"""
    )
    button.click()
    page.wait_for_function("window.pasted !== ''")
    text: str = page.evaluate("window.pasted")
    return [line.split("\t") for line in text.rstrip("\n").split("\n")]
