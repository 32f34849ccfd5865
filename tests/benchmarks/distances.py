"""`python -m tests.benchmarks.distances`: how far an early edit carries, with the same luck and with fresh luck.

Two answers of the embedded model to each of twenty prompts at five temperatures (one where it is greedy); in each, one
early token gives way to its most likely alternative and what follows is written again. Goes on where an earlier call
broke off. Writes assets/distances.json and draws assets/distances.svg from it (--draw only draws). After the comparison
published in arXiv 2409.17027, in kind.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.counterfactual import plan
from engine.distance import text_distance
from engine.edits import Intervention, Splice
from engine.generate import run
from engine.models import LanguageModel, load_model
from engine.replicates import replicates
from engine.types import NOISE_VERSION, GenerationRequest, Trace

ASSETS = Path(__file__).resolve().parents[2] / "assets"
DATA, PICTURE = ASSETS / "distances.json", ASSETS / "distances.svg"

TEMPERATURES = (0.0, 0.3, 0.6, 0.9, 1.2)
TOKENS = 48
EDITED = 3
REPLICATES = 8
ANSWERS = 2
SEEDS_APART = 10_000
RESAMPLES = 10_000
PROMPTS = (
    "Tell a short story about a fox who keeps a lighthouse.",
    "How do I keep tomatoes from splitting?",
    "Write a letter to a neighbour about a noisy dog.",
    "Why is the sky blue?",
    "Describe a market in a small town.",
    "What should I pack for a week in the mountains?",
    "Explain photosynthesis to a child.",
    "Write a poem about rain.",
    "What makes a good friend?",
    "Give me a plan for learning the guitar.",
    "Who was Marie Curie?",
    "Describe the taste of coffee.",
    "How does a bicycle stay upright?",
    "Write the opening of a detective novel.",
    "What are the pros and cons of living in a city?",
    "Suggest a name for a bakery and say why.",
    "How do birds find their way south?",
    "Summarise the story of Romeo and Juliet.",
    "What happens when water freezes?",
    "Write a speech for a friend's birthday.",
)


@dataclass(frozen=True)
class Cell:
    """One edited answer: distances behind the edit to the factual answer, in [0, 1].

    counterfactual: with the answer's own noise; interventional: with fresh noise, one a replicate.
    """

    prompt: str
    temperature: float
    seed: int
    replaced: str
    by: str
    counterfactual: float
    interventional: tuple[float, ...]


@dataclass(frozen=True)
class Point:
    """A mean over prompts with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


def measure(model: LanguageModel, number: int, answer: int) -> Iterator[Cell]:
    """One cell for every temperature of a prompt, all from one seed; greedy decoding has but one answer."""
    for temperature in TEMPERATURES if answer == 0 else TEMPERATURES[1:]:
        seed = number + SEEDS_APART * answer
        request = GenerationRequest(PROMPTS[number], max_new_tokens=TOKENS, temperature=temperature, seed=seed)
        yield edited_cell(model, factual(model, request))


def factual(model: LanguageModel, request: GenerationRequest) -> Trace:
    """The answer to edit; one that ends before anything follows the edited token is drawn from the next seed."""
    trace = run(model, request)
    while len(trace) <= EDITED + 1:
        assert trace.settings is not None and request.temperature > 0, "the greedy answer is too short to edit"
        request = replace(request, seed=request.seed + len(PROMPTS))
        trace = run(model, request)
    return trace


def edited_cell(model: LanguageModel, trace: Trace) -> Cell:
    """Replace token EDITED by its most likely alternative that goes on, and draw the rest with 1 + REPLICATES lucks.

    All of them come from one batch: stream 0 is the answer's own noise, so both kinds take the same path.
    """
    assert trace.settings is not None
    old = int(trace.token_ids[EDITED])
    new = next(int(i) for i in trace.topk_ids[EDITED] if int(i) != old and int(i) not in model.special_ids)
    edit = plan(model, trace, Intervention((Splice(EDITED, EDITED + 1, (new,)),)))
    *_, drawn = replicates(model, edit.prompt_ids, edit.request, edit.held, 1 + REPLICATES, first_stream=0)
    original = behind_edit(model, trace.token_ids.tolist())
    same, *fresh = (round(text_distance(original, behind_edit(model, one.ids)), 4) for one in drawn)
    named = [model.token_bytes(i).decode(errors="replace") for i in (old, new)]
    asked = trace.settings
    return Cell(asked.prompt, asked.temperature, asked.seed, named[0], named[1], same, tuple(fresh))


def behind_edit(model: LanguageModel, ids: Sequence[int]) -> str:
    """What an answer says behind the edited token, without control tokens."""
    pairs = list(zip(model.pieces(ids), ids, strict=True))[EDITED + 1 :]
    return "".join(piece for piece, token_id in pairs if token_id not in model.special_ids)


def table(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Per temperature: mean distance of both kinds and of their difference within a prompt, each a Point.

    A prompt counts once, with the mean over its answers. kept: the share of answers that go on word for word as before,
    with the same luck and with fresh luck.
    """
    rows = []
    for temperature in sorted({cell.temperature for cell in cells}):
        here = [cell for cell in cells if cell.temperature == temperature]
        prompts = list(dict.fromkeys(cell.prompt for cell in here))
        same = np.array([np.mean([c.counterfactual for c in here if c.prompt == prompt]) for prompt in prompts])
        fresh = np.array([np.mean([c.interventional for c in here if c.prompt == prompt]) for prompt in prompts])
        rows.append(
            {
                "temperature": temperature,
                "counterfactual": interval(same),
                "interventional": interval(fresh),
                "difference": interval(fresh - same),
                "kept": (
                    float(np.mean([cell.counterfactual == 0 for cell in here])),
                    float(np.mean([np.equal(cell.interventional, 0) for cell in here])),
                ),
            }
        )
    return rows


def interval(values: np.ndarray) -> Point:
    """Mean of [n] and the middle 95 % of means of n drawn with replacement; the same draws for equal n."""
    chosen = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[chosen].mean(axis=1), (0.025, 0.975))
    return Point(float(values.mean()), float(low), float(high))


LEFT, RIGHT, TOP, BOTTOM = 64, 508, 58, 318
STYLE = """
  svg { --ground: #ffffff; --ink: #1d1c1a; --soft: #605c55; --line: #e6e2da; --same: #1d4f91; --fresh: #b65f1c }
  @media (prefers-color-scheme: dark) {
    svg { --ground: #1a1c1f; --ink: #ece9e4; --soft: #a8a298; --line: #2c2f33; --same: #8ab4e8; --fresh: #e09450 }
  }
  text { font: 14px Inter, system-ui, "DejaVu Sans", sans-serif; fill: var(--soft) }
  .title { font-size: 16px; font-weight: 600; fill: var(--ink) }
  .same { fill: var(--same); color: var(--same) } .fresh { fill: var(--fresh); color: var(--fresh) }
  .curve { fill: none; stroke: currentColor; stroke-width: 2.5 } .band { fill: currentColor; opacity: .16 }
  .name { font-weight: 600 }
"""


def picture(rows: Sequence[dict[str, Any]], prompts: int) -> str:
    """An SVG of 700 x 372 with its own ground in light and dark; the two curves differ in colour and mark."""
    ceiling = max(row[kind].high for row in rows for kind in ("counterfactual", "interventional"))
    top = np.ceil(ceiling * 10) / 10
    warmest = max(row["temperature"] for row in rows)

    def x(temperature: float) -> float:
        return LEFT + (RIGHT - LEFT) * temperature / warmest

    def y(distance: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * distance / top

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 372" width="700" height="372" role="img" '
        'aria-labelledby="t d">',
        '<title id="t">The same luck keeps an edited answer closer to the original</title>',
        f'<desc id="d">{described(rows)}</desc>',
        f"<style>{STYLE}</style>",
        '<rect width="700" height="372" rx="8" style="fill:var(--ground)"/>',
        '<text class="title" x="16" y="28">One early token replaced: how different is what follows?</text>',
        *_axes(rows, top, x, y),
        *_curve("fresh", "interventional", rows, x, y),
        *_curve("same", "counterfactual", rows, x, y),
        *_names(rows, y),
        f'<text x="{LEFT}" y="362" style="font-size:12px">Normalised edit distance in characters behind the edit; '
        f"{prompts} prompts, bands: 95 % bootstrap over prompts.</text>",
        "</svg>\n",
    ]
    return "\n".join(parts)


def described(rows: Sequence[dict[str, Any]]) -> str:
    """The figure in words."""
    said = [
        f"temperature {row['temperature']:g}: same luck {row['counterfactual'].mean:.2f}, "
        f"fresh luck {row['interventional'].mean:.2f}"
        for row in rows
    ]
    return f"Mean distance to the original answer. {'; '.join(said)}."


Place = Callable[[float], float]


def _axes(rows: Sequence[dict[str, Any]], top: float, x: Place, y: Place) -> Iterator[str]:
    for tick in np.arange(0, top + 1e-9, 0.2):
        yield f'<path d="M{LEFT} {y(tick):.1f}H{RIGHT}" style="stroke:var(--line)"/>'
        yield f'<text x="{LEFT - 10}" y="{y(tick) + 5:.1f}" text-anchor="end">{tick:.1f}</text>'
    for row in rows:
        warmth = row["temperature"]
        yield f'<text x="{x(warmth):.1f}" y="{BOTTOM + 21}" text-anchor="middle">{warmth:g}</text>'
    yield f'<text x="{RIGHT + 16}" y="{BOTTOM + 21}">temperature</text>'


def _curve(style: str, kind: str, rows: Sequence[dict[str, Any]], x: Place, y: Place) -> Iterator[str]:
    at = [(x(row["temperature"]), row[kind]) for row in rows]
    outline = [(px, y(p.high)) for px, p in at] + [(px, y(p.low)) for px, p in reversed(at)]
    yield f'<polygon class="{style} band" points="{" ".join(f"{px:.1f},{py:.1f}" for px, py in outline)}"/>'
    yield f'<polyline class="{style} curve" points="{" ".join(f"{px:.1f},{y(p.mean):.1f}" for px, p in at)}"/>'
    for px, p in at:
        py = y(p.mean)
        if style == "same":
            yield f'<circle class="{style}" cx="{px:.1f}" cy="{py:.1f}" r="5"/>'
        else:
            yield f'<rect class="{style}" x="{px - 4.5:.1f}" y="{py - 4.5:.1f}" width="9" height="9"/>'


def _names(rows: Sequence[dict[str, Any]], y: Place) -> Iterator[str]:
    """Each curve's name at its right end, kept apart."""
    last = rows[-1]
    high = y(last["interventional"].mean)
    low = max(y(last["counterfactual"].mean), high + 52)
    for style, at, name, words in (
        ("fresh", high, "■ fresh luck", "interventional, mean of 8"),
        ("same", low, "● same luck", "counterfactual"),
    ):
        yield f'<text class="{style} name" x="{RIGHT + 16}" y="{at:.1f}">{name}</text>'
        yield f'<text x="{RIGHT + 16}" y="{at + 19:.1f}" style="font-size:13px">{words}</text>'


def how(model: LanguageModel) -> dict[str, Any]:
    """What has to be the same for two cells to stand in one table."""
    card = model.card
    return {
        "model": card.repo, "revision": card.revision, "dtype": card.dtype, "noise": NOISE_VERSION, "tokens": TOKENS,
        "edited_token": EDITED, "replicates": REPLICATES,
    }  # fmt: skip


def save(cells: Sequence[Cell], made: dict[str, Any], path: Path = DATA) -> None:
    """Write what was measured and how, a cell a line."""
    lines = ",\n".join(json.dumps(asdict(cell), ensure_ascii=False) for cell in cells)
    path.write_text(f'{{"how": {json.dumps(made)},\n"cells": [\n{lines}\n]}}\n', "utf-8")


def load(path: Path = DATA, made: dict[str, Any] | None = None) -> list[Cell]:
    """The measured cells; none where there is no file, or one that was made in another way."""
    if not path.exists():
        return []
    found = json.loads(path.read_text("utf-8"))
    if made not in (None, found["how"]):
        return []
    return [Cell(**{**cell, "interventional": tuple(cell["interventional"])}) for cell in found["cells"]]


def measure_missing(model: LanguageModel) -> None:
    """Go on where an earlier call broke off; saved after every prompt."""
    known: dict[tuple[int, int], list[Cell]] = {}
    for cell in load(made=how(model)):
        number = PROMPTS.index(cell.prompt)
        known.setdefault((number, (cell.seed - number) // SEEDS_APART), []).append(cell)
    every = [(number, answer) for answer in range(ANSWERS) for number in range(len(PROMPTS))]
    for number, answer in every:
        if (number, answer) not in known:
            print(f"answer {answer + 1} to prompt {number + 1} of {len(PROMPTS)} ...", file=sys.stderr, flush=True)
            known[number, answer] = list(measure(model, number, answer))
            save([cell for key in every for cell in known.get(key, ())], how(model))


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", action="store_true", help="draw the picture again from what was measured")
    parser.add_argument("--again", action="store_true", help="measure everything anew")
    options = parser.parse_args(arguments)
    if options.again:
        DATA.unlink(missing_ok=True)
    if not options.draw:
        measure_missing(load_model("embedded", device="cpu", dtype="float32"))
    cells = load()
    rows = table(cells)
    PICTURE.write_text(picture(rows, len({cell.prompt for cell in cells})), "utf-8")
    print("| temperature | same luck | fresh luck | difference | unchanged behind the edit |\n|---|---|---|---|---|")
    for row in rows:
        points = [row[kind] for kind in ("counterfactual", "interventional", "difference")]
        said = " | ".join(f"{p.mean:.3f} ({p.low:.3f} to {p.high:.3f})" for p in points)
        print(f"| {row['temperature']:g} | {said} | {row['kept'][0]:.0%} and {row['kept'][1]:.0%} |")


if __name__ == "__main__":
    main(sys.argv[1:])
