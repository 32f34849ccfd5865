"""`python -m tests.benchmarks.fork_accuracy`: how near an outcome curve comes to the truth for the tokens it costs.

On published roll-outs of another model, read from beside the project and never copied: each branch's 200 draws are cut
into random halves, one to estimate from and one, with every branch, as the truth. Writes assets/fork_accuracy.json
(figures only) and draws assets/fork_accuracy.svg from it (--draw only draws). After the comparison of estimators in
arXiv 2412.07961 and what followed it, in kind.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.fork_curves import Branches, Estimator, outcome_curve
from engine.fork_measures import distance
from engine.fork_sites import draws_for
from tests.benchmarks.distances import STYLE
from tests.support.recorded_forks import STRIDED, RecordedRow, recorded_rows

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
DATA, PICTURE = ROOT / "assets" / "fork_accuracy.json", ROOT / "assets" / "fork_accuracy.svg"

HALVES = 40
END_DRAWS = 30
EVERY, SAME, SHARED_OUT = "every branch", "recursion", "recursion, draws in proportion"
WAYS = {EVERY: (2, 5, 10, 20, 30, 50, 100), SAME: (2, 5, 10, 20, 50), SHARED_OUT: (3, 8, 15, 30, 60)}


@dataclass(frozen=True)
class Figure:
    """One way with one number of draws: means over answers. share: tokens drawn, of all that were recorded.

    mean, largest: total variation to the held half, over positions; low and high: of `mean`, the middle 80 % of halves.
    """

    way: str
    draws: int
    share: float
    mean: float
    largest: float
    low: float
    high: float


@dataclass(frozen=True)
class Recording:
    """One answer's draws as numbers. found: int64 [n, D], the label of each; lengths: int64 [n, D], its tokens. What is
    certain has none."""

    branches: Branches
    found: np.ndarray
    lengths: np.ndarray

    def shuffled(self, rng: np.random.Generator) -> Recording:
        """Each branch's draws in another order."""
        order = rng.permuted(np.tile(np.arange(self.found.shape[1]), (len(self.found), 1)), axis=1)
        return Recording(
            self.branches, np.take_along_axis(self.found, order, 1), np.take_along_axis(self.lengths, order, 1)
        )

    def having(self, chosen: np.ndarray) -> Branches:
        """The branches with the chosen draws only, bool [n, D]; what is certain stays."""
        table, labels = self.branches, np.arange(len(self.branches.labels))
        counts = ((self.found[:, :, None] == labels) & chosen[:, :, None]).sum(axis=1)
        return replace(table, counts=np.where(table.certain[:, None], table.counts, counts).astype(float))


def recordings(shared: Path = SHARED) -> list[Recording]:
    """Answers whose every position was recorded; none where the folder is not."""
    if not (shared / "data" / "forking").is_dir():
        return []
    return [_recording(row, shared) for row in recorded_rows(shared) if row.name not in STRIDED]


def _recording(row: RecordedRow, shared: Path) -> Recording:
    with gzip.open(shared / "data" / "forking" / f"{row.name}.json.gz", "rt", encoding="utf-8") as file:
        lengths = {(b["t"], b["tok_id"]): b["cont_lens"] for b in json.load(file)["branches"]}
    table = row.branches()
    outcomes = {(r["position"], r["token_id"]): r["outcomes"] for r in row.records}
    keys = list(zip(table.positions.tolist(), table.token_ids.tolist(), strict=True))
    found = [[table.labels.index(name) for name in outcomes[key]] for key in keys]
    return Recording(table, np.array(found), np.array([lengths[key] for key in keys]))


def wanted(table: Branches, way: str, draws: int, most: int) -> np.ndarray:
    """Draws that each branch gets: int64 [n], at most `most`."""
    if way == EVERY:
        return np.full(len(table), draws)
    last = table.is_base & (table.positions == table.positions.max())
    counts = np.full(len(table), draws) if way == SAME else draws_for(table.shares, draws=draws, most=most)
    counts = np.where(table.is_base, 0, counts)
    counts[last] = draws if way == SAME else min(END_DRAWS, most)
    return counts


def accuracy(rows: Sequence[Recording], halves: int, seed: int = 0) -> list[Figure]:
    """Every way with every number of draws; the same halves for all of them."""
    seen: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
    for number, row in enumerate(rows):
        rng = np.random.default_rng([seed, number])
        for _ in range(halves):
            for key, figures in _one_half(row.shuffled(rng)):
                seen.setdefault(key, []).append(figures)
    found = []
    for (way, draws), values in seen.items():
        share, mean, largest = np.array(values).reshape(len(rows), halves, 3).mean(axis=0).T
        low, high = np.quantile(mean, (0.1, 0.9))
        numbers = (share.mean(), mean.mean(), largest.mean(), low, high)
        found.append(Figure(way, draws, *(round(float(number), 5) for number in numbers)))
    return found


def _one_half(row: Recording) -> Iterator[tuple[tuple[str, int], tuple[float, float, float]]]:
    """For each way: share of the recorded tokens, mean and largest total variation to the other half."""
    draws = np.arange(row.found.shape[1])
    half = len(draws) // 2
    held = np.broadcast_to(draws >= half, row.found.shape)
    truth = outcome_curve(row.having(held), estimator="every-branch").probabilities
    for way, sweep in WAYS.items():
        estimator: Estimator = "every-branch" if way == EVERY else "recursion"
        for count in sweep:
            chosen = draws < wanted(row.branches, way, count, half)[:, None]
            curve = outcome_curve(row.having(chosen), estimator=estimator).probabilities
            apart = distance(curve, truth, "TV")
            share = row.lengths[chosen].sum() / row.lengths.sum()
            yield (way, count), (float(share), float(apart.mean()), float(apart.max()))


def times_fewer(figures: Sequence[Figure], draws: int = 30) -> float:
    """Tokens that every branch takes for the accuracy of draws in proportion, over what these take.

    Between the measured numbers of draws the line is straight in the logarithms; beyond them the nearest one counts, so
    that it takes at least so many.
    """
    own = next(f for f in figures if f.way == SHARED_OUT and f.draws == draws)
    every = sorted((f for f in figures if f.way == EVERY), key=lambda f: f.mean)
    share = np.interp(np.log(own.mean), np.log([f.mean for f in every]), np.log([f.share for f in every]))
    return float(np.exp(share) / own.share)


def markdown(figures: Sequence[Figure]) -> str:
    """A table for the README."""
    lines = ["| estimator | draws | mean TV | mean of the largest TV | tokens |", "|---|---|---|---|---|"]
    for f in figures:
        named = f"{f.draws} at a share of 30 %" if f.way == SHARED_OUT else str(f.draws)
        lines.append(f"| {f.way} | {named} | {f.mean:.4f} | {f.largest:.3f} | {100 * f.share:.2g} % |")
    return "\n".join(lines)


LEFT, RIGHT, TOP, BOTTOM = 64, 508, 58, 318
LEAST, MOST, HIGHEST = 0.002, 0.5, 0.22
TICKS = (0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def picture(figures: Sequence[Figure], answers: int, halves: int) -> str:
    """An SVG of 700 x 372 with its own ground in light and dark; the two curves differ in colour and mark."""
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 372" width="700" height="372" role="img" '
        'aria-labelledby="t d">',
        '<title id="t">The recursion needs far fewer tokens for an outcome curve of equal accuracy</title>',
        f'<desc id="d">{described(figures)}</desc>',
        f"<style>{STYLE}</style>",
        '<rect width="700" height="372" rx="8" style="fill:var(--ground)"/>',
        '<text class="title" x="16" y="28">How far is the outcome curve from the truth, for the tokens drawn?</text>',
        *_axes(),
        *_curve("fresh", EVERY, figures),
        *_curve("same", SHARED_OUT, figures),
        *_names(),
        f'<text x="{LEFT}" y="362" style="font-size:12px">Mean total variation to the other half of the draws; '
        f"{answers} recorded answers, bands: 80 % of {halves} random halves.</text>",
        "</svg>\n",
    ]
    return "\n".join(parts)


def described(figures: Sequence[Figure]) -> str:
    """The figure in words."""
    said = [
        f"{f.way}, {f.draws} draws: {f.mean:.3f} for {100 * f.share:.2g} % of the tokens"
        for f in figures
        if f.way != SAME
    ]
    return f"Mean total variation to the held half. {'; '.join(said)}."


def _x(share: float) -> float:
    return float(LEFT + (RIGHT - LEFT) * np.log(share / LEAST) / np.log(MOST / LEAST))


def _y(apart: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * apart / HIGHEST


def _axes() -> Iterator[str]:
    for tick in np.arange(0, HIGHEST, 0.05):
        yield f'<path d="M{LEFT} {_y(tick):.1f}H{RIGHT}" style="stroke:var(--line)"/>'
        yield f'<text x="{LEFT - 10}" y="{_y(tick) + 5:.1f}" text-anchor="end">{tick:.2f}</text>'
    for share in TICKS:
        yield f'<text x="{_x(share):.1f}" y="{BOTTOM + 21}" text-anchor="middle">{100 * share:g}</text>'
    yield f'<text x="{RIGHT + 22}" y="{BOTTOM + 21}">% of the tokens</text>'


def _curve(style: str, way: str, figures: Sequence[Figure]) -> Iterator[str]:
    at = [f for f in figures if f.way == way]
    outline = [(_x(f.share), _y(f.high)) for f in at] + [(_x(f.share), _y(f.low)) for f in reversed(at)]
    yield f'<polygon class="{style} band" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in outline)}"/>'
    line = " ".join(f"{_x(f.share):.1f},{_y(f.mean):.1f}" for f in at)
    yield f'<polyline class="{style} curve" points="{line}"/>'
    for f in at:
        x, y = _x(f.share), _y(f.mean)
        if style == "same":
            yield f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
        else:
            yield f'<rect class="{style}" x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9"/>'


def _names() -> Iterator[str]:
    for style, at, name, words in (
        ("fresh", 150, "■ every branch", "the published estimator"),
        ("same", 216, "● recursion", "draws in proportion"),
    ):
        yield f'<text class="{style} name" x="{RIGHT + 16}" y="{at}">{name}</text>'
        yield f'<text x="{RIGHT + 16}" y="{at + 19}" style="font-size:13px">{words}</text>'


def save(figures: Sequence[Figure], made: dict[str, Any], path: Path = DATA) -> None:
    """Write the figures and how they came about, one a line."""
    lines = ",\n".join(json.dumps(asdict(figure)) for figure in figures)
    path.write_text(f'{{"how": {json.dumps(made)},\n"figures": [\n{lines}\n]}}\n', "utf-8")


def load(path: Path = DATA) -> tuple[list[Figure], dict[str, Any]]:
    """The figures and how they came about."""
    found = json.loads(path.read_text("utf-8"))
    return [Figure(**figure) for figure in found["figures"]], found["how"]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", action="store_true", help="draw the picture again from what was measured")
    if not parser.parse_args(arguments).draw:
        rows = recordings()
        if not rows:
            print(f"There are no recorded roll-outs in {SHARED}: put them there, or use --draw.", file=sys.stderr)
            return 1
        save(accuracy(rows, HALVES), {"answers": len(rows), "halves": HALVES, "draws": rows[0].found.shape[1]})
    figures, made = load()
    PICTURE.write_text(picture(figures, made["answers"], made["halves"]), "utf-8")
    print(markdown(figures))
    print(f"\nEvery branch takes at least {times_fewer(figures):.1f} times the tokens of 30 draws in proportion.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
