"""A page with the instrument and the chain's piece on documents made here; remembers every event that it would send.

No server and no model. Tokens, scores, similarities and substitutes of `document` are those of a real answer; its arcs,
hops and figures were made by hand.
"""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Locator, Page

from tests.support.whatif_page import ADDRESS, run
from ui import assets

RUN = "parent"
# arcs that are drawn
SHOWN = ".fl-ch-arcs g:not(.fl-ch-weak)"
HOSTILE = "<img src=x onerror=window.__ran=1> ${window.__ran=2} \u202eevil\u200b"
CUT = (
    "To| solve| this| problem|,| we| need| to| break| it| down| step| by| step|.| First|,| we| calculate| the| total"
    "| number| of| pencils| given| away|:| |1|2| (|the| number| of| boxes|)| +| |7| (|the| number| of| pencils| given"
    "| away|)| =| |2|1| pencils|.|\n|\n|Now|,| we| need| to| find| the| number| of| pencils| left|.| We| can| do| this"
    "| by| subtracting| the| number| of| boxes| from| the| total| number| of| pencils| given| away|:| |2|1| -| |1|2"
    "| =| |4| pencils|.|\n|\n|So|,| there| are| |4| pencils| left| in| total|.|\n|\n|The| final| answer| is| |4|."
    "|⟨end⟩"
)
PIECES = CUT.split("|")
ANSWER = 118
SCORES = {
    6: 0.868, 18: 0.919, 20: 1.643, 21: 1.044, 23: 0.762, 24: 0.981, 25: 0.929, 29: 0.925, 32: 0.952, 34: 0.825,
    36: 0.935, 38: 0.955, 45: 0.801, 47: 0.749, 49: 0.386, 50: 0.949, 89: 0.95, 93: 0.931, 95: 0.575, 105: 0.662,
}  # fmt: skip
SIMILARITY = (
    0.545, 0.442, 0.517, 0.603, 0.442, 0.489, 0.611, 0.753, 0.587, 0.531, 0.6, 0.801, 0.648, 0.635, 0.522, 0.771,
    0.443, 0.553, 0.796, 0.651,
)  # fmt: skip
KEPT = (21, 25, 29, 36, 38, 45, 47, 50, 95, 105)
# from token, to token, weight, hop: each token rests on up to three that stand before it
ARCS = (
    (118, 105, 0.662, 1), (118, 95, 0.575, 1), (118, 50, 0.31, 1),
    (105, 93, 0.551, 2), (105, 89, 0.402, 2), (95, 93, 0.38, 2), (95, 89, 0.548, 2), (50, 49, 0.386, 2),
    (50, 47, 0.749, 2), (93, 50, 0.639, 3), (93, 45, 0.301, 3), (89, 38, 0.655, 3), (89, 36, 0.435, 3),
    (49, 45, 0.5, 3), (47, 38, 0.3, 3), (47, 36, 0.5, 3), (45, 34, 0.525, 4), (38, 34, 0.3, 4), (38, 32, 0.452, 4),
    (36, 32, 0.5, 4), (36, 29, 0.925, 4), (34, 25, 0.529, 5), (34, 24, 0.481, 5), (32, 25, 0.4, 5),
    (32, 24, 0.5, 5), (29, 23, 0.462, 5), (29, 21, 0.544, 5), (25, 23, 0.3, 6), (24, 21, 0.5, 6), (24, 20, 0.843, 6),
    (23, 20, 0.8, 6), (21, 18, 0.919, 7), (20, 6, 0.868, 7),
)  # fmt: skip
SUBSTITUTES = (
    (50, 32, "0", 0.31, 0.412), (36, 731, " -", 0.22, 0.901), (95, 34, "2", 0.14, 0.0031), (95, 33, "1", 0.12, 0.0124),
    (95, 35, "3", 0.09, 0.071), (21, 1902, " amount", 0.07, 0.938), (25, 288, " to", 0.05, 0.929),
    (95, 40, "8", 0.04, 0.022), (38, 35, "3", 0.03, 0.88), (36, 1672, " *", 0.02, 0.915),
)  # fmt: skip
P_ANSWER = 0.9369


def line(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False) + "\n"


def header(uid: str = RUN, *, chain: str = "chain-1", **more: Any) -> str:
    """The first line; chain="": nothing was traced yet."""
    head: dict[str, Any] = {
        "v": 1, "run": uid, "chain": chain, "title": "Pencils", "pieces": list(PIECES),
        "found": [
            {"way": "number", "label": "last number", "start": ANSWER, "stop": ANSWER + 1, "text": "4"},
            {"way": "answer_is", "label": "after “answer is”", "start": ANSWER - 1, "stop": ANSWER + 2, "text": "4."},
        ],
        "span": [ANSWER, ANSWER + 1],
        "others": [{"uid": "chain-1", "text": "4", "start": ANSWER, "stop": ANSWER + 1,
                    "created": "2026-01-02T10:00:00+00:00"}] if chain else [],
        "languages": [{"name": "en", "label": "English"}, {"name": "de", "label": "German"}],
        "settings": {"language": "en", "reduction": "max", "heads": 16, "most_a_round": 3, "threshold": 0.5,
                     "minimum": 5, "similar": 10, "floor": 0, "top": 5, "least_probability": 0.01, "scan_depth": 5,
                     "more": 10, "extra_stop_words": []},
        "price": {"rows": 192, "variants": 20},
    }  # fmt: skip
    return line(head | more)


def standing(state: str = "finished", message: str = "", done: int = 0, total: int = 0) -> str:
    """The last line."""
    return line({"s": {"state": state, "message": message, "done": done, "total": total}})


def tokens() -> str:
    """The chain; the last token of it has no entropy on record."""
    hops = {to: min(hop for _, t, _, hop in ARCS if t == to) for _, to, _, _ in ARCS}
    direct = {to: weight for at, to, weight, _ in ARCS if at == ANSWER}
    rows = [
        [t, score, SIMILARITY[i], int(t in KEPT), hops[t], round(0.02 + 0.37 * (i % 5), 3),
         None if t == 105 else round(0.05 + 0.21 * (i % 7), 3), direct.get(t, 0.0)]
        for i, (t, score) in enumerate(SCORES.items())
    ]  # fmt: skip
    return line({"tokens": rows}) + line({"arcs": [list(arc) for arc in ARCS]})


def variants(known: int = len(SUBSTITUTES)) -> str:
    """The variants; only the first `known` of them have been computed."""
    rows = [
        [t, token, text, p, *([answer, round(answer / P_ANSWER, 5), round(0.0303 * p, 6)] if i < known else [None] * 3)]
        for i, (t, token, text, p, answer) in enumerate(SUBSTITUTES)
    ]
    return line({"variants": rows})


def confidence(**more: Any) -> str:
    figures: dict[str, Any] = {
        "p_uqac": 0.0397, "p_answer": P_ANSWER, "p_kept": 0.0303, "p_chain": 0.000111, "kept": 10, "variants": 10,
        "mean_chain": 0.712, "mean_kept": 0.744, "mean_response": 0.681, "p_response": 3.2e-21, "rauq": 0.412,
        "attention_weighted_surprisal": 0.871,
    }  # fmt: skip
    return line({"confidence": figures | more})


def document(uid: str = RUN, **more: Any) -> str:
    """A finished chain."""
    return header(uid, **more) + tokens() + variants() + confidence() + standing()


def offer(uid: str = RUN, **more: Any) -> str:
    """No chain yet: what there is to trace and what it costs."""
    return header(uid, chain="", **more) + standing("idle")


def html(*, dark: bool = False, forks: bool = True) -> str:
    """A whole page; `chainFeed(text)` shows a document, `chainAside(text)` what comes beside it.

    `heard` has the events. The panel before it stands for the one of forks, so that one can see where a button leads.
    """
    first = json.dumps(run(RUN, PIECES)).replace("<", "\\u003c")
    props = json.dumps({"branches": True, "forks": forks, "chain": True})
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Instrument</title>
<meta name="viewport" content="width=device-width, initial-scale=1">{assets.head()}</head>
<body class="{"dark" if dark else ""}" style="margin:0;padding:20px;background:var(--fl-page)">
<main><div id="explorer"></div></main>
<script>
  window.heard = [];
  const trigger = (name, detail) => heard.push([name, detail]);
  const piece = (mount) => {{
    const props = {{value: ""}};
    let told = () => {{}};
    mount({{element: document.createElement("div"), props, trigger, watch: (_, listener) => {{ told = listener; }}}});
    return (text) => {{ props.value = text; told(); }};
  }};
  Forklore.panels.splice(Forklore.panels.findIndex((one) => one.id === "forks"), 1);
  Forklore.registerPanel({{id: "forks", label: "Forks", order: 20, needs: "forks", build: () => ({{}})}});
  const props = {{value: {first}, ...{props}}};
  let told = () => {{}};
  window.instrument = Forklore.mountExplorer({{
    element: document.getElementById("explorer"), props, trigger, watch: (_, listener) => {{ told = listener; }},
  }});
  window.feed = (text) => {{ props.value = text; told(); }};
  window.chainFeed = piece(Forklore.mountChain);
  window.chainAside = piece(Forklore.mountChainAside);
</script></body></html>"""


def open_panel(page: Page, first: str = "", **options: Any) -> Locator:
    """The page in a browser, its Chain tab open, with a document where one is given."""
    body = html(**options)
    page.route(ADDRESS, lambda route: route.fulfill(body=body, content_type="text/html; charset=utf-8"))
    page.goto(ADDRESS)
    page.get_by_role("tab", name="Chain").click()
    if first:
        feed(page, first)
    return page.locator(".fl-chain")


def feed(page: Page, text: str) -> None:
    page.evaluate("text => chainFeed(text)", text)


def heard(page: Page, name: str) -> list[dict[str, Any]]:
    return [detail for event, detail in page.evaluate("heard") if event == name]


def token(panel: Locator, t: int) -> Locator:
    return panel.locator(f".fl-ch-words [data-t='{t}']")


def words(panel: Locator) -> Locator:
    return panel.get_by_role("listbox", name="Tokens of the answer, with their chain")


def title(panel: Locator) -> Locator:
    return panel.locator(".fl-ch-detail .fl-ch-title")


def trace_button(panel: Locator) -> Locator:
    return panel.get_by_role("button", name="Trace this answer")


def strength(panel: Locator, count: int) -> None:
    panel.get_by_label("Strength").evaluate(
        "(node, count) => { node.value = count; node.dispatchEvent(new Event('input', {bubbles: true})); }", count
    )


def marked(panel: Locator) -> list[int]:
    """Tokens that are drawn as part of the chain."""
    found = panel.locator(".fl-ch-token:has(.fl-ch-kept, .fl-ch-let)")
    return found.evaluate_all("nodes => nodes.map((node) => Number(node.dataset.t))")
