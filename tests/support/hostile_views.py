"""Every view on hostile texts: what it is given in each round, and what is pressed then.

Knows the pieces' documents; does not know how what they show is judged.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.support import annotate_page, chain_page, fork_documents, hostile, probe_page, results_page, tree_page
from tests.support import whatif_page as whatif
from tests.support.hostile_pages import MARKDOWN, Filler, Spec

ALL = len(hostile.TEXTS)
ROWS = 30
MANY = 6
RUN = {
    "title": "title", "prompt": "prompt", "system": "system", "note": "sentence", "remark": "remark", "tags": "tag",
    "notes": "notes", "stop": "stop string", "t": "token", "words": "words of a branch", "problem": "problem",
    "text": "state", "model_title": "model",
}  # fmt: skip


def lines(
    fill: Filler, document: str, free: Mapping[str, str], change: Callable[[dict[str, Any]], None], chunk: int = 1
) -> str:
    """A document of lines with its texts replaced; change: what stands in lists without keys."""
    out = []
    for line in filter(None, document.split("\n")):
        fields = fill.fill(json.loads(line), free, chunk)
        change(fields)
        out.append(json.dumps(fields) + "\n")
    return "".join(out)


def _nothing(fields: dict[str, Any]) -> None:
    pass


def _words(fill: Filler) -> Callable[[dict[str, Any]], None]:
    def change(fields: dict[str, Any]) -> None:
        for token, text in fields.get("w", {}).items():
            fields["w"][token] = fill.again("token", text)
        if isinstance(fields.get("model"), dict):
            fields["model"]["title"] = fill.put("model")

    return change


def tokens(fill: Filler, turn: int) -> Mapping[str, Any]:
    """All texts as tokens of one answer, each with the next twenty as its alternatives, and all broken bytes."""
    first = 1000
    texts = [fill.wrap("token", i) for i in range(ALL)]
    body = []
    for i, text in enumerate(texts):
        others = [(i + k) % ALL for k in range(20)]
        body.append(
            whatif.line({
                "t": text, "id": first + i, "s": [1.2, 0.9], "r": 0.05,
                "k": [[first + k, -0.1 * (n + 1)] for n, k in enumerate(others)],
                "w": {str(first + k): texts[k] for k in others}, "g": [i, 0.5, first + others[1], 1.1, 30, 0.0],
            })
        )  # fmt: skip
    for i, raw in enumerate(hostile.BROKEN):
        body.append(whatif.line({"t": "", "id": i, "x": raw.hex(" "), "s": [1.0, 1.0], "r": 0.1, "k": [[i, -0.5]],
                                 "w": {}}))  # fmt: skip
    document = whatif.header_line("tokens", note="", prompt="x") + "".join(body) + whatif.done_line("tokens")
    return {"mountExplorer": document}


def run(fill: Filler, turn: int) -> Mapping[str, Any]:
    """A run's own texts, and those of a changed run with its original and its branches."""
    whole = whatif.changed_run(whatif.replaced(3, " 19", whatif.CAME_OUT)[:8], {**whatif.EDIT, "start": 3, "stop": 4},
                               original=whatif.pieces(whatif.ORIGINAL)[:8], tags=["a", "b"], remark="r", note="n",
                               system="s", notes=["a note"])  # fmt: skip
    document = lines(fill, whole + whatif.CHILDREN, RUN, _words(fill))
    return {"mountExplorer": document.replace('"run": "child"', f'"run": "child-{turn}"'),
            "mountNotice": fill.put("notice"), "mountShares": json.dumps({"text": fill.put("shares")}),
            "mountProbePrice": fill.put("price"),
            "mountMasthead": json.dumps({"status": "loading", "message": fill.put("model message"), "fraction": 0.5,
                                         "saved": {"text": fill.put("saved"), "late": turn % 2 == 1},
                                         "who": {"name": fill.put("person"), "out": "out", "post": turn % 2 == 0}}),
            "mountExampleStrip": json.dumps({"examples": [{"uid": f"e{i}", "title": fill.put("example"),
                                             "prompt": fill.put("example prompt")} for i in range(6)]})}  # fmt: skip


def waiting(fill: Filler, turn: int) -> Mapping[str, Any]:
    """What stands in place of a run: waiting, failed at once."""
    return {"mountExplorer": whatif.line({"state": "queued", "text": fill.put("state", 9)})}


def comparison(fill: Filler, turn: int) -> Mapping[str, Any]:
    """Two runs side by side, of tokens that are the same and others."""

    def side(uid: str, texts: list[str]) -> dict[str, Any]:
        return {"uid": uid, "title": fill.put("title"), "prompt": fill.put("prompt"), "system": fill.put("system"),
                "kind": "generation", "status": "finished", "model": fill.put("model"), "quantization": "", "seed": "1",
                "created": "2026-01-01T00:00:00+00:00", "finish_reason": "stop", "seconds": 1.0,
                "tokens": [{"t": text, "id": i} for i, text in enumerate(texts)]}  # fmt: skip

    same = [fill.put("token") for _ in range(8)]
    left, right = [*same, fill.put("token")], [*same, fill.put("token")]
    settings = [{"name": name, "label": name, "a": fill.put("setting"), "b": fill.put("setting"), "differs": True}
                for name in ("prompt", "system", "stop")]  # fmt: skip
    scored = {**whatif.score_entry("entropy"), "low": 0, "high": 2, "a": [1.0] * 9, "b": [1.5] * 9,
              "difference": [0.5] * 8}  # fmt: skip
    document = {
        "a": side("a", left), "b": side("b", right), "settings": settings, "unit": "tokens",
        "blocks": [["equal", 0, 8, 0, 8], ["replace", 8, 9, 8, 9]], "divergence": [8, 8],
        "pairs": [[i, i] for i in range(8)], "scores": [scored], "summary": [],
    }  # fmt: skip
    return {"mountCompare": json.dumps(document)}


def library(fill: Filler, turn: int) -> Mapping[str, Any]:
    """A page of runs with everything that people write on them."""

    def row(i: int) -> dict[str, Any]:
        title = "" if i % 3 == 2 else fill.put("title")
        return {
            "uid": f"r{turn}-{i}", "title": title, "prompt": fill.put("prompt"), "answer": fill.put("answer"),
            "kind": "generation", "status": "finished", "model_name": fill.put("model"), "quantization": "",
            "tokens": 5, "seed": "1", "created_at": "2026-01-01T00:00:00+00:00",
            "tags": [fill.put("tag"), fill.put("tag")], "note": fill.put("note"), "run_scores": {}, "example": False,
            "parent": None, "fork_position": None, "damaged": False, "shared": i % 2 == 0,
        }  # fmt: skip

    rows = [row(i) for i in range(ROWS)]
    query = {"text": "", "tags": [], "kinds": [], "models": [], "statuses": [], "examples": None, "sort": "created",
             "descending": True, "limit": 50, "offset": 0}  # fmt: skip
    document = {
        "at": f"2026-01-01T00:00:{turn % 60:02}.{turn}+00:00", "query": query, "total": ROWS, "rows": rows,
        "tags": [tag for one in rows for tag in one["tags"]], "models": [one["model_name"] for one in rows],
        "model_titles": {rows[1]["model_name"]: fill.put("model")}, "scores": [], "deleted": [],
        "message": fill.put("message", 9), "bounds": {},
    }  # fmt: skip
    # what the server says in the windows that ask
    refused = dict.fromkeys(("run_access", "share_run", "count_branches"), "!" + fill.put("refusal", 9))
    return {**{f"answers.{name}": said for name, said in refused.items()}, "mountLibrary": json.dumps(document)}


def probe(fill: Filler, turn: int) -> Mapping[str, Any]:
    """A probe's template, values, answers and fields, and the list of probes."""
    document = json.loads(probe_page.made("failed", runs=2, message="m"))
    field = document["plan"]["field"]
    free = {"template": "template", "values": "value", "text": "answer", "label": "outcome", "message": "message",
            "problem": "problem"}  # fmt: skip
    shelf = {
        "v": 1, "total": 12, "restored": "",
        "rows": [{"uid": f"p{i}", "template": fill.put("template"), "values": [fill.put("value"), fill.put("value")],
                  "runs": 2, "field": "First number", "state": "finished", "done": 4, "total": 4,
                  "created": "2026-01-01T00:00:00+00:00", "problem": fill.put("problem") if i % 3 == 0 else ""}
                 for i in range(12)],
        "binned": {"uid": "p", "template": fill.put("template", 2), "runs": [], "whole": True},
    }  # fmt: skip
    filled = fill.fill(document, free)
    filled["plan"]["field"] = field
    filled["plan"]["template"], filled["message"] = fill.put("template", 2), fill.put("message", 2)
    return {"mountProbe": json.dumps(filled), "mountProbeShelf": json.dumps(shelf)}


def tree(fill: Filler, turn: int) -> Mapping[str, Any]:
    """A tree's tokens, runs, notes, tags and messages."""

    def change(fields: dict[str, Any]) -> None:
        for row in fields.get("n", []):
            if row[2] and not row[6] & tree_page.CONTROL:
                row[2] = fill.put("token")
        if "root" in fields:
            fields["run"] = fields["tree"] = "tokens"
            fields["root"]["text"] = fill.put("prompt", 3)
        if "marks" in fields:
            fields["marks"] = {"bookmarks": [1, 4, 7], "notes": {str(n): fill.put("note") for n in (1, 4, 7)},
                               "tags": {str(n): [fill.put("tag")] for n in (1, 4, 7)}}  # fmt: skip
        if "s" in fields:
            fields["s"]["message"] = fill.put("message", 3)

    return {"mountBranches": lines(fill, tree_page.small(), {"title": "title"}, change)}


def forks(fill: Filler, turn: int) -> Mapping[str, Any]:
    """An analysis' tokens, outcomes, alternatives and continuations."""

    def change(fields: dict[str, Any]) -> None:
        for row in fields.get("b", []):
            row[2] = fill.again("token", row[2]) if row[2] else row[2]

    free = {"pieces": "token", "labels": "outcome", "title": "title", "message": "message"}
    document = lines(fill, fork_documents.whole("tokens"), free, change)
    aside = {"run": "tokens", "n": turn + 1, "problem": fill.put("problem", 6)}
    return {"mountForks": document, "mountForksAside": json.dumps(aside)}


def chain(fill: Filler, turn: int) -> Mapping[str, Any]:
    """A chain's tokens, answers and substitutes."""

    def change(fields: dict[str, Any]) -> None:
        for row in fields.get("variants", []):
            row[2] = fill.put("substitute")
        if "pieces" in fields:
            fields["pieces"] = [fill.put("token") if piece.strip() else piece for piece in fields["pieces"]]

    free = {"title": "title", "text": "answer", "message": "message"}
    aside = {"run": "tokens", "n": turn + 1, "problem": fill.put("problem", 6)}
    return {"mountChain": lines(fill, chain_page.document("tokens"), free, change, 6),
            "mountChainAside": json.dumps(aside)}  # fmt: skip


SESSION = {
    "title": "title", "description": "description", "help": "help", "labels": "label", "options": "option",
    "low_text": "scale end", "high_text": "scale end", "prompt": "prompt", "system": "system", "model": "model",
    "t": "token", "text": "text", "comment": "comment", "comments": "comment", "reason": "reason", "question": "quiz",
    "positive_title": "title", "message": "message", "name": "name",
}  # fmt: skip
_IDENTITY = {"name", "label", "labels"}


def annotate(fill: Filler, turn: int) -> Mapping[str, Any]:
    """The annotator's list, guidelines, items, labels and questions."""
    uid = f"s{turn}"
    free = {key: name for key, name in SESSION.items() if key not in _IDENTITY}
    made = annotate_page.session(session=uid, guidelines_read=turn % 2 == 0,
                                 quiz=[{"question": "q", "options": ["one", "two"], "answer": 0}])  # fmt: skip
    session = fill.fill(made, free, MANY)
    session["guidelines"] = " ".join(fill.put(MARKDOWN) for _ in range(12))
    run = fill.fill(annotate_page.run(system="s"), {**free, "t": ""}, MANY)
    run = fill.fill(run, {"t": "token"})
    for question in session["schema"]["questions"]:
        question["help"] = fill.put("help", MANY)
    first = session["schema"]["label_sets"][0]
    for label in first["labels"]:
        label["description"] = fill.put("description", MANY)
    first["help"] = fill.put("help", MANY)
    correct = session["schema"]["questions"][0]
    state = {"labels": [{"id": "l1", "set": "errors", "label": "factual", "run": 0, "start": 1, "stop": 3}],
             "answers": {"correct": correct["options"][0], "why": fill.put("free text", MANY)},
             "comment": fill.put("comment", MANY), "flag": True, "status": "open", "reason": fill.put("reason", MANY),
             "active": 1, "wall": 1, "undo": None, "redo": None, "changes": 1}  # fmt: skip
    item = {"item": f"i{turn}", "part": "work", "runs": [run], "place": 1, "n": 2, "state": state, "mine": [],
            "guidelines_version": 2, "progress": {"done": 0, "skipped": 0, "total": 3}, "feedback": None}  # fmt: skip
    listed = [{**annotate_page.MINE, "session": f"m{i}", "title": fill.put("title")} for i in range(12)]
    return {"answers.my_annotations": listed, "answers.open_annotation": session, "answers.next_item": item,
            "answers.open_item": item, "answers.begin_annotating": session,
            "mountAnnotate": json.dumps({"open": uid})}  # fmt: skip


def results(fill: Filler, turn: int) -> Mapping[str, Any]:
    """The owner's overview, items, agreement, disputes, scores; a refusal in the end."""
    free = {key: name for key, name in SESSION.items() if key not in _IDENTITY}
    found = fill.fill(results_page.answers(), {**free, "t": ""}, MANY)
    found = fill.fill(found, {"t": "token"})
    for member in found["session_overview"]["members"]:
        member["name"] = fill.put("member name", MANY)
    found["session_overview"]["session"] = f"s-{turn}"
    found["session_overview"]["guidelines"] = " ".join(fill.put(MARKDOWN) for _ in range(12))
    for pair in found["session_agreement"]["pairs"]:
        pair["confusion"]["categories"] = [fill.put("category", MANY) for _ in pair["confusion"]["categories"]]
    found["session_scores"]["positive"] = fill.put("category", MANY)
    found["export_session"] = "!" + fill.put("refusal", MANY)
    return {**{f"answers.{name}": value for name, value in found.items()},
            "mountResults": json.dumps({"open": f"s-{turn}"})}  # fmt: skip


_LOOK = "for (const one of document.querySelectorAll('{0}')) {{ one.click(); await hostile.settle(); hostile.scan(); }}"
_TOKENS = """
  const prose = document.querySelector('#explorer .fl-prose');
  const press = (key) => prose.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
  const beside = () => {
    for (const name of ['.fl-inspector', '.fl-tip', '.fl-readout']) {
      const found = document.querySelector(name);
      if (found) hostile.scan(found);
    }
  };
  prose.focus();
  press('Home');
  for (let i = 0; i < 251; i += 1) {
    press('Enter');
    await hostile.settle();
    if (i % 20 === 0) hostile.scan();
    else beside();
    press('Escape');
    press('ArrowRight');
  }
  await hostile.tap('#explorer [role=tab]', 9);
"""
TAB = "for (const one of document.querySelectorAll('#explorer [role=tab]')) if (one.textContent === '{}') one.click();"


_CHIPS = """
  for (const node of [1, 4, 7]) await hostile.tap(`.fl-tr-chip[data-node="${node}"]`, 1);
  if (turn % 8 === 0) await hostile.tap('.fl-tr-chip', 6);
"""


_ASKED = """
  if (turn < 4) await hostile.tap('#library .fl-lib-tools .fl-menu:not(.fl-own-menu) .fl-menu-button', 2);
  const away = () => { for (const one of document.querySelectorAll('#library dialog')) one.close(); };
  const press = async (selector, words) => {
    const found = [...document.querySelectorAll(selector)].find((one) => one.textContent.startsWith(words));
    found.click();
    await hostile.settle();
    hostile.scan();
  };
  await hostile.tap('#library .fl-lib-act[data-act=share]', 1);
  away();
  await press('#library .fl-lib-quiet', 'Select all');
  await press('#library .fl-lib-selection .fl-lib-button', 'Share');
  await press('#library dialog button', 'Share by links');
  away();
  await press('#library .fl-own-menu .fl-menu-button', 'Delete');
  await press('#library .fl-own-menu .fl-menu-item', 'The selected');
  away();
  await press('#library .fl-lib-selection .fl-lib-quiet', 'Clear');
"""


def specs() -> list[Spec]:
    return [
        Spec("tokens", 1, tokens, _TOKENS),
        Spec("run", ALL, run),
        Spec("waiting", 28, waiting),
        Spec("comparison", ALL, comparison, "if (turn % 8 === 0) await hostile.tap('#compare [data-t]', 2);"),
        Spec("library", 28, library, _ASKED),
        Spec("probe", 122, probe),
        Spec("tree", 122, tree, _CHIPS),
        Spec("forks", 122, forks, "await hostile.tap('.fl-fk-sentence button', 1);"),
        Spec("chain", 41, chain, "await hostile.tap('.fl-ch-words [data-t]', 2);"),
        Spec("annotate", 41, annotate, "await hostile.settle(); hostile.scan();", 2),
        Spec("results", 41, results, _LOOK.format("#results [role=tab]")),
    ]


def program(spec: Spec) -> tuple[Filler, list[Mapping[str, Any]], float]:
    """All rounds of a view, made beforehand. The seconds that took."""
    began = time.monotonic()
    fill = Filler(rounds=spec.rounds)
    rounds = []
    for turn in range(spec.rounds * spec.repeat):
        fill.turn(turn // spec.repeat)
        rounds.append(spec.feeds(fill, turn))
    return fill, rounds, time.monotonic() - began
