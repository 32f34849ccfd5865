"""A page with nothing but the instrument on documents written by hand; remembers every event that it would send.

No server and no model: documents are lines as `ui.views` writes them, so any state of a changed run can be shown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Locator, Page

from ui import assets
from ui.views import score_entry

ADDRESS = "http://forklore.test/"
SCORES = ("entropy", "surprisal")
SETTINGS: dict[str, Any] = {
    "temperature": 0.7, "top_p": 0.95, "top_k": None, "max_new_tokens": 64, "seed": "2", "stream": 0, "stop": [],
}  # fmt: skip
MODEL = {
    "title": "SmolLM2-135M-Instruct", "name": "smollm2", "repo": "r", "revision": "", "quantization": "none",
    "dtype": "float32", "device": "cpu",
}  # fmt: skip
ORIGINAL = (
    "To find out how many sheep the farmer has now , we add 25 to 17 , which is 42 , and take away the 9 he sold .\n"
    "So he has 33 sheep left ."
)


def pieces(text: str) -> list[str]:
    """Words with the space in front of them, as most tokenizers cut; a line break is a token of its own."""
    found: list[str] = []
    for k, line in enumerate(text.split("\n")):
        found += ["\n"] if k else []
        found += [word if i == 0 else f" {word}" for i, word in enumerate(line.split(" "))]
    return found


@dataclass
class Vocabulary:
    """Gives every piece one id."""

    ids: dict[str, int] = field(default_factory=dict)

    def id(self, piece: str) -> int:
        return self.ids.setdefault(piece, 100 + len(self.ids))


VOCABULARY = Vocabulary()
RIVALS = (" 19", " 7", " sheep", " it", "\n")


def line(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False) + "\n"


def token_line(piece: str, row: int | None, margin: float = 0.5) -> str:
    """One token of the run; row: its noise row, None where it was not drawn."""
    others = [rival for rival in RIVALS if rival != piece]
    probabilities = [-0.9, -1.2, -2.5, -3.1, -4.4]
    shown = [piece, *others][: len(probabilities)]
    token: dict[str, Any] = {
        "t": piece, "id": VOCABULARY.id(piece), "s": [1.2, 0.9], "r": 0.05,
        "k": [[VOCABULARY.id(text), p] for text, p in zip(shown, probabilities, strict=False)],
        "w": {str(VOCABULARY.id(text)): text for text in (piece, *RIVALS)},
    }  # fmt: skip
    if row is not None:
        token["g"] = [row, margin, VOCABULARY.id(others[0]), 1.1, 30, 0.0]
    return line(token)


def from_line(original: Sequence[str], rows: Sequence[int] | None = None) -> str:
    """The tokens of the parent with their noise rows."""
    known = range(len(original)) if rows is None else rows
    tokens = zip(original, known, strict=True)
    return line({"from": [{"t": piece, "id": VOCABULARY.id(piece), "row": row} for piece, row in tokens]})


def header_line(uid: str, **more: Any) -> str:
    head: dict[str, Any] = {
        "v": 1, "run": uid, "kind": "generation", "title": f"Title of {uid}", "created": "2026-01-01T00:00:00+00:00",
        "example": False, "tags": [], "remark": "", "prompt": "How many sheep has he now?", "system": None,
        "model": MODEL, "settings": SETTINGS, "bounds": False, "scores": [score_entry(name) for name in SCORES],
        "note": "", "select": None, "score": None, "notes": [], "parent": None, "luck": None, "edit": None,
        "changed": [],
    }  # fmt: skip
    head |= more
    return line({"replayable": head["settings"] is not None, **head})


def done_line(uid: str) -> str:
    return line({"done": True, "run": uid, "status": "finished", "reason": "stop", "seconds": 1.5, "summary": [],
                 "problem": ""})  # fmt: skip


def run(uid: str = "parent", tokens: Sequence[str] | None = None, *, drawn: bool = True, **more: Any) -> str:
    """A run of its own; drawn=False: its luck is not on record."""
    own = pieces(ORIGINAL) if tokens is None else tokens
    if not drawn:
        more = {"kind": "scored", "settings": None} | more
    body = "".join(token_line(piece, i if drawn else None) for i, piece in enumerate(own))
    return header_line(uid, **more) + body + done_line(uid)


def changed_run(
    tokens: Sequence[tuple[str, int | None]],
    edit: dict[str, Any] | None,
    *,
    original: Sequence[str] | None = None,
    rows: Sequence[int] | None = None,
    luck: str = "same",
    done: bool = True,
    fork: int | None = None,
    **more: Any,
) -> str:
    """A run made from another by an edit; tokens: pieces with their noise rows."""
    before = pieces(ORIGINAL) if original is None else original
    at = edit["start"] if edit else 0
    parent = {"uid": "parent", "title": "17 sheep", "kind": "generation", "fork": at if fork is None else fork,
              "example": False}  # fmt: skip
    head = header_line("child", kind="counterfactual", parent=parent, luck=luck, edit=edit, **more)
    body = "".join(token_line(piece, row) for piece, row in tokens)
    return head + from_line(before, rows) + body + (done_line("child") if done else "")


def replaced(at: int = 15, piece: str = " 19", others: dict[int, str] | None = None) -> list[tuple[str, int | None]]:
    """The original with token `at` replaced under the same luck; others: tokens behind it that came out otherwise."""
    own = pieces(ORIGINAL)
    changes = {at: piece, **(others or {})}
    return [(changes.get(i, text), None if i == at else i) for i, text in enumerate(own)]


EDIT = {"start": 15, "stop": 16, "shift": 0, "held": 16}
CAME_OUT = {19: " 44", 33: " 35"}
VERSUS = line(
    {"versus": {"first": [19, 19], "characters": 0.127, "tokens": 0.2, "prefix": 0.22, "agreement": [34, 36],
                "fragile": [27], "fragile_from": []}}
)  # fmt: skip
PRICE = line({"price": {"seconds_per_token": 0.01, "replicates": 8}})
CHILDREN = line(
    {"children": [
        {"uid": "c1", "title": "One", "kind": "counterfactual", "luck": "same", "fork": 15,
         "words": " 19 , <b>which</b>", "tokens": 37, "status": "finished"},
        {"uid": "c2", "title": "Two", "kind": "branch", "luck": "fresh", "fork": 5, "words": " animals", "tokens": 60,
         "status": "stopped"},
    ]}
)  # fmt: skip


def replicates(done: int, distances: list[float], finished: bool, **more: Any) -> str:
    texts = [f"text {i}" for i in range(len(distances))]
    fields = {"count": 8, "done": done, "distances": distances, "tokens": distances, "value": 0.127,
              "percentile": 0.125, "finished": finished, "texts": texts, "problem": ""}  # fmt: skip
    return line({"replicates": fields | more})


def child(**more: Any) -> str:
    return changed_run(replaced(others=CAME_OUT), EDIT, **more)


def html(documents: Sequence[str], *, dark: bool = False, **props: Any) -> str:
    """A whole page showing the first document; `feed(text)` shows another, `heard` holds the events."""
    first = json.dumps(documents[0]).replace("<", "\\u003c")
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Instrument</title>
<meta name="viewport" content="width=device-width, initial-scale=1">{assets.head()}</head>
<body class="{"dark" if dark else ""}" style="margin:0;padding:20px;background:var(--fl-page)">
<main><div id="explorer"></div></main>
<script>
  window.heard = [];
  const props = {{value: {first}, ...{json.dumps(props)}}};
  let told = () => {{}};
  window.instrument = Forklore.mountExplorer({{
    element: document.getElementById("explorer"), props,
    watch: (_, listener) => {{ told = listener; }}, trigger: (name, detail) => heard.push([name, detail]),
  }});
  window.feed = (text) => {{ props.value = text; told(); }};
</script></body></html>"""


def show(page: Page, document: str, **props: Any) -> None:
    """Open the page in a browser on one document, with somebody listening unless branches=False."""
    body = html([document], **({"branches": True} | props))
    page.route(ADDRESS, lambda route: route.fulfill(body=body, content_type="text/html; charset=utf-8"))
    page.goto(ADDRESS)


def feed(page: Page, document: str) -> None:
    page.evaluate("text => feed(text)", document)


def heard(page: Page, name: str) -> list[dict[str, Any]]:
    return [detail for event, detail in page.evaluate("heard") if event == name]


def pin(page: Page, i: int) -> None:
    page.locator(".fl-reading [role=option]").nth(i).click()


def rival(page: Page, word: str) -> Locator:
    return page.locator(f".fl-rival[data-row][aria-label^='{word},']")


def form(page: Page) -> Locator:
    return page.get_by_role("group", name="What if")


def panel(page: Page) -> Locator:
    page.get_by_role("tab", name="What if").click()
    return page.get_by_role("tabpanel", name="What if")
