"""An answer that broke off goes on with the tokens it would have had, and only where that can be promised."""

from dataclasses import replace

import numpy as np
import pytest

from engine import token_scores
from engine.errors import BadInput, ModelUnavailable
from engine.generate import decode, generate, run
from engine.limits import UNBOUNDED, Limits
from engine.recording import beginning, joined, trace_of
from engine.resume import plan, resume
from engine.testing import tiny_model
from engine.types import GenerationRequest, Trace

TOKENS = 20
REQUEST = GenerationRequest("Tell me", max_new_tokens=TOKENS, seed=3)
WAYS = {
    "sampled": REQUEST,
    "greedy": replace(REQUEST, temperature=0.0),
    "top-k": replace(REQUEST, temperature=0.7, top_k=9),
    "top-p": replace(REQUEST, temperature=1.3, top_p=0.8, seed=8),
    "system": replace(REQUEST, system="Be kind.", seed=2**63 - 1),
}
EXACT = ("token_ids", "noise_rows", "runner_up", "support")
CLOSE = ("margin", "luck", "log_normalizer", "tail_mass", "topk_logprobs")


def record(model, steps, request, prompt_ids, seconds=1.0):
    return trace_of(
        model, steps, prompt_ids, prompt=request.prompt, system=request.system, settings=request, seconds=seconds
    )


def stopped_after(model, request, tokens) -> Trace:
    seen = []
    for step in generate(model, request, cancelled=lambda: len(seen) >= tokens):
        seen.append(step)
    assert len(seen) == tokens
    return record(model, seen, request, model.encode_prompt(request.prompt, request.system))


def go_on(model, trace, limits=UNBOUNDED, **options) -> Trace:
    settings = plan(model, trace, limits)
    return joined(
        model, trace, record(model, list(resume(model, trace, settings, **options)), settings, trace.prompt_ids)
    )


def assert_same_answer(found, wanted):
    for name in EXACT:
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)
    for name in CLOSE:
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), atol=1e-4, err_msg=name)
    # two alternatives within the rounding of each other may change places in the list
    ties = np.abs(np.diff(wanted.topk_logprobs, axis=1)) < 1e-5
    apart = ~(np.pad(ties, ((0, 0), (0, 1))) | np.pad(ties, ((0, 0), (1, 0))))
    assert apart.mean() > 0.95
    np.testing.assert_array_equal(found.topk_ids[apart], wanted.topk_ids[apart])
    assert list(found.scores) == list(wanted.scores)
    for name in wanted.scores:
        np.testing.assert_allclose(found.scores[name], wanted.scores[name], rtol=1e-4, atol=1e-4, err_msg=name)
    assert found.pieces == wanted.pieces and found.text == wanted.text
    assert dict(found.token_bytes) == dict(wanted.token_bytes) and found.special_ids == wanted.special_ids
    assert found.finish_reason == wanted.finish_reason and found.settings == wanted.settings


@pytest.mark.parametrize("way", WAYS)
def test_a_run_stopped_anywhere_and_continued_is_the_run_that_was_never_stopped(tiny, way):
    whole = run(tiny, WAYS[way])
    for tokens in range(1, len(whole)):
        assert_same_answer(go_on(tiny, stopped_after(tiny, WAYS[way], tokens)), whole)


def test_stopping_and_going_on_again_and_again_changes_nothing(tiny):
    whole, trace = run(tiny, REQUEST), stopped_after(tiny, REQUEST, 1)
    while trace.finish_reason == "cancelled":
        seen: list = []
        steps = resume(tiny, trace, plan(tiny, trace, UNBOUNDED), cancelled=lambda seen=seen: len(seen) >= 4)
        for step in steps:
            seen.append(step)
        trace = joined(tiny, trace, record(tiny, seen, REQUEST, trace.prompt_ids))
    assert_same_answer(trace, whole)
    assert trace.seconds == 1 + len(range(1, TOKENS, 4))


def test_what_was_recorded_stays_as_it_was_bit_by_bit(tiny):
    before = stopped_after(tiny, WAYS["top-k"], 11)
    after = go_on(tiny, before)
    for name in (*EXACT, *CLOSE, "topk_ids"):
        assert getattr(after, name)[:11].tobytes() == getattr(before, name).tobytes(), name
    kept = [name for name in before.scores if not token_scores.score_named(name).over_run]
    assert len(kept) > 10
    for name in kept:
        assert after.scores[name][:11].tobytes() == before.scores[name].tobytes(), name


def test_noise_counted_from_zero_again_would_write_another_text(tiny):
    """The negative control: the same prefix, but the rows of a run that begins."""
    before = stopped_after(tiny, REQUEST, 8)
    right = [step.token_id for step in resume(tiny, before, REQUEST)]
    ids = [*before.prompt_ids.tolist(), *before.token_ids.tolist()]
    wrong = [step.token_id for step in decode(tiny, REQUEST, ids, (), TOKENS - 8, lambda: False)]
    assert len(right) == len(wrong) and right != wrong


def test_a_character_cut_by_the_stop_is_whole_again(tiny):
    """In the cut run its first bytes stand as U+FFFD; continued, the token that completes it carries it."""
    for seed in range(400):
        request = replace(REQUEST, temperature=2.0, seed=seed, max_new_tokens=60)
        whole = run(tiny, request)
        cuts = [i for i, piece in enumerate(whole.pieces) if len(piece.encode()) > 1 and "\ufffd" not in piece
                and int(whole.token_ids[i]) < 256 and i]  # fmt: skip
        if cuts:
            before = stopped_after(tiny, request, cuts[0])
            assert before.pieces[-1].endswith("\ufffd") and before.text != whole.text[: len(before.text)]
            assert_same_answer(go_on(tiny, before), whole)
            streamed = [step.piece for step in resume(tiny, before, request)]
            assert streamed[0] == whole.pieces[cuts[0]]
            return
    pytest.fail("no seed wrote a character of several bytes")


def test_a_stop_string_is_seen_across_the_seam(tiny):
    text = run(tiny, REQUEST)
    at = next(i for i in range(4, TOKENS - 2) if text.pieces[i].strip() and text.pieces[i + 1].strip())
    request = replace(REQUEST, stop=(text.pieces[at][-1] + text.pieces[at + 1][:1],))
    whole = run(tiny, request)
    assert whole.finish_reason == "stop_string" and len(whole) <= at + 2
    before = stopped_after(tiny, request, len(whole) - 1)
    assert request.stop[0] not in before.text
    assert_same_answer(go_on(tiny, before), whole)


def test_a_run_at_its_limit_gets_as_many_tokens_again(tiny):
    short = run(tiny, replace(REQUEST, max_new_tokens=TOKENS // 2))
    assert short.finish_reason == "length"
    assert_same_answer(go_on(tiny, short), run(tiny, REQUEST))


def test_limits_and_context_bound_what_is_added(tiny):
    short = run(tiny, replace(REQUEST, max_new_tokens=10))
    assert plan(tiny, short, Limits(max_new_tokens=14)).max_new_tokens == 14
    with pytest.raises(BadInput, match="more than 10 are not written here"):
        plan(tiny, short, Limits(max_new_tokens=10))
    room = tiny.context_length - len(short.prompt_ids)
    assert plan(tiny, replace(short, settings=replace(REQUEST, max_new_tokens=9_999)), Limits()).max_new_tokens == room
    assert plan(
        tiny, replace(short, settings=replace(REQUEST, max_new_tokens=9_999)), Limits(max_new_tokens=12)
    ) == replace(REQUEST, max_new_tokens=12)


def test_a_full_context_is_a_sentence():
    small = tiny_model(context_length=32)
    full = run(small, replace(REQUEST, prompt="x", max_new_tokens=500, temperature=0.9, seed=1))
    assert full.finish_reason == "length" and len(full.prompt_ids) + len(full) == 32
    with pytest.raises(BadInput, match="context of 32 tokens is full"):
        plan(small, full, UNBOUNDED)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"finish_reason": "stop"}, "the model ended it"),
        ({"finish_reason": "stop_string"}, "stop string"),
        ({"kind": "import", "settings": None}, "imported"),
        ({"kind": "scored", "settings": None}, "scored"),
        ({"kind": "counterfactual"}, "made in another way"),
        ({"noise_version": "older"}, "noise"),
    ],
)
def test_runs_that_cannot_go_on_say_why(tiny, change, words):
    with pytest.raises(BadInput, match=words):
        plan(tiny, replace(stopped_after(tiny, REQUEST, 4), **change), UNBOUNDED)


def test_an_end_that_was_recorded_as_a_stop_is_still_an_end(tiny):
    before = stopped_after(tiny, REQUEST, 4)
    ended = replace(before, token_ids=np.append(before.token_ids[:-1], min(tiny.end_ids)).astype(np.int32))
    with pytest.raises(BadInput, match="complete"):
        plan(tiny, ended, UNBOUNDED)


@pytest.mark.parametrize(
    "change",
    [{"revision": "other"}, {"quantization": "nf4"}, {"dtype": "bfloat16"}, {"device": "cuda:0"}, {"repo": "another"},
     {"tokenizer_hash": "another"}],
)  # fmt: skip
def test_another_model_is_refused_by_name(tiny, change):
    before = stopped_after(tiny, REQUEST, 4)
    with pytest.raises(ModelUnavailable, match=r"made with tiny \(revision.*load it to continue"):
        plan(tiny, replace(before, model=replace(before.model, **change)), UNBOUNDED)


def test_another_device_of_the_same_kind_is_the_same_model(tiny):
    before = stopped_after(tiny, REQUEST, 4)
    assert plan(tiny, replace(before, model=replace(before.model, device="cpu:0", name="alias")), UNBOUNDED) == REQUEST


@pytest.mark.parametrize(
    "field, value", [("top_k", -5), ("temperature", -3.0), ("seed", -5), ("stop", tuple(map(str, range(5000))))]
)
def test_settings_that_could_not_have_been_asked_for_are_refused_before_a_token_is_drawn(tiny, field, value):
    trace = run(tiny, replace(REQUEST, max_new_tokens=4))
    imported = replace(trace, settings=replace(REQUEST, **{field: value}))
    with pytest.raises(BadInput):
        plan(tiny, imported, Limits())


def test_coarse_numbers_are_read_as_they_were_written(tiny):
    """A model whose card says bfloat16 reads the answer token by token: the draw that follows has equal numbers."""
    coarse = tiny_model()
    coarse.card = replace(coarse.card, dtype="bfloat16")
    trace = run(coarse, replace(REQUEST, max_new_tokens=12))
    half = replace(beginning(coarse, trace, 7), finish_reason="cancelled")
    rest = list(resume(coarse, half, plan(coarse, half, UNBOUNDED)))
    np.testing.assert_array_equal(np.array([step.margin for step in rest], dtype=np.float32), trace.margin[7:])
