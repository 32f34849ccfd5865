"""A page with nothing but the annotator's piece on a small server written here in the browser; it remembers every call.

The server keeps events as the real one does (by id, folded), can be switched off, and can refuse. Documents are made by
hand; no app and no model.
"""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Locator, Page

from ui import assets

ADDRESS = "http://forklore.test/"
TEXT = (
    "The| farmer| has| |1|7| sheep| and| buys| |2|5| more|,| so| he| now| has| |1|7| +| |2|5| =| |4|1| sheep|.|\n|"
    "He| sells| |9| of| them|,| so| |3|2| are| left|.|⟨end⟩"
)
OTHER = "He| has| |3|3| sheep| left|,| because| |1|7| +| |2|5| -| |9| =| |3|3|."
PROMPT = "A farmer has 17 sheep, buys 25 more and then sells 9. How many sheep does he have now?"
HOSTILE = "<img src=x onerror=window.__ran=1> ${window.__ran=2} \u202eevil\u200b"
GUIDELINES = """# Marking errors

Mark every *mistake* the answer makes, **once**.

1. A **factual** error says something untrue.
2. An `arithmetic` error computes wrongly:
   - a wrong sum,
   - a wrong sign.

> When in doubt, leave it out.

```
17 + 25 = 42
```

See [the paper](https://example.org/paper) or [this](javascript:alert(1)).
"""
ERRORS = {
    "name": "errors", "title": "Errors", "unit": "span", "overlap": False, "help": "",
    "labels": [
        {"name": "factual", "title": "Factual error", "description": "Says something untrue", "key": 1},
        {"name": "arithmetic", "title": "Arithmetic", "description": "", "key": 2},
        {"name": "vague", "title": "Vague", "description": "", "key": 3},
    ],
}  # fmt: skip
STEPS = {
    "name": "steps", "title": "Steps", "unit": "span", "overlap": True, "help": "Steps may lie within each other.",
    "labels": [
        {"name": "plan", "title": "Plan", "description": "", "key": 1},
        {"name": "compute", "title": "Compute", "description": "", "key": 2},
    ],
}  # fmt: skip
CORRECT = {"name": "correct", "title": "Is the answer correct?", "kind": "choice", "required": True, "help": "",
           "options": ["yes", "no", "unsure"]}  # fmt: skip
QUALITY = {"name": "quality", "title": "How good is it?", "kind": "likert", "required": False, "help": "",
           "low": 1, "high": 5, "low_text": "poor", "high_text": "excellent"}  # fmt: skip
FAULTS = {"name": "faults", "title": "What is wrong with it?", "kind": "multi", "required": False, "help": "",
          "options": ["too long", "too short", "off topic"]}  # fmt: skip
WHERE = {"name": "where", "title": "Where does it go wrong?", "kind": "token", "required": False, "help": ""}
WHY = {"name": "why", "title": "Why?", "kind": "text", "required": False, "help": "One sentence is enough."}
BETTER = {"name": "better", "title": "Which is better?", "kind": "preference", "required": True, "help": "",
          "ties": True}  # fmt: skip
SCHEMA = {"label_sets": [ERRORS, STEPS], "questions": [CORRECT, QUALITY, FAULTS, WHERE, WHY]}
SHORT = {"label_sets": [ERRORS], "questions": [CORRECT]}


def tokens(text: str = TEXT) -> list[dict[str, Any]]:
    """Pieces between bars; the last of TEXT is a control token."""
    return [{"t": piece} | ({"c": 1} if piece == "⟨end⟩" else {}) for piece in text.split("|")]


def run(text: str = TEXT, **more: Any) -> dict[str, Any]:
    return {"prompt": PROMPT, "system": None, "model": "SmolLM2-135M", "tokens": tokens(text)} | more


def scored(text: str = TEXT) -> dict[str, Any]:
    """A run whose entropies grow from token to token and begin anew every seventh."""
    made = tokens(text)
    return run(text, scores={"entropy": [0.4 * (i % 7) for i in range(len(made))]})


def item(uid: str, *, part: str = "work", runs: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    return {"item": uid, "part": part, "runs": runs or [run()]} | more


def session(**more: Any) -> dict[str, Any]:
    return {
        "session": "s1", "title": "Errors in small sums", "role": "annotator", "me": "A1", "guidelines": GUIDELINES,
        "guidelines_version": 2, "guidelines_read": True, "schema": SCHEMA, "blind": True, "show_scores": False,
        "status": "open", "closes_at": None, "quiz": [], "progress": {"done": 0, "skipped": 0, "total": 3},
        "scores": [], "example": False,
    } | more  # fmt: skip


SCORES = [{"name": "entropy", "title": "Entropy", "unit": "nats", "direction": "uncertain", "low": 0, "high": None}]
ITEMS = [item("i1"), item("i2", runs=[run(OTHER)]), item("i3")]
MINE = {"session": "s1", "title": "Errors in small sums", "role": "annotator", "member": True, "status": "open",
        "done": 1, "total": 3, "example": False}  # fmt: skip
DEMO = MINE | {"session": "demo", "title": "Demonstration: two simulated annotators", "role": "owner", "member": False,
               "example": True, "status": "closed"}  # fmt: skip

# what the real server does with these calls, in small; `world` is what a test may change
SERVER = """
  const kept = () => JSON.parse(localStorage.getItem('test-server') || '{"events":{},"dealt":[],"begun":false}');
  const keep = (data) => localStorage.setItem('test-server', JSON.stringify(data));
  const fail = (sentence, more) => { throw new Forklore.server.ServerError(sentence, more); };
  window.world = {down: '', refuse: {}, delay: 0, calls: [], ...INITIAL};
  const stateOf = (data, uid) => Forklore.annotationState.fold(world.session.schema, data.events[uid] || []);
  const progress = (data) => {
    const states = data.dealt.map((uid) => stateOf(data, uid).status);
    return {done: states.filter((one) => one === 'submitted').length,
      skipped: states.filter((one) => one === 'skipped').length, total: world.items.length};
  };
  const feedbackOf = (found, state) => found.feedback && state.status === 'submitted' ? found.feedback : null;
  const mine = (data) => data.dealt.map((one) => (
    {item: one, status: stateOf(data, one).status, flag: stateOf(data, one).flag}));
  const shown = (data, uid) => {
    const found = world.items.find((one) => one.item === uid);
    const state = stateOf(data, uid);
    return {...structuredClone(found), place: data.dealt.indexOf(uid) + 1, n: data.dealt.length, state,
      mine: mine(data),
      guidelines_version: found.version || world.session.guidelines_version, progress: progress(data),
      feedback: feedbackOf(found, state)};
  };
  const server = {
    my_annotations: () => structuredClone(world.mine),
    open_annotation: () => (world.closed ? fail(world.closed)
      : {...structuredClone(world.session), guidelines_read: world.session.guidelines_read || kept().begun}),
    begin_annotating: (session, answers) => {
      const wrong = world.session.quiz.findIndex((one, i) => one.answer !== answers[i]);
      if (wrong >= 0) fail(`Question ${wrong + 1} is not answered as the guidelines say; read them again.`);
      keep({...kept(), begun: true});
      return {...structuredClone(world.session), guidelines_read: true};
    },
    next_item: () => {
      if (world.shut || world.closed) fail(world.shut || world.closed);
      const data = kept();
      const open = data.dealt.find((uid) => ['new', 'open'].includes(stateOf(data, uid).status));
      const uid = open || world.items.map((one) => one.item).find((one) => !data.dealt.includes(one));
      if (!uid) return {done: true, progress: progress(data), mine: mine(data)};
      if (!open) data.dealt.push(uid);
      keep(data);
      return shown(data, uid);
    },
    open_item: (session, uid) => shown(kept(), uid),
    save_annotation: (session, uid, events) => {
      if (world.closed || world.session.status !== 'open') fail(world.closed || 'This session is closed.');
      const bad = events.find(({kind}) => world.refuse[kind]);
      if (bad) fail(world.refuse[bad.kind]);
      const data = kept();
      const known = data.events[uid] = data.events[uid] || [];
      for (const event of events) {
        if (known.some((one) => one.uuid === event.uuid)) continue;
        if (Forklore.annotationState.fold(world.session.schema, known).status === 'submitted'
          && !['reopen', 'time'].includes(event.kind)) fail('This item is submitted; open it again first.');
        known.push(event);
      }
      keep(data);
      const state = stateOf(data, uid);
      return {saved: new Date().toISOString(), state, progress: progress(data),
        feedback: feedbackOf(world.items.find((one) => one.item === uid), state)};
    },
  };
  Forklore.server.call = async (name, ...args) => {
    world.calls.push([name, structuredClone(args)]);
    if (world.gate) await world.gate;
    if (world.delay) await new Promise((resolve) => setTimeout(resolve, world.delay));
    if (world.down === 'before') fail('The server cannot be reached.', {offline: true});
    if (world.down === 'busy') fail('The disk is full.', {again: true});
    const found = structuredClone(server[name](...args));
    if (world.down === 'after') fail('The server cannot be reached.', {offline: true});
    return found;
  };
  window.stored = () => kept();
"""


def html(*, dark: bool = False, value: str = '{"open": "s1"}', **world: Any) -> str:
    """A whole page; `world` holds what the server knows, `stored()` its events, `heard` the piece's events."""
    initial = {"session": session(), "items": ITEMS, "mine": [MINE, DEMO]} | world
    server = SERVER.replace("INITIAL", json.dumps(initial).replace("<", "\\u003c"))
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Annotate</title>
<meta name="viewport" content="width=device-width, initial-scale=1">{assets.head()}</head>
<body class="{"dark" if dark else ""}" style="margin:0;padding:20px;background:var(--fl-page)">
<main><div id="annotate"><div class="fl-piece"></div></div></main>
<input id="elsewhere" aria-label="Elsewhere">
<script>
  window.heard = [];
  {server}
  const props = {{value: {json.dumps(value)}}};
  let told = () => {{}};
  window.piece = Forklore.mountAnnotate({{
    element: document.getElementById("annotate"), props, trigger: (name, detail) => heard.push([name, detail]),
    watch: (_, listener) => {{ told = listener; }},
  }});
  window.give = (text) => {{ props.value = text; told(); }};
</script></body></html>"""


def open_page(page: Page, *, query: str = "", **options: Any) -> Locator:
    """The page in a browser; a reload keeps what the server has."""
    body = html(**options)
    page.route(f"{ADDRESS}**", lambda route: route.fulfill(body=body, content_type="text/html; charset=utf-8"))
    page.goto(ADDRESS + query)
    return page.locator(".fl-annotate")


def calls(page: Page, name: str) -> list[list[Any]]:
    return [args for called, args in page.evaluate("world.calls") if called == name]


def kinds(page: Page, uid: str = "i1") -> list[str]:
    """What the server has of an item, in order, without time that was only measured."""
    events = page.evaluate("uid => stored().events[uid] || []", uid)
    return [event["kind"] for event in events if event["kind"] != "time"]


def payloads(page: Page, kind: str, uid: str = "i1") -> list[dict[str, Any]]:
    events = page.evaluate("uid => stored().events[uid] || []", uid)
    return [event["payload"] for event in events if event["kind"] == kind]


def state(page: Page, uid: str = "i1") -> dict[str, Any]:
    """What the server would tell of an item."""
    found: dict[str, Any] = page.evaluate(
        "uid => Forklore.annotationState.fold(world.session.schema, stored().events[uid] || [])", uid
    )
    return found


def labels(page: Page, uid: str = "i1") -> list[tuple[str, int, int]]:
    return [(one["label"], one["start"], one["stop"]) for one in state(page, uid)["labels"]]


def words(panel: Locator, name: str = "Text") -> Locator:
    return panel.get_by_role("listbox", name=name)


def token(panel: Locator, t: int, text: int = 0) -> Locator:
    return panel.locator(".fl-an-words").nth(text).locator(f"[data-t='{t}']")


def drag(page: Page, first: Locator, last: Locator) -> None:
    """From within the first token to the end of the last one, with the mouse."""
    first.scroll_into_view_if_needed()
    start, stop = (one.locator(".fl-an-w").bounding_box() for one in (first, last))
    assert start and stop
    page.mouse.move(start["x"] + 1, start["y"] + 8)
    page.mouse.down()
    page.mouse.move(stop["x"] + stop["width"] - 1, stop["y"] + 8, steps=5)
    page.mouse.up()


def drawn(panel: Locator) -> list[str]:
    """Names of labels as they stand below the text."""
    return panel.locator(".fl-an-tag").all_text_contents()


def selected(panel: Locator) -> list[int]:
    found = panel.locator(".fl-an-words [aria-selected=true]")
    return found.evaluate_all("nodes => nodes.map((node) => Number(node.dataset.t))")


def waiting(page: Page) -> int:
    """How many actions the browser keeps because the server has not confirmed them; time that was only measured is
    none."""
    found: int = page.evaluate(
        """() => Object.keys(localStorage).filter((key) => key.startsWith('forklore-annotation ')
          && JSON.parse(localStorage.getItem(key)).event.kind !== 'time').length"""
    )
    return found


def settled(page: Page) -> None:
    """Returns once everything is with the server."""
    script = "() => !Object.keys(localStorage).some((key) => key.startsWith('forklore-annotation '))"
    page.wait_for_function(script)


def hold(page: Page) -> None:
    """From now on no call goes on to the server, until `let_go`."""
    page.evaluate("() => { world.gate = new Promise((open) => { world.open = open; }); }")


def let_go(page: Page) -> None:
    """What was held goes on, and nothing is held any more."""
    page.evaluate("() => { world.gate = null; world.open(); }")


def mend(page: Page) -> None:
    """The line is back and Retry is pressed, before the page tries again by itself."""
    page.evaluate("() => { world.down = ''; document.querySelector('.fl-an-retry').click(); }")
