"""What theory says of counterfactuals holds for those that the engine draws, on a model whose law can be listed.

Every law comes with a way of drawing that must break it.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from engine import noise, sampling
from engine.counterfactual import counterfactual, counterfactual_steps, plan
from engine.edits import FORCED, Held, Intervention, Splice
from engine.generate import run
from engine.hindsight import HindsightNoise
from engine.replicates import replicates
from engine.stickiness import stickiness
from engine.types import GenerationRequest, Trace
from tests.benchmarks import distances
from tests.support.letters_model import END, LettersModel

SEEDS = 600
REQUEST = GenerationRequest("ab", max_new_tokens=5)


@dataclass(frozen=True)
class Change:
    """An intervention, perhaps on the outcome of an earlier one (`before`)."""

    splices: tuple[Splice, ...] = ()
    settings: GenerationRequest | None = None
    first: int = 0
    before: tuple[Splice, ...] = ()

    def applies(self, trace: Trace) -> bool:
        return all(s.stop <= len(trace) for s in (*self.splices, *self.before)) and self.first <= len(trace)


CHANGES = {
    "replace": Change((Splice(1, 2, (3,)),)),
    "insert": Change((Splice(2, 2, (1, 2)),)),
    "delete": Change((Splice(1, 2),)),
    "two edits": Change((Splice(0, 1, (1,)), Splice(2, 3, (2,)))),
    "chain": Change((Splice(3, 4, (1,)),), before=(Splice(1, 1, (2,)),)),
    "prompt": Change(settings=replace(REQUEST, prompt="cb")),
    "temperature behind a held token": Change(settings=replace(REQUEST, temperature=0.5), first=1),
    "top-k": Change(settings=replace(REQUEST, top_k=2)),
}


@pytest.fixture(scope="module")
def toy() -> LettersModel:
    return LettersModel(4)


@pytest.fixture(scope="module")
def factuals(toy: LettersModel) -> list[Trace]:
    return [run(toy, replace(REQUEST, seed=seed)) for seed in range(SEEDS)]


def seeded(change: Change, seed: int) -> GenerationRequest | None:
    return change.settings and replace(change.settings, seed=seed)


def parents(toy: LettersModel, factuals: list[Trace], change: Change) -> list[Trace]:
    """The runs to which a change is made: those that are long enough and do not end within it."""
    if change.before:
        factuals = [t for t in factuals if len(t) > 1]
        factuals = [counterfactual(toy, trace, change.before) for trace in factuals]
    last = max((s.start for s in change.splices), default=change.first)
    return [t for t in factuals if change.applies(t) and END not in t.token_ids[:last]]


Suffixes = dict[tuple[tuple[int, ...], tuple[int, ...], int], Counter[tuple[int, ...]]]


def suffixes(
    toy: LettersModel, traces: list[Trace], change: Change, distort: Callable[[Held], Held] | None = None
) -> Suffixes:
    """What stands behind the held tokens, counted for each prompt, held tokens and room that occurred.

    distort: what to do to the held tokens before drawing on, for ways of drawing that must fail.
    """
    found: Suffixes = defaultdict(Counter)
    for trace in traces:
        settings = seeded(change, trace.settings.seed)
        planned = plan(toy, trace, Intervention(change.splices, change.first), settings=settings)
        held = planned.held
        if distort is None:
            ids = counterfactual(toy, trace, change.splices, settings=settings, first=change.first).token_ids.tolist()
        else:
            steps = counterfactual_steps(toy, planned.prompt_ids, planned.request, distort(held))
            ids = [*held.ids[: held.untouched], *(step.token_id for step in steps)]
        room = held.longest(REQUEST.max_new_tokens) - len(held.ids)
        suffix = tuple(ids[len(held.ids) :])
        found[tuple(planned.prompt_ids), held.ids, room][suffix[:room]] += 1
    return found


def fit(
    toy: LettersModel,
    found: Suffixes,
    request: GenerationRequest,
    other: tuple[tuple[int, ...], tuple[int, ...] | None] | None = None,
) -> float:
    """p-value of counted suffixes against the exact law, over all prompts and held tokens; rare suffixes pooled.

    other: take the law behind this prompt and (unless None) these held tokens instead of the true ones.
    """
    statistic, freedom = 0.0, 0
    for (prompt_ids, held, room), counts in found.items():
        if other is not None:
            prompt_ids, held = other[0], held if other[1] is None else other[1]
        law = toy.law([*prompt_ids, *held], request, room)
        assert set(counts) <= set(law) and math.isclose(sum(law.values()), 1)
        total = counts.total()
        common = [suffix for suffix, share in law.items() if share * total >= 5]
        if len(common) < 2:
            continue
        expected = np.array([law[suffix] * total for suffix in common])
        seen = np.array([counts[suffix] for suffix in common])
        rest, rare = total - expected.sum(), total - seen.sum()
        if rest >= 5:
            expected, seen = np.append(expected, rest), np.append(seen, rare)
        elif rest > 1e-9:
            expected[-1], seen[-1] = expected[-1] + rest, seen[-1] + rare
        statistic += float(((seen - expected) ** 2 / expected).sum())
        freedom += len(expected) - 1
    assert freedom >= 5, "too few cells to tell anything"
    return float(stats.chi2.sf(statistic, freedom))


@pytest.mark.parametrize("name", CHANGES)
def test_over_seeds_counterfactuals_follow_the_law_of_the_changed_input(
    toy: LettersModel, factuals: list[Trace], name: str
) -> None:
    change = CHANGES[name]
    traces = parents(toy, factuals, change)
    assert len(traces) > SEEDS / 4
    found = suffixes(toy, traces, change)
    assert fit(toy, found, change.settings or REQUEST) > 1e-3
    unchanged = ((1, 2), (2, 2) if change.splices else None)
    assert fit(toy, found, REQUEST, unchanged) < 1e-6, "negative control: the law of another text is refuted"


def test_noise_that_already_decided_a_kept_token_breaks_the_law(toy: LettersModel, factuals: list[Trace]) -> None:
    """Negative control of the alignment: drawing goes on with the row by which a kept token won."""
    change = CHANGES["insert"]
    traces = parents(toy, factuals, change)
    assert fit(toy, suffixes(toy, traces, change, distort=lambda held: replace(held, row=0)), REQUEST) < 1e-6
    assert fit(toy, suffixes(toy, traces, change, distort=lambda held: held), REQUEST) > 1e-3, "undistorted it holds"


def test_replicates_follow_the_law_of_the_changed_input(toy: LettersModel, factuals: list[Trace]) -> None:
    """Over streams 1, 2, ... of a few seeds, drawn in batches."""
    trace = next(t for t in factuals if len(t) == 5)
    planned = plan(toy, trace, Intervention((Splice(1, 2, (3,)),)))
    counts: Counter[tuple[int, ...]] = Counter()
    for seed in range(6):
        request = replace(planned.request, seed=seed)
        *_, drawn = replicates(toy, planned.prompt_ids, request, planned.held, 200)
        counts.update(tuple(one.ids[len(planned.held.ids) :]) for one in drawn)
    key = (tuple(planned.prompt_ids), planned.held.ids, 3)
    assert fit(toy, {key: counts}, REQUEST) > 1e-3
    assert fit(toy, {key: counts}, REQUEST, ((1, 2), (2, 2))) < 1e-6, "negative control"


def first_tokens(toy: LettersModel, traces: list[Trace], stream: int | None) -> np.ndarray:
    """The first token of each answer and the one that another prompt would have had there: int [n, 2]."""
    others = [counterfactual(toy, t, settings=replace(t.settings, prompt="cb"), stream=stream) for t in traces]
    return np.array([(t.token_ids[0], other.token_ids[0]) for t, other in zip(traces, others, strict=True)])


def dependence(pairs: np.ndarray) -> float:
    """p-value of independence."""
    table = np.zeros((4, 4))
    np.add.at(table, (pairs[:, 0], pairs[:, 1]), 1)
    table = table[table.sum(1) > 25][:, table.sum(0) > 25]
    return float(stats.chi2_contingency(table).pvalue)


def test_factual_and_counterfactual_depend_on_each_other_and_fresh_luck_does_not(
    toy: LettersModel, factuals: list[Trace]
) -> None:
    same, fresh = (first_tokens(toy, factuals, stream) for stream in (None, 1))
    assert dependence(same) < 1e-30
    assert dependence(fresh) > 1e-3, "negative control"
    p, q = (np.exp(sampling.truncate(toy.network.row(ids), 1.0).log_weights) for ids in ([1, 2], [3, 2]))
    p, q = p / p.sum(), q / q.sum()
    equal = [float((pairs[:, 0] == pairs[:, 1]).mean()) for pairs in (same, fresh)]
    error = 4 * math.sqrt(0.25 / SEEDS)
    assert equal[0] == pytest.approx(stickiness(p, q), abs=error), "as often equal as the closed form says"
    assert equal[1] == pytest.approx(float(p @ q), abs=error)
    assert stickiness(p, q) - float(p @ q) > 2 * error, "or the two could not be told apart"


def test_behind_an_edit_the_same_luck_draws_the_same_token_more_often(toy: LettersModel, factuals: list[Trace]) -> None:
    """Among answers with the same first token, which is all that the two texts share."""
    traces = [t for t in parents(toy, factuals, CHANGES["replace"]) if t.token_ids[0] == 2]
    assert len(traces) > 150
    pairs: dict[int | None, list[tuple[int, int]]] = {None: [], 1: []}
    for stream, found in pairs.items():
        for trace in traces:
            other = counterfactual(toy, trace, [Splice(1, 2, (3,))], stream=stream)
            if len(trace) > 2:
                found.append((int(trace.token_ids[2]), int(other.token_ids[2])))
    assert dependence(np.array(pairs[None])) < 1e-6
    assert dependence(np.array(pairs[1])) > 1e-3, "negative control"


# A model without memory draws token f(r) with row r whatever precedes it: where each row went can be read off.
BLIND = LettersModel(6, seed=4, memory=0, end_weight=-1.0)
LONG = GenerationRequest("ab", max_new_tokens=12, seed=41)
ENDED = replace(LONG, seed=104)
F = [4, 1, 3, 2, 2, 2, 2, 1, 5, 3, 2, 2]
G = [2, 5, 2, 2, 2, 5, END, 3, 2, 3, 1, 4]
STOP = 6


def rows_drawn(seed: int, stream: int, count: int, temperature: float = 1.0) -> list[int]:
    """f(0), ..., f(count - 1) by the definition: argmax of log-weights and Gumbel noise."""
    logits = BLIND.network.row(()).astype(np.float64) / temperature
    return [int(np.argmax(logits + noise.gumbel_row(seed, stream, row, 6))) for row in range(count)]


def cut(ids: list[int]) -> list[int]:
    return ids[: ids.index(END) + 1] if END in ids else ids


GOLDEN: dict[str, tuple[GenerationRequest, list[list[Splice]], list[int]]] = {
    "replace 3": (LONG, [[Splice(3, 4, (5,))]], [*F[:3], 5, *F[4:]]),
    "replace 3 by two": (LONG, [[Splice(3, 4, (5, 4))]], [*F[:3], 5, 4, *F[4:]]),
    "insert two after 3": (LONG, [[Splice(4, 4, (5, 4))]], [*F[:4], 5, 4, *F[4:]]),
    "insert before all": (LONG, [[Splice(0, 0, (5,))]], [5, *F]),
    "delete two ending at 4": (LONG, [[Splice(3, 5)]], [*F[:3], *F[5:]]),
    "delete the first": (LONG, [[Splice(0, 1)]], F[1:]),
    "replace 1, insert before 5": (LONG, [[Splice(1, 2, (5,)), Splice(5, 5, (4,))]], [F[0], 5, *F[2:5], 4, *F[5:]]),
    "delete 1, replace 6": (LONG, [[Splice(1, 2), Splice(6, 7, (5,))]], [F[0], *F[2:6], 5, *F[7:]]),
    "chain: insert two, then replace behind": (
        LONG, [[Splice(4, 4, (5, 4))], [Splice(7, 8, (3,))]], [*F[:4], 5, 4, F[4], 3, *F[6:]]),
    "chain: insert two, then replace before": (
        LONG, [[Splice(4, 4, (5, 4))], [Splice(2, 3, (5,))]], [*F[:2], 5, *F[3:]]),
    "chain: delete, then insert": (LONG, [[Splice(2, 4)], [Splice(5, 5, (5,))]], [*F[:2], *F[4:7], 5, *F[7:]]),
    "chain: insert, then take it back": (LONG, [[Splice(4, 4, (5, 4))], [Splice(4, 6)]], F),
    "an end put in": (LONG, [[Splice(3, 4, (END,))]], [*F[:3], END]),
    "the end taken away": (ENDED, [[Splice(STOP, STOP + 1, (5,))]], cut([*G[:STOP], 5, *G[STOP + 1 :]])),
    "the end earlier": (ENDED, [[Splice(1, 3)]], [G[0], *G[3 : STOP + 1]]),
    "the end later": (ENDED, [[Splice(2, 2, (5, 5, 5))]], [*G[:2], 5, 5, 5, *G[2 : STOP + 1]]),
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_every_row_goes_where_the_alignment_says(name: str) -> None:
    request, chain, expected = GOLDEN[name]
    rows = rows_drawn(request.seed, 0, 12)
    assert rows == (G if request is ENDED else F)
    trace = run(BLIND, request)
    assert trace.token_ids.tolist() == cut(rows)
    for splices in chain:
        trace = counterfactual(BLIND, trace, splices)
    assert trace.token_ids.tolist() == expected
    drawn = trace.noise_rows != FORCED
    assert trace.token_ids[drawn].tolist() == [rows[row] for row in trace.noise_rows[drawn]]


def test_other_alignments_and_other_luck_move_other_rows() -> None:
    trace = run(BLIND, LONG)
    insert = [Splice(4, 4, (5, 4))]
    absolute = counterfactual(BLIND, trace, insert, alignment="absolute")
    assert absolute.token_ids.tolist() == [*F[:4], 5, 4, *F[6:]] != [*F[:4], 5, 4, *F[4:]]
    fresh = counterfactual(BLIND, trace, insert, stream=3)
    assert fresh.token_ids.tolist() == cut([*F[:4], 5, 4, *rows_drawn(LONG.seed, 3, 12)[4:]])
    cooler = counterfactual(BLIND, trace, settings=replace(LONG, temperature=0.4), first=3)
    assert cooler.token_ids.tolist() == cut([*F[:3], *rows_drawn(LONG.seed, 0, 12, 0.4)[3:]])
    asked = counterfactual(BLIND, trace, settings=replace(LONG, prompt="eed"))
    assert asked.token_ids.tolist() == F, "a model that hears nothing says the same"


def test_an_edit_of_nothing_and_an_edit_taken_back_change_nothing(toy: LettersModel, factuals: list[Trace]) -> None:
    for trace in factuals[:40]:
        ids = trace.token_ids.tolist()
        for at in range(len(ids)):
            assert counterfactual(toy, trace, [Splice(at, at)]).token_ids.tolist() == ids, "an empty edit"
            assert counterfactual(toy, trace, [Splice(at, at + 1, (ids[at],))]).token_ids.tolist() == ids
            edited = counterfactual(toy, trace, [Splice(at, at + 1, (ids[at] % 3 + 1,))])
            assert counterfactual(toy, edited, [Splice(at, at + 1, (ids[at],))]).token_ids.tolist() == ids
    moved = [counterfactual(toy, t, [Splice(0, 1, (int(t.token_ids[0]) % 3 + 1,))]) for t in factuals[:40]]
    later = [m.token_ids[1:].tolist() != t.token_ids[1:].tolist() for m, t in zip(moved, factuals[:40], strict=True)]
    assert sum(later) > 10, "negative control: edits do change what follows"


DRAWS = 200_000


def changed_odds(p: np.ndarray, q: np.ndarray, i: np.ndarray, k: np.ndarray) -> int:
    """How often k wins under q where i won under p although the odds of k against i have not risen."""
    p_i, p_k, q_i, q_k = (np.take_along_axis(of, at[:, None], 1)[:, 0] for of in (p, q) for at in (i, k))
    return int(((i != k) & (q_k * p_i <= p_k * q_i)).sum())


def test_stability_holds_for_the_engines_noise_and_for_no_other_way_of_sharing_it() -> None:
    rng = np.random.default_rng(2)
    a, b = 1.5 * rng.standard_normal((2, DRAWS, 6))
    log_e = noise.log_exponential_row(3, 0, 0, 6 * DRAWS).reshape(DRAWS, 6)
    i, k = (log_e - a).argmin(1), (log_e - b).argmin(1)
    for draw in range(500):
        races = [sampling.race(sampling.truncate(row[draw], 1.0), log_e[draw]).token_id for row in (a, b)]
        assert races == [i[draw], k[draw]], "this is the race that the engine runs"
    p, q = (np.exp(of) / np.exp(of).sum(1, keepdims=True) for of in (a, b))
    assert (i != k).mean() > 0.2 and changed_odds(p, q, i, k) == 0
    ranked = []
    for of in (a, b):
        order = np.argsort(-of, axis=1)
        best = (log_e - np.take_along_axis(of, order, 1)).argmin(1)
        ranked.append(np.take_along_axis(order, best[:, None], 1)[:, 0])
    assert changed_odds(p, q, *ranked) > DRAWS / 100, "negative control: noise that belongs to ranks"
    uniform = rng.random((DRAWS, 1))
    inverse = [np.minimum((of.cumsum(1) < uniform).sum(1), 5) for of in (p, q)]
    assert changed_odds(p, q, *inverse) > DRAWS / 100, "negative control: inverse transform"


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_over_answers_of_a_model_hindsight_gives_gumbel_noise(temperature: float) -> None:
    """Noise is inferred row by row with the streams that the engine takes; each token's share passes for Gumbel."""
    model = LettersModel(6, seed=2, end_weight=-2.0)
    inferred: dict[str, list[np.ndarray]] = {"drawn": [], "greedy": []}
    for seed in range(250):
        request = GenerationRequest("ab", max_new_tokens=10, seed=seed, temperature=temperature)
        for name, warmth in (("drawn", temperature), ("greedy", 0.0)):
            trace = run(model, replace(request, temperature=warmth))
            ids = trace.token_ids.tolist()
            posterior = HindsightNoise(model, [1, 2], ids, seed=10_000 + seed, draw=0, temperature=temperature)
            for row in range(len(ids)):
                log_e = posterior(row, 6)
                logits = model.network.row([1, 2, *ids[:row]])
                assert sampling.race(sampling.truncate(logits, temperature), log_e).token_id == ids[row]
                ranked = np.argsort(-logits)
                inferred[name].append(-log_e[ranked])
    gumbels = np.array(inferred["drawn"])
    assert len(gumbels) > 1000
    for column in gumbels.T:
        assert stats.kstest(column, stats.gumbel_r.cdf).pvalue > 1e-3
    greedy = np.array(inferred["greedy"])[:, 0]
    assert stats.kstest(greedy, stats.gumbel_r.cdf).pvalue < 1e-6, "negative control: such texts were not drawn"


def holds_the_published_shape(rows: list[dict[str, Any]]) -> bool:
    """Equal at temperature 0, the same luck nearer at every other one, both farther when warm than when greedy."""
    same, fresh = ([row[kind].mean for row in rows] for kind in ("counterfactual", "interventional"))
    nearer = all(a < b for a, b in zip(same[1:], fresh[1:], strict=True))
    return same[0] == pytest.approx(fresh[0]) and nearer and same[-1] > same[0] and fresh[-1] > fresh[0]


def test_the_published_figure_is_drawn_from_its_data_and_has_the_known_shape() -> None:
    cells = distances.load()
    prompts = {cell.prompt for cell in cells}
    assert {(cell.prompt, cell.temperature) for cell in cells} == {
        (p, t) for p in prompts for t in distances.TEMPERATURES
    }
    rows = distances.table(cells)
    assert holds_the_published_shape(rows)
    swapped = [
        {**row, "counterfactual": row["interventional"], "interventional": row["counterfactual"]} for row in rows
    ]
    assert not holds_the_published_shape(swapped), "negative control"
    assert distances.PICTURE.read_text("utf-8") == distances.picture(rows, len(prompts))
