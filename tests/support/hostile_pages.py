"""Documents of every piece in which each free text is a hostile one, and a page that has all pieces on it.

A text travels between brackets that say which field and which text it is, so that it is found wherever it turns up.
Documents are the hand-made ones of the pieces' own tests; no server and no model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import hostile
from ui import assets

SCAN = Path(__file__).with_name("hostile_scan.js")
_SPACE = re.compile("[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+")
# fields written in Markdown: they come escaped, and their spaces are the writer's only between words
MARKDOWN = "guidelines"


def forms(text: str) -> list[str]:
    """The ways to show a text exactly: line breaks as marks, as breaks or both; in one line; spaces that do not break
    named."""
    flat = _SPACE.sub(" ", text)
    found = [
        hostile.marked(text), hostile.marked(text, breaks=True), hostile.marked(flat),
        "".join(sign if sign in "\n\t" else hostile.marked(sign) for sign in text)
        if not re.search("[\u200d\ufe0f\U000e0000-\U000e007f]", text)
        else re.sub("[↵⇥](?=[\n\t])", "", hostile.marked(text, breaks=True)),
        hostile.marked(text).replace("\u00a0", "⟨NBSP⟩"), hostile.marked(re.sub("\r\n?", "\n", text)),
        hostile.marked(re.sub("\r\n?", "\n", text), breaks=True), hostile.marked(re.sub("[\n\r\t]+", "↵", text)),
        hostile.marked(re.sub("[\n\r\t]+", "⇥", text)),
    ]  # fmt: skip
    found.append(re.sub("[↵⇥](?=[\n\t])", "", hostile.marked(re.sub("\r\n?", "\n", text), breaks=True)))
    # a run of line breaks has all its marks and breaks once
    found.append(re.sub("\n+", lambda many: "↵" * len(many[0]) + "\n", hostile.marked(text)) if "\n\n" in text else "")
    if "\n\n" in text:
        found.append(re.sub("\n+", lambda many: "↵" * len(many[0]) + "\n", text))
    return list(dict.fromkeys(found))


def raw_forms(text: str) -> list[str]:
    """What a field for typing may hold of a text: browsers turn line ends into one, and drop them in one line."""
    ends = re.sub("\r\n?", "\n", text)
    return list(dict.fromkeys([text, ends, re.sub("[\r\n]", "", text), _SPACE.sub(" ", text)]))


@dataclass
class Filler:
    """Hands out wrapped texts, in so many rounds: each field of a page goes through all of them."""

    fields: list[str] = field(default_factory=list)
    rounds: int = 1
    round: int = 0
    _used: dict[str, int] = field(default_factory=dict)
    _kept: dict[tuple[str, str], str] = field(default_factory=dict)

    def put(self, name: str, chunk: int = 1) -> str:
        """The next text of a field. One that a page shows once goes through all texts in rounds * chunk; where there
        are more of them, each begins elsewhere."""
        nth = self._used.get(name, 0)
        self._used[name] = nth + 1
        stride = self.rounds * chunk
        first = self.round * chunk + nth * (stride if stride < len(hostile.TEXTS) else 7)
        return " ".join(self.wrap(name, (first + i) % len(hostile.TEXTS)) for i in range(chunk))

    def wrap(self, name: str, number: int) -> str:
        text = hostile.TEXTS[number]
        if name == MARKDOWN:
            text = re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)
        if name not in self.fields:
            self.fields.append(name)
        return f"⟦{self.fields.index(name)}.{number}⟧{text}⟦/{number}⟧"

    def fill(self, value: Any, free: Mapping[str, str], chunk: int = 1) -> Any:
        """The value with every text under a key of `free` replaced; the same text of a field by the same one."""
        if isinstance(value, list):
            return [self.fill(one, free, chunk) for one in value]
        if not isinstance(value, dict):
            return value
        return {key: self._under(key, one, free, chunk) for key, one in value.items()}

    def _under(self, key: str, value: Any, free: Mapping[str, str], chunk: int) -> Any:
        name = free.get(key)
        if name and isinstance(value, str) and value:
            return self.again(name, value, chunk)
        if name and isinstance(value, list) and all(isinstance(one, str) for one in value):
            return [self.again(name, one, chunk) for one in value]
        return self.fill(value, free, chunk)

    def again(self, name: str, was: str, chunk: int = 1) -> str:
        """What stands for a text of a field in this round."""
        if (name, was) not in self._kept:
            self._kept[name, was] = self.put(name, chunk)
        return self._kept[name, was]

    def turn(self, number: int) -> None:
        """Another round: every field goes on to other texts."""
        self.round = number
        self._kept.clear()
        self._used.clear()


# mount -> element; pieces that are tabs of the instrument need no place of their own
OWN_PLACES = {
    "mountMasthead": "masthead", "mountNotice": "notice", "mountExampleStrip": "strip", "mountCompare": "compare",
    "mountLibrary": "library", "mountProbe": "probe", "mountProbePrice": "price", "mountProbeShelf": "shelf",
    "mountMethods": "methods", "mountShares": "shares",
}  # fmt: skip
TABS = ("mountForks", "mountForksAside", "mountChain", "mountChainAside", "mountBranches")
SERVED = {"mountAnnotate": "annotate", "mountResults": "results"}
# the bridge hears clicks of a chart and shows nothing
SILENT = ("mountPlotBridge",)


def html(answers: Mapping[str, Any] | None = None) -> str:
    """The page; `feed[mount](value)` shows a document, `answers` stands for the server."""
    places = "".join(f'<div id="{name}"><div class="fl-piece"></div></div>' for name in
                     [*OWN_PLACES.values(), *SERVED.values()])  # fmt: skip
    mounts = json.dumps({**OWN_PLACES, **dict.fromkeys(TABS, ""), **SERVED, "mountExplorer": "explorer"})
    props = json.dumps({"branches": True, "forks": True, "chain": True, "continues": True, "own": True})
    table = json.dumps(dict(answers or {})).replace("<", "\\u003c")
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Pieces</title>{assets.head()}</head>
<body style="margin:0;padding:20px"><main><div id="explorer"></div>{places}</main>
<script>{SCAN.read_text()}</script>
<script>
  window.answers = {table};
  Forklore.server.call = async (name) => {{
    const found = answers[name];
    if (typeof found === "string" && found.startsWith("!")) throw new Forklore.server.ServerError(found.slice(1));
    if (found === undefined) throw new Forklore.server.ServerError("Not here.");
    return structuredClone(found);
  }};
  window.feed = {{}};
  window.pieces = {{}};
  for (const [mount, id] of Object.entries({mounts})) {{
    const props = {{value: "", ...{props}}};
    let told = () => {{}};
    const element = id ? document.getElementById(id) : document.createElement("div");
    pieces[mount] = Forklore[mount]({{element, props, trigger: () => {{}}, watch: (_, heard) => {{ told = heard; }}}});
    feed[mount] = (text) => {{ props.value = text; told(); }};
  }}
</script></body></html>"""


@dataclass(frozen=True)
class Spec:
    """One view: `feeds` makes what each mount (or, after "answers.", each endpoint) is given in a round; `tour` is
    what is pressed then, in JavaScript; each filling comes `repeat` times."""

    name: str
    rounds: int
    feeds: Callable[[Filler, int], Mapping[str, Any]]
    tour: str = ""
    repeat: int = 1
