"""Counterfactuals by edits in words or ids: the same as splices, fresh luck for any run, refusals in a sentence."""

from dataclasses import replace

import pytest

from engine.counterfactual import (
    Delete,
    EditPrompt,
    Insert,
    Replace,
    counterfactual,
    plan,
    recorded_run,
    regenerate,
)
from engine.edits import FORCED, Intervention, Splice
from engine.errors import BadInput
from engine.generate import run
from engine.replay import replay
from engine.scoring import score_tokens
from engine.types import GenerationRequest

REQUEST = GenerationRequest("Tell me", max_new_tokens=24, seed=3)


def ids(trace):
    return trace.token_ids.tolist()


def test_fresh_luck_asks_nothing_of_the_record(tiny):
    scored = score_tokens(tiny, tiny.encode_prompt("Tell me"), [70, 71, 72, 73], prompt="Tell me")
    inferred = recorded_run(
        tiny, plan(tiny, scored, Intervention((Splice(1, 2, (75,)),), luck="inferred"), draw=1), 0.0, None
    )
    for trace in (scored, inferred, replace(run(tiny, REQUEST), noise_version="another")):
        fresh = regenerate(tiny, trace, [Replace(2, [65])], noise="fresh", stream=2)
        assert ids(fresh)[:3] == [*ids(trace)[:2], 65] and len(fresh) > 3
        assert fresh.kind == "branch" and fresh.settings.stream == 2 and (fresh.noise_rows[:3] == FORCED).all()
        assert replay(tiny, fresh) == ids(fresh)
        with pytest.raises(BadInput, match="hindsight"):
            regenerate(tiny, trace, [Replace(2, [65])])


@pytest.mark.parametrize(
    ("edits", "options", "words"),
    [
        ([Replace(1.5, [3])], {}, "position of an edit is 1.5"),
        ([Replace("a", [3])], {}, "position of an edit is 'a'"),
        ([Replace(2, None)], {}, "empty"),
        ([Replace(2, [1.7])], {}, "token id of an edit is 1.7"),
        ([Delete(1, "x")], {}, "end of an edit is 'x'"),
        (["x"], {}, "is no edit"),
        ([], {"noise": "fresh", "stream": 0}, "stream of fresh luck is 0"),
        ([], {"noise": "fresh", "stream": True}, "stream of fresh luck is True"),
    ],
)
def test_edits_of_the_wrong_kind_are_one_sentence(tiny, edits, options, words):
    with pytest.raises(BadInput, match=words):
        regenerate(tiny, run(tiny, REQUEST), edits, **options)


def test_the_alignment_fresh_is_fresh_luck(tiny):
    trace = run(tiny, REQUEST)
    one = regenerate(tiny, trace, [Delete(4, 7)], alignment="fresh")
    assert ids(one) == ids(regenerate(tiny, trace, [Delete(4, 7)], noise="fresh")) and one.settings.stream == 1


def test_edits_in_words_or_ids_are_those_of_the_same_splices(tiny):
    trace = run(tiny, REQUEST)
    for edit, splice in (
        (Replace(4, [70, 71]), Splice(4, 5, (70, 71))),
        (Replace(4, text="ab"), Splice(4, 5, tuple(tiny.encode("ab")))),
        (Replace(4, "ab"), Splice(4, 5, tuple(tiny.encode("ab")))),
        (Insert(4, (70,)), Splice(5, 5, (70,))),
        (Insert(-1, text="ab"), Splice(0, 0, tuple(tiny.encode("ab")))),
        (Delete(4, 7), Splice(4, 7)),
    ):
        got, expected = regenerate(tiny, trace, [edit]), counterfactual(tiny, trace, [splice])
        assert ids(got) == ids(expected) and got.kind == "counterfactual", edit
    fresh = regenerate(tiny, trace, [Delete(4, 7)], noise="fresh", stream=3)
    assert ids(fresh) == ids(counterfactual(tiny, trace, [Splice(4, 7)], stream=3)) and fresh.settings.stream == 3
    absolute = regenerate(tiny, trace, [Insert(4, (70,))], alignment="absolute")
    assert absolute.noise_rows.tolist()[6:] == list(range(6, len(absolute)))
    assert ids(regenerate(tiny, trace)) == ids(trace)
    asked = regenerate(tiny, trace, [EditPrompt("Tell us", system="Short.")])
    assert ids(asked) == ids(run(tiny, replace(REQUEST, prompt="Tell us", system="Short.")))
    assert asked.noise_rows.tolist() == list(range(len(asked)))


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ([Replace(4)], "empty"),
        ([Insert(4, text="")], "empty"),
        ([Delete(4, 4)], "nothing from token 4"),
        ([Delete(20, 99)], "outside the answer"),
        ([EditPrompt("a"), Delete(1, 2)], "either the prompt"),
    ],
)
def test_edits_that_say_nothing_are_refused(tiny, edits, words):
    with pytest.raises(BadInput, match=words):
        regenerate(tiny, run(tiny, REQUEST), edits)
    with pytest.raises(BadInput, match="choose same or fresh"):
        regenerate(tiny, run(tiny, REQUEST), noise="other")
