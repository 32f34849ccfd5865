"""What the browser gets is valid, exact text: hostile pieces survive, missing numbers are null, ids are named once."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from engine.generate import run
from engine.logprob_import import parse
from engine.types import GenerationRequest
from ui import views
from ui.headlines import Headline, headline_of


@pytest.fixture(scope="module")
def trace(tiny):
    return run(tiny, GenerationRequest("Hi", max_new_tokens=12, seed=1, temperature=0.7, top_k=6))


def document(trace):
    text = views.run_document(trace, views.RunIdentity("u1"), status="finished")
    return [json.loads(line) for line in text.split("\n") if line]


def test_hostile_text_travels_as_data(trace):
    hostile = ("<img src=x onerror=alert(1)>", "${1+1}", "{{value}}", "\u202eevil", "\x00", "\u2028\u0085", "</script>")
    pieces = hostile + trace.pieces[len(hostile) :]
    changed = replace(trace, pieces=pieces, text="".join(pieces), prompt=hostile[0])
    head, *tokens, _ = document(changed)
    assert head["prompt"] == hostile[0]
    assert [t["t"] for t in tokens] == list(pieces)


def test_what_does_not_exist_is_null_and_never_zero(trace):
    entropy = trace.scores["entropy"].copy()
    entropy[0] = np.nan
    head, first, *_ = document(replace(trace, scores={**trace.scores, "entropy": entropy}))
    at = [s["name"] for s in head["scores"]].index("entropy")
    assert first["s"][at] is None
    assert views.number(math.inf) is None and views.number(float("nan")) is None and views.number(0.0) == 0


def test_every_token_mentioned_is_spelled_exactly_once(trace):
    spelled = [key for line in document(trace) for key in line.get("w", {})]
    mentioned = {str(i) for i in trace.token_ids} | {str(i) for i in trace.topk_ids.ravel()}
    assert len(spelled) == len(set(spelled)) and mentioned <= set(spelled)


def test_the_sampled_from_distribution_can_be_drawn_from_the_line(trace):
    _, *tokens, _ = document(trace)
    for token in tokens:
        _, _, _, _, support, normaliser = token["g"]
        q = [math.exp(p / 0.7 - normaliser) for _, p in token["k"][:support]]
        assert sum(q) == pytest.approx(1, abs=1e-3)


def test_bytes_of_unfinished_characters_are_shown_in_hex(tiny):
    from engine.scoring import score_tokens

    _, *tokens, _ = document(score_tokens(tiny, [1], [*"é€".encode(), 0xFF]))
    assert [t["t"] for t in tokens] == ["", "é", "", "", "€", "\ufffd"]
    assert [t.get("x") for t in tokens] == ["c3", None, "e2", "82", None, "ff"]


def test_the_headline_names_the_most_open_choice(trace):
    headline = headline_of(trace)
    assert headline.select is not None and "most torn" in headline.sentence
    assert "\u00a0%" in headline.sentence and " %" not in headline.sentence, "a line never ends between them"
    speakable = [
        i for i, p in enumerate(trace.pieces) if p.strip() and int(trace.token_ids[i]) not in trace.special_ids
    ]
    assert trace.scores["entropy"][headline.select] == max(trace.scores["entropy"][i] for i in speakable)


def test_a_given_text_is_told_by_what_surprised_the_model_and_tinted_by_it(tiny):
    from engine.scoring import score_text

    scored = score_text(tiny, "Hi", "there stands a word")
    headline = headline_of(scored)
    assert headline.score == "surprisal" and "surprise" in headline.sentence
    speakable = [i for i, piece in enumerate(scored.pieces) if piece.strip()]
    assert scored.scores["surprisal"][headline.select] == max(scored.scores["surprisal"][i] for i in speakable)


def test_only_an_imported_run_marks_its_entropies_as_bounds(trace):
    reported = {"logprobs": {"content": [
        {"token": word, "logprob": -0.5, "bytes": None, "top_logprobs": [
            {"token": word, "logprob": -0.5, "bytes": None}, {"token": "else", "logprob": -1.5, "bytes": None}]}
        for word in ("Paris", " is")]}}  # fmt: skip
    (imported,) = parse(json.dumps({"choices": [reported | {"message": {"role": "assistant", "content": "Paris is"}}]}))

    def bounds(run):
        head, *_, end = document(run)
        return {entry["name"]: entry["bound"] for entry in head["scores"] + end["summary"] if entry["bound"]}

    sides = {"entropy": "lower", "entropy_upper": "upper", "mean_entropy": "lower", "max_entropy": "lower"}
    assert bounds(imported) == sides
    assert bounds(trace) == {}
    assert "as far as the reported tokens tell" in headline_of(imported).sentence


def test_a_run_with_scores_of_another_version_or_without_the_usual_ones_still_opens(trace):
    strange = {"entropy": trace.scores["entropy"], "swagger": trace.scores["entropy"]}
    head, *_, end = document(replace(trace, scores=strange))
    assert [s["label"] for s in head["scores"]] == ["Entropy", "swagger"] and end["done"]
    assert headline_of(replace(trace, scores=strange)).sentence == ""
    absurd = np.full(len(trace), -800, dtype=np.float32)
    assert document(replace(trace, scores={**trace.scores, "surprisal": absurd}))[-1]["done"]
    assert headline_of(replace(trace, scores={**trace.scores, "surprisal": absurd})).sentence


def test_what_was_asked_is_read_back_whatever_separators_the_text_holds(tiny):
    from engine.scoring import score_text

    text = "one\u2028two\u2029three\x85four\nfive\r six\x0b\x1c"
    scored = score_text(tiny, "Why?", text)
    written = views.run_document(scored, views.RunIdentity("u1", kind="scored"), status="scored")
    assert views.asked_in(written) == views.Asked("scored", "Why?", "", text, None)


def test_a_sentence_does_not_call_a_token_the_hottest_when_another_is(trace):
    hot = headline_of(trace)
    entropy = trace.scores["entropy"].copy()
    other = next(i for i in range(len(trace)) if i != hot.select)
    entropy[other] = 50.0
    pieces = tuple("\n" if i == other else piece for i, piece in enumerate(trace.pieces))
    changed = replace(trace, scores={**trace.scores, "entropy": entropy}, pieces=pieces, text="".join(pieces))
    assert headline_of(changed).select == hot.select
    assert headline_of(changed).sentence.startswith("Of all words, at “")
    entropy[hot.select] = 60.0
    hottest = replace(changed, scores={**trace.scores, "entropy": entropy})
    assert headline_of(hottest).sentence.startswith("At “")


def test_an_empty_run_has_no_headline(trace, tiny):
    from engine.recording import trace_of

    empty = trace_of(tiny, [], [1, 2], prompt="x")
    assert headline_of(empty) == Headline()
    assert document(empty)[-1]["done"]


def test_seeds_beyond_a_browsers_numbers_stay_exact(trace):
    settings = replace(trace.settings, seed=2**63 - 1)
    assert document(replace(trace, settings=settings))[0]["settings"]["seed"] == str(2**63 - 1)
