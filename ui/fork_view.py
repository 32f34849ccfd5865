"""The document of a forking analysis: its curve, branches and what they say, as lines of JSON for the browser.

Knows a report; does not know the store, the queue or gradio.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np

from engine import changepoints, fork_measures
from engine.fork_analysis import BAND_SAMPLES, ForkingReport
from engine.fork_curves import NO_ANSWERS, OTHER, UNFINISHED
from engine.forking import Branches, OutcomeCurve, chance_bands
from engine.outcomes import REGISTRY, UNPARSED
from engine.types import Trace
from ui.wire import number, wire_line

VERSION = 1
EPS_SWEEP = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
JUMP_SWEEP = (0.1, 0.15, 0.2)
SHOWN_CHANGE = 0.02
# shares above which the page says so
LOW_KEPT_MASS = 0.5
MUCH_LOST = 0.1
# the penalty of the second opinion is made for counts of so many draws
PELT_DRAWS = 200
ROUNDING = 1e-9
TEXTS_A_LABEL = 12
TEXT_CHARS = 1_200


@dataclass(frozen=True)
class Standing:
    """Where an analysis is. state: waiting, running, stopped, failed or finished; left: seconds, about."""

    state: str
    message: str = ""
    left: float | None = None


def header_line(
    *,
    run: str,
    uid: str,
    title: str,
    pieces: Sequence[str],
    report: ForkingReport,
    seconds_per_token: float | None,
    notes: Sequence[str] = (),
) -> str:
    """What was asked and what it costs. pieces: the answer's tokens as text; notes: what to know before it is drawn."""
    plan, settings = report.plan, report.plan.settings
    return wire_line(
        {
            "v": VERSION,
            "run": run,
            "forks": uid,
            "title": title,
            "pieces": list(pieces),
            "extractor": settings.extractor,
            "parameter": settings.parameter,
            "field": REGISTRY[settings.extractor].label,
            "estimator": settings.estimator,
            "threshold": number(settings.threshold),
            "drawn": settings.draws,
            "until": number(settings.until),
            "seed": str(settings.seed),
            "first": plan.sites[0].position,
            "stop": plan.sites[-1].position + 1,
            "length": len(plan.base),
            "longest": plan.max_tokens,
            "price": {
                "draws": sum(plan.counts.values()),
                "branches": len(plan.counts),
                "tokens": plan.expected_tokens,
                "seconds": number(plan.expected_tokens * seconds_per_token) if seconds_per_token else None,
                "warnings": list(notes),
            },
        }
    )


def document(header: str, report: ForkingReport, standing: Standing, *, whole: bool, notes: Sequence[str] = ()) -> str:
    """All that is known. whole: with what takes a second to work out (tests against noise, change points); notes:
    warnings that are no matter of the draws.

    Draws that cannot be read as it was asked leave a sentence about it.
    """
    lines = [header]
    if report.problem:
        standing = replace(standing, message=standing.message or report.problem)
    # what is certain without a draw says nothing of an answer that nobody has looked into
    elif (report.count or report.done) and report.branches and report.curve and report.bands:
        branches, curve = report.branches, report.curve
        lines += [_curve_lines(report, curve), _branch_lines(report, branches, curve, whole=whole)]
        lines.append(wire_line({"said": _said(report, branches, curve, notes, whole=whole)}))
    lines.append(standing_line(report, standing))
    return "".join(lines)


def standing_line(report: ForkingReport, standing: Standing) -> str:
    """The last line: how far it is."""
    return wire_line(
        {
            "s": {
                "state": standing.state,
                "message": standing.message,
                "draws": report.count,
                "tokens": report.tokens,
                "seconds": number(report.seconds),
                "left": number(standing.left),
                "close": sum(one.close for one in report.draws.rollouts[: report.count]),
            }
        }
    )


def notes_of(trace: Trace) -> tuple[str, ...]:
    """What a reader has to know of how this answer was made."""
    if trace.finish_reason != "stop_string":
        return ()
    return (
        "This answer was ended by a stop string. Its continuations know none: the curve is of answers that go on "
        "until they end by themselves.",
    )


def ways(*, public: bool, sentences: bool) -> list[dict[str, str]]:
    """How an outcome may be read, for the page's choice. public: strangers choose; sentences: meaning can be read."""
    return [
        {"name": entry.name, "label": entry.label, "parameter": entry.parameter, "usual": entry.default}
        for entry in REGISTRY.values()
        if not (public and entry.guarded) and (sentences or not entry.jointly)
    ]


def refusal(run: str, sentence: str) -> str:
    """The document of a run that cannot be analysed."""
    return wire_line({"v": VERSION, "run": run, "forks": "", "refused": sentence})


def texts_line(report: ForkingReport, position: int, token_id: int) -> str:
    """The continuations of one branch, grouped by outcome, the commonest first; alike ones once, with their number."""
    settings, draws = report.plan.settings, report.draws
    groups: dict[str, Counter[str]] = {}
    names = draws.labels(settings.extractor, settings.parameter)
    for one, name in zip(draws.rollouts[: report.count], names[: report.count], strict=True):
        if (one.position, one.token_id) == (position, token_id):
            text = draws.text_of((one.token_id, *one.ids))
            groups.setdefault(name, Counter())[text] += 1
    known = set(report.branches.labels) if report.branches is not None else set(groups)
    return wire_line(
        {
            "texts": {
                "t": position,
                "id": token_id,
                "groups": [
                    {
                        "label": name,
                        "shown_as": name if name in known else "Other",
                        "count": texts.total(),
                        "texts": [[text[:TEXT_CHARS], count] for text, count in texts.most_common(TEXTS_A_LABEL)],
                    }
                    for name, texts in sorted(groups.items(), key=lambda item: -item[1].total())
                ],
            }
        }
    )


def _curve_lines(report: ForkingReport, curve: OutcomeCurve) -> str:
    assert report.bands is not None
    low, high = report.bands
    rows = [
        [int(t), number(curve.kept_mass[i]), _numbers(curve.probabilities[i]), _numbers(low[i]), _numbers(high[i])]
        for i, t in enumerate(curve.positions)
    ]
    end = {"o": _numbers(curve.end), "low": _numbers(low[-1]), "high": _numbers(high[-1])}
    return wire_line({"labels": list(curve.labels)}) + wire_line({"p": rows, "end": end})


def _branch_lines(report: ForkingReport, branches: Branches, curve: OutcomeCurve, *, whole: bool) -> str:
    """One row a branch: position, token id, text, probability, base, draws, counts, distance, influence, p, real, and
    the 80 % band of each outcome's share, low and high."""
    estimator = report.plan.settings.estimator
    strength = fork_measures.strengths(branches, curve, estimator)
    tests = fork_measures.fork_tests(branches, curve, estimator=estimator, seed=0) if whole else None
    bands = chance_bands(branches, count=BAND_SAMPLES, seed=0) if whole else None
    drawn = np.where(branches.certain, 0, branches.draws)
    rows = []
    for i in range(len(branches)):
        token_id = int(branches.token_ids[i])
        rows.append(
            [
                int(branches.positions[i]),
                token_id,
                report.draws.text_of([token_id]),
                number(branches.probabilities[i]),
                int(branches.is_base[i]),
                int(drawn[i]),
                [int(count) for count in branches.counts[i]],
                number(strength.distances[i]),
                number(strength.influences[i]),
                number(tests.p_values[i]) if tests else None,
                int(tests.real[i]) if tests else None,
                _numbers(bands[0][i]) if bands and drawn[i] else None,
                _numbers(bands[1][i]) if bands and drawn[i] else None,
            ]
        )
    return wire_line({"b": rows})


def _said(
    report: ForkingReport, branches: Branches, curve: OutcomeCurve, notes: Sequence[str], *, whole: bool
) -> dict[str, Any]:
    """What the curve says: drift, jumps, survival, change points, and what a reader has to know."""
    estimator = report.plan.settings.estimator
    distances = fork_measures.strengths(branches, curve, estimator).distances
    said: dict[str, Any] = {
        "drift": _numbers(fork_measures.drift(curve)),
        "drifts": {kind: _numbers(fork_measures.drift(curve, kind)) for kind in get_args(fork_measures.Distance)},
        "jumps": {
            f"{above:g}": [[jump.token, number(jump.size)] for jump in fork_measures.jumps(curve, above=above)]
            for above in JUMP_SWEEP
        },
        "survival": {f"{eps:g}": _numbers(fork_measures.survival(branches, distances, eps=eps)) for eps in EPS_SWEEP},
        "warnings": [*notes, *_warnings(report, branches, curve)],
    }
    if whole:
        said["changes"] = _changes(report, curve)
    return said


def _changes(report: ForkingReport, curve: OutcomeCurve) -> dict[str, Any]:
    """Change points, the blamed token beside each; none are looked for within the noise of the curve."""
    assert report.samples is not None
    drift = fork_measures.drift(curve)
    noise = fork_measures.noise_range(curve, report.samples)
    spread = float(np.ptp(drift))
    # what rounding alone moves is no change either
    flat = spread <= noise + ROUNDING
    said = {"flat": flat, "range": number(spread), "noise": number(noise)}
    if flat:
        return said | {
            "counts": [], "expected": None, "odds": None, "bayes_factor": None, "locations": [], "second": []
        }  # fmt: skip
    found = changepoints.posterior(drift)
    places = found.location_probabilities
    start = int(curve.positions[0])
    return said | {
        "counts": _numbers(found.count_probabilities),
        "expected": number(found.expected),
        "step": found.step,
        "odds": number(found.odds),
        "bayes_factor": number(found.bayes_factor),
        "locations": [
            [start + int(t), start + int(t) - 1, number(places[t])]
            for t in np.argsort(-places)
            if places[t] >= SHOWN_CHANGE
        ],
        "second": [start + t for t in changepoints.pelt(np.rint(PELT_DRAWS * curve.probabilities))],
    }


def _warnings(report: ForkingReport, branches: Branches, curve: OutcomeCurve) -> list[str]:
    """Sentences about what the picture does not show by itself."""
    said = []
    least = int(curve.kept_mass.argmin())
    if curve.kept_mass[least] < LOW_KEPT_MASS:
        said.append(
            f"At token {int(curve.positions[least]) + 1} the alternatives hold "
            f"{100 * curve.kept_mass[least]:.0f}\u00a0% of the probability only; the rest is unexplored."
        )
    # one that was cut off counts even where its outcome could be read
    cut = [one.ending == "length" for one in report.draws.rollouts[: report.count]]
    drawn = np.where(branches.certain[:, None], 0.0, branches.counts)
    unread = drawn[:, [name == UNPARSED for name in branches.labels]].sum() / max(drawn.sum(), 1.0)
    for share, words in (
        (sum(cut) / max(len(cut), 1), "hit the length limit"),
        (float(unread), "have no outcome that could be read"),
    ):
        if share >= MUCH_LOST:
            said.append(f"{100 * share:.0f}\u00a0% of the continuations {words}.")
    open_ended = drawn[:, [name == UNFINISHED for name in branches.labels]].sum() / max(drawn.sum(), 1.0)
    if open_ended >= MUCH_LOST:
        said.append(
            f"{100 * open_ended:.0f}\u00a0% of the continuations were stopped when the outcome asked for first was "
            "decided; this one cannot be read from them. Begin an analysis with it to draw them to their end."
        )
    until = report.plan.settings.until
    if report.done and until is not None and report.bands is not None:
        widest = float((report.bands[1] - report.bands[0]).max())
        if widest >= until:
            said.append(
                f"The widest band is {100 * widest:.0f}\u00a0% wide, not below {100 * until:.3g}\u00a0%: every branch "
                "has as many draws as one may have."
            )
    answers = [name for name in branches.labels if name == OTHER or name not in NO_ANSWERS]
    if report.done and not answers:
        said.append("No continuation has an outcome that could be read: choose another way to read it.")
    if report.done and len(branches.labels) == 1 and answers:
        said.append(f"Every continuation has the same outcome, {branches.labels[0]}: there is no fork here.")
    return said


def _numbers(values: np.ndarray) -> list[float | int | None]:
    return [number(round(float(value), 5)) for value in values]


def summary(report: ForkingReport) -> Mapping[str, Any]:
    """What the list of analyses needs to know of one."""
    branches = None if report.problem else report.branches
    return {"draws": report.count, "labels": list(branches.labels) if branches is not None else []}
