"""The document of a chain says what was found, in JSON that a browser reads, and invents nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from engine.answer_span import AnswerSpan
from engine.attention_chain import ChainProgress
from engine.chain_settings import ChainSettings
from engine.chain_variants import Variant
from engine.stop_words import LANGUAGES
from tests.support.bench import ME, lines
from tests.ui.test_chain_record import KNOWN, WORDS, chain
from ui import chain_view
from ui.chain_view import Opened, Standing, chain_lines, header_line, pieces_of, standing_line, standing_of


@pytest.fixture
def whole(recorded):
    """The chain of the record's tests, as if it were of the recorded run."""
    scores = {name: np.full(len(recorded), 0.5, np.float32) for name in ("rauq", "attention_weighted_surprisal")}
    return chain(token_scores=scores, weights=np.linspace(0, 1, len(recorded)))


SETTINGS = ({}, {"heads": 16}, {"heads": 3, "language": "de", "reduction": "mean"})


def said(trace, one, words=WORDS):
    return {name: value for line in lines(chain_lines(trace, one, words)) for name, value in line.items()}


def test_the_header_says_what_was_asked_and_what_can_be(bench, run):
    stored = bench.store.runs.get(run, viewer=ME.name)
    found = (AnswerSpan(30, 32, "29", "boxed", "\\boxed{…}"), AnswerSpan(4, 5, "7", "last_number", "Last number"))
    opened = Opened(stored, found, found[1], ChainSettings(heads=3), "abc", ({"uid": "abc"},), "Load it.")
    (head,) = lines(header_line(opened))
    assert head["run"] == run and head["chain"] == "abc" and head["v"] == chain_view.VERSION
    assert head["span"] == [4, 5] and head["note"] == "Load it." and head["others"] == [{"uid": "abc"}]
    assert [one["start"] for one in head["found"]] == [30, 4] and head["found"][0]["label"] == "\\boxed{…}"
    assert head["settings"]["heads"] == 3 and len(head["pieces"]) == len(stored.trace)
    assert [one["name"] for one in head["languages"]] == list(LANGUAGES)
    assert head["price"] == {"rows": len(stored.trace.prompt_ids) + len(stored.trace), "variants": 20}
    assert lines(header_line(replace(opened, span=None)))[0]["span"] is None
    titled = replace(stored, header=replace(stored.header, title="two\u2028lines\n<script>"))
    assert header_line(replace(opened, run=titled)).count("\n") == 1


def test_tokens_of_the_chain_stand_in_text_order_without_the_answers_own(recorded, whole):
    rows = said(recorded, whole)["tokens"]
    assert [row[0] for row in rows] == [1, 3] and [row[3] for row in rows] == [1, 0]
    assert [row[1:3] for row in rows] == [[1.75, 0.25], [0.5, -0.5]] and [row[4] for row in rows] == [2, 1]
    for row in rows:
        assert row[5] == pytest.approx(float(recorded.scores["surprisal"][row[0]]), rel=1e-4)
        assert row[6] == pytest.approx(float(recorded.scores["entropy"][row[0]]), rel=1e-4)
        assert row[7] == pytest.approx(row[0] / 39, rel=1e-4)


def test_a_run_without_scores_has_none_and_not_zero(recorded, whole):
    bare = replace(recorded, scores={})
    assert all(row[5] is None and row[6] is None for row in said(bare, whole)["tokens"])


def test_what_is_not_known_yet_is_null_and_not_counted(recorded, whole):
    found = said(recorded, replace(whole, confidence=replace(KNOWN, p_uqac=float("nan"))))
    known, open_yet = found["variants"]
    assert known[3:] == [0.3, 0.4, 0.8, 0.05] and open_yet[3:] == [0.1, None, None, None]
    parts = found["confidence"]
    assert parts["p_uqac"] is None and parts["variants"] == 1 and parts["kept"] == 1
    assert parts["rauq"] == pytest.approx(0.693, abs=1e-3) and parts["attention_weighted_surprisal"] == 0.5
    assert said(recorded, replace(whole, token_scores={}))["confidence"]["rauq"] is None


def test_an_answer_without_probability_has_no_ratio(recorded, whole):
    nothing = replace(whole, confidence=replace(KNOWN, p_answer=0.0))
    assert said(recorded, nothing)["variants"][0][5] is None


def test_substitutes_that_are_no_text_by_themselves_are_told_apart(recorded, whole):
    two = (Variant(1, 1, 0.3), Variant(1, 2, 0.2), Variant(1, 3, 0.1))
    rows = said(recorded, replace(whole, variants=two), {1: b"\xf0\x9f", 2: b"\xf0\x98", 3: b" \xc3\xa9"})["variants"]
    assert [row[2] for row in rows] == ["⟨f0⟩⟨9f⟩", "⟨f0⟩⟨98⟩", " é"]


def test_only_a_chain_of_fewer_tokens_than_the_run_has_is_said_to_be_older(recorded, whole):
    assert said(recorded, whole)["warnings"] == list(whole.warnings)
    older = said(recorded, replace(whole, weights=np.zeros(9)))["warnings"]
    assert older[:-1] == list(whole.warnings) and "its first 9 tokens" in older[-1]


def test_every_number_is_one_that_json_has(recorded, whole):
    odd = replace(whole, scores=np.array([np.inf, np.nan, 0, 0]), confidence=replace(KNOWN, p_chain=float("inf")))
    text = chain_lines(recorded, odd, WORDS)
    for line in text.split("\n")[:-1]:
        json.loads(line, parse_constant=lambda name: pytest.fail(name))
    assert said(recorded, odd)["confidence"]["p_response"] == 1e-40, "small is not nothing"


def test_control_tokens_are_named_and_others_are_themselves(recorded):
    ids = [ord("a"), 257, ord("<"), 256]
    pieces = ("a", "<|user|>", "<|", "<|end|>")
    short = replace(recorded, token_ids=np.array(ids), pieces=pieces)
    assert pieces_of(short) == ["a", "⟨user⟩", "<|", "⟨end⟩"]
    half = replace(short, token_ids=np.array([0xF0, 257, 97]), pieces=("", "�<|user|>", "a"))
    assert pieces_of(half) == ["", "�⟨user⟩", "a"]


@pytest.mark.parametrize(
    ("progress", "words", "done", "total"),
    [
        (ChainProgress("reading", 1_200, 2_400), "Reading the text: 1,200 of 2,400 tokens.", 1_200, 2_400),
        (ChainProgress("tracing", 3, 0), "Following attention: hop 3.", 3, 0),
        (ChainProgress("variants", 7, 20), "Trying substitutes: 7 of 20.", 7, 20),
    ],
)
def test_progress_is_said_in_words_with_how_much_there_is(progress, words, done, total):
    assert standing_of(progress) == Standing("running", words, done, total)
    assert lines(standing_line(standing_of(progress))) == [
        {"s": {"state": "running", "message": words, "done": done, "total": total}}
    ]


def test_a_refusal_names_its_run_and_nothing_else():
    assert lines(chain_view.refusal("abc", "No.")) == [{"v": 1, "run": "abc", "chain": "", "refused": "No."}]


def test_other_chains_without_a_span_are_not_offered_and_their_settings_are_named(bench, run):
    uids = [bench.store.analyses.add(run, "chain", settings, viewer=ME.name) for settings in SETTINGS]
    for uid in uids[1:]:
        bench.store.analyses.save(uid, viewer=ME.name, result={"span": [1, 2], "text": "x"}, status="finished")
    listed = chain_view.others_of(bench.store.analyses.list(run, viewer=ME.name, kind="chain"))
    assert [one["uid"] for one in listed] == uids[1:] and {one["text"] for one in listed} == {"x"}
    assert [one["how"] for one in listed] == ["", "German, number of heads 3, mean of the heads"]
