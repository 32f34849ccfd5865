"""Every score with its definition, generated from the registries, and what is recorded, as JSON for the browser.

A score added to a registry appears here by itself. Does not know gradio or how anything is drawn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine import run_scores, token_scores
from engine.logprob_import import BOUND_SCORES
from engine.noise import FACTUAL_STREAM
from engine.run_scores import RunScore
from engine.token_scores import TokenScore
from engine.types import NOISE_VERSION, TOP_K

DIRECTIONS: Mapping[str, str] = {
    "uncertain": "higher = less certain",
    "confident": "higher = more certain",
    "familiar": "higher = more like this model’s own text",
    "atypical": "higher = less typical, in either direction",
    "flag": "marked or not",
    "class": "kinds, without an order",
}
NEEDS = {"topk": f"the {TOP_K} best alternatives"}


def methods() -> str:
    """Groups of scores with all their fields, and the explanations that hold for all of them."""
    groups = (
        ("token", "Token scores", "One number for every token, from the distribution it was drawn from.",
         token_scores.REGISTRY),
        ("run", "Run scores", "One number for a whole answer, following from its token scores.", run_scores.REGISTRY),
        ("bound", "Bounds for imported runs", "Only where an API returned a few alternatives instead of the whole "
         "distribution.", BOUND_SCORES),
    )  # fmt: skip
    document = {
        "groups": [
            {"id": name, "label": label, "about": about, "entries": [entry(score) for score in registry.values()]}
            for name, label, about, registry in groups
        ],
        "explanations": explanations(),
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def entry(score: TokenScore | RunScore) -> dict[str, Any]:
    """One score. anchor: its fragment in the address; scale: the colour scale's ends (null: open)."""
    return {
        "name": score.name,
        "anchor": score.name,
        "label": score.label,
        "symbol": score.symbol,
        "unit": score.unit,
        "direction": score.direction,
        "direction_text": DIRECTIONS[score.direction],
        "definition": score.definition,
        "short": score.short,
        "range": getattr(score, "range", "") or _range(score.low, score.high),
        "scale": [score.low, score.high],
        "caveat": score.caveat,
        "reference": score.reference,
        "needs": [_need(name) for name in score.needs],
        "group": score.group,
        "classes": list(getattr(score, "classes", ())),
        "over_run": bool(getattr(score, "over_run", False)),
    }


def explanations() -> list[dict[str, Any]]:
    """What holds for every score: id, title, paragraphs, and rows of (term, meaning) where a list reads better."""
    return [_distribution(), _units(), _noise(), _recorded()]


def _need(name: str) -> dict[str, str]:
    """Another score to jump to, or something recorded that has no entry of its own."""
    if name in token_scores.REGISTRY:
        return {"name": name, "label": token_scores.REGISTRY[name].label}
    return {"name": "", "label": NEEDS.get(name, name)}


def _range(low: float | None, high: float | None) -> str:
    """The usual range in words, for scores that state it only as numbers."""
    if low is None and high is None:
        return "unbounded"
    if high is None:
        return f"{low:g} and above".replace("-", "−")
    if low is None:
        return f"{high:g} and below".replace("-", "−")
    return f"usually {low:g} to {high:.4g}".replace("-", "−")


def _distribution() -> dict[str, Any]:
    return {
        "id": "which-distribution",
        "title": "Which distribution",
        "paragraphs": [
            "Two distributions stand behind every sampled token, and they answer different questions."
        ],
        "rows": [
            ["The model’s own", "Softmax over the full vocabulary at temperature 1, before any truncation, in 32-bit "
             "floats or better. It says what the model thought. Every score is computed from it unless its "
             "definition says otherwise."],
            ["Sampled from", "The same row divided by the temperature, cut to top-k, then to top-p, and normalised "
             "again. It says what could have been drawn. The inspector shows it beside the model’s own; CNTP trials "
             "is the one score computed from it."],
            ["Scored text", "Given tokens are read, not drawn: there is only the model’s own distribution, and a first "
             "token that nothing precedes has none."],
            ["Imported", "An API returns a few alternatives a token. What they leave open makes entropy an interval: "
             "its lower end stands in entropy’s place, marked ≥, and its upper end is a score of its own."],
        ],
    }  # fmt: skip


def _units() -> dict[str, Any]:
    return {
        "id": "units",
        "title": "Units and directions",
        "paragraphs": [
            "Logarithms are natural, so surprisal and entropy come in nats; one nat is 1.443 bits, and the page can "
            "show bits. n/a means that a number does not exist, which is not zero."
        ],
        "rows": [[name, text] for name, text in DIRECTIONS.items()],
    }


def _noise() -> dict[str, Any]:
    return {
        "id": "noise",
        "title": "Noise",
        "paragraphs": [
            "A token is drawn by adding one random Gumbel number to the log-weight of every token that may be drawn "
            "and taking the largest sum, which is exactly sampling from that distribution. The numbers come from a "
            f"counter-based generator ({NOISE_VERSION}) addressed by seed, stream (an answer uses stream "
            f"{FACTUAL_STREAM}) and row, so the same luck can be made again at any time and nothing but the address "
            "is stored."
        ],
        "rows": [
            ["margin", "Lead of the winning sum over the second: near zero, a breath of other noise would have "
             "changed the token."],
            ["runner-up", "The token that would have been drawn next."],
            ["luck", "The winner’s own Gumbel number; above 12 (six in a million) the text is implausible for this "
             "model."],
        ],
    }  # fmt: skip


def _recorded() -> dict[str, Any]:
    return {
        "id": "recorded",
        "title": "What is recorded",
        "paragraphs": ["Everything below is kept with a run and exported with it, bit for bit."],
        "rows": [
            ["the run", "Prompt, system text, settings and seed; how it ended and how long it took."],
            ["the model", "Repository, revision, quantisation, number type, device and a fingerprint of the "
             "tokenizer: enough to tell whether two runs are comparable."],
            ["each token", f"Its id and bytes, every token score, the {TOP_K} most likely tokens with their "
             "log-probabilities, and the probability of all others together."],
            ["each draw", "Noise row, margin, runner-up, luck, and how many tokens could have been drawn."],
            ["not recorded", f"The distribution beyond its {TOP_K} most likely tokens, hidden states and attention."],
        ],
    }  # fmt: skip
