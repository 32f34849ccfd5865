"""A free pattern reads what its writer means, says what is wrong with it, and never keeps anybody waiting."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from itertools import pairwise

import pytest

from engine import fork_draws, patterns
from engine.errors import BadInput
from engine.fork_draws import ForkDraws, from_arrays, to_arrays
from engine.outcomes import REGISTRY, TRUNCATED, UNPARSED, outcome
from engine.patterns import check, last_match
from engine.rollouts import Rollout

RUNS_AWAY = r"(a|aa)+$"
HOSTILE = "a" * 60 + "!"


def label(text, pattern):
    return outcome("pattern", text, parameter=pattern).label


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("first: red, then: blue.", r": (\w+)", "blue"),
        ("first: red, then: blue.", r"(?<=: )\w+", "blue"),
        ("yes or no", r"(yes)|no", "no"),
        ("total 1,234.50 EUR", r"total (\S+)", "1234.5"),
        ("colour:   deep\n blue.", r"colour:([^.]*)", "deep blue"),
        ("Paris or paris", r"(?i)PARIS", "paris"),
        ("Paris", "PARIS", UNPARSED),
        ("abc", "x*", UNPARSED),
        ("", ".*", UNPARSED),
        ("ends in x", r"\w*", "x"),
        ("année \U0001f600 fin", r"\p{L}+", "fin"),
    ],
)
def test_the_last_match_counts_its_first_group_before_all_of_it(text, pattern, expected):
    assert label(text, pattern) == expected


def test_a_match_lies_where_it_says():
    found = outcome("pattern", "a 12, b 34.", parameter=r"(\d+)").found
    assert (found.label, found.number, found.start, found.stop) == ("34", 34.0, 8, 10)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", r"'\(' is not a regular expression at character 2: missing \)"),
        ("ab**", "at character 4: multiple repeat"),
        ("[z-a]", "at character 5: bad character range"),
        (r"x\p{Foo}", "at character 9: unknown property"),
        ("a" * 70 + "(", "at character 72: missing"),
        ("(?:a{9}){999999}", "repeats too much.*at most 1,000,000"),
        ("((a{1000}){1000}){1000}", "repeats too much"),
        ("(?x)a{ 999999999999 }", "repeats too much"),
        ("a(?R)?b", "calls itself"),
        ("(a(?1)?b)", "calls itself"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_in_a_sentence_at_once(pattern, words):
    began = time.perf_counter()
    with pytest.raises(BadInput, match=words):
        check(pattern)
    with pytest.raises(BadInput, match=words):
        outcome("pattern", "a text", parameter=pattern)
    assert time.perf_counter() - began < 0.5


def test_ordinary_repetitions_are_no_reason_to_refuse():
    for pattern in (
        r"\d{4}-\d{2}-\d{2}",
        r"(\d{1,3}\.){3}\d{1,3}",
        r".{0,200}?x.{0,200}y.{0,200}",
        r"[A-F]{8}(-\w{4}){3}",
    ):
        check(pattern)
    assert label("on 2024-05-06 and 2024-05-07", r"\d{4}-\d{2}-\d{2}") == "2024-05-07"


def test_a_long_pattern_is_refused_with_its_length():
    with pytest.raises(BadInput, match="501 characters; at most 500"):
        outcome("pattern", "a", parameter="a" * 501)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(a+)+$", "a" * 5_000 + "!"),
        (RUNS_AWAY, HOSTILE),
        (r"(?=(a+))\1*b|(a*)*\1c", "a" * 2_000),
        (r"(.|..)*;", HOSTILE),
    ],
)
def test_a_pattern_that_runs_away_ends_with_a_sentence_within_the_limit(pattern, text):
    began = time.perf_counter()
    try:
        assert label(text, pattern) == UNPARSED
    except BadInput as error:
        assert "was stopped: it takes more than 0.5 s for one answer" in str(error)
        assert "write it more simply" in str(error)
    assert time.perf_counter() - began < patterns.SECONDS + 1.0


def test_the_limit_is_the_reason_why_one_ends():
    with pytest.raises(BadInput, match=r"more than 0\.1 s"):
        last_match(HOSTILE, RUNS_AWAY, seconds=0.1)
    assert last_match("a" * 60, RUNS_AWAY).stop == 60


def test_others_are_served_while_a_pattern_runs_away():
    ticks, ended = [], threading.Event()

    def tick():
        while not ended.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.01)

    check(RUNS_AWAY)
    thread = threading.Thread(target=tick)
    thread.start()
    began = time.perf_counter()
    with pytest.raises(BadInput):
        last_match(HOSTILE, RUNS_AWAY)
    stopped = time.perf_counter()
    ended.set()
    thread.join()
    assert sum(began < at < stopped for at in ticks) > 5 and max(b - a for a, b in pairwise(ticks)) < 0.4


def draws_of(texts, ending="stop"):
    """Draws that say these texts, a byte a token."""
    draws = ForkDraws((0,), {i: bytes([i]) for i in range(256)}, frozenset({0}))
    draws.add(Rollout(0, 1, n, tuple(text.encode()), ending, 0) for n, text in enumerate(texts))
    draws.words[1] = b""
    return draws


def test_stored_draws_are_read_by_a_pattern_again():
    draws = from_arrays(to_arrays(draws_of(["so: red", "so: blue", "nothing"])))
    assert list(draws.labels("pattern", r"so: (\w+)")) == ["red", "blue", UNPARSED]
    assert list(draws.labels("pattern", r"so")) == ["so", "so", UNPARSED]
    assert list(draws_of(["so: red"], "length").labels("pattern", r"so: (\w+)")) == [TRUNCATED]


def test_many_texts_take_no_longer_together_than_the_limit_for_all(monkeypatch):
    read = []
    monkeypatch.setattr(patterns, "last_match", lambda text, pattern: read.append(text) or time.sleep(0.02))
    short = replace(REGISTRY["pattern"], seconds=0.3)
    monkeypatch.setattr(fork_draws, "extractor", lambda name, parameter="": short)
    draws = draws_of([f"text {n}" for n in range(500)])
    began = time.perf_counter()
    for _ in range(2):
        with pytest.raises(BadInput, match=r"took more than 0.3 s for .* of 500 answers: write it more simply"):
            draws.labels("pattern", "x")
    assert 0 < len(read) <= 16 and time.perf_counter() - began < 2.0
    assert 0 < REGISTRY["pattern"].seconds <= 30
