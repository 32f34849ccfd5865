"""Roll-outs: each draw is the one that a plain pass gives, whatever is drawn beside it; all follow the model's law."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from engine import plain_rows, rollouts
from engine.errors import BadInput, OutOfMemory
from engine.forward import ForwardPass
from engine.generate import run
from engine.models import load_model
from engine.rollouts import BLOCK, Task, draw_tokens, roll_out, round_rows, uniforms
from engine.shared_prefix import BASE_CHUNK, WIDTH, SharedPrefix, row_bytes, rows_within, shareable
from engine.testing import END_ID
from engine.types import GenerationRequest
from tests.support.toy_model import END, PROMPT, answers, one_thread, toy_model

LONGEST = 34
TASKS = (Task(3, 70, 0, 5), Task(10, 71, 0, 9), Task(20, 72, 0, 3), Task(0, 75, 0, 12))


@pytest.fixture(scope="module")
def answer(tiny):
    return run(tiny, GenerationRequest("Tell me", max_new_tokens=24, temperature=0.0))


def drawn(model, trace, tasks=TASKS, **options):
    """(position, token id, draw) -> roll-out."""
    options = {"seed": 4, "max_tokens": LONGEST, **options}
    steps = roll_out(model, trace.prompt_ids.tolist(), trace.token_ids.tolist(), tasks, **options)
    return {(one.position, one.token_id, one.draw): one for step in steps for one in step.finished}


def plainly(model, prompt, base, key, longest, seed=4):
    """The same draw by plain passes over its own text, one after another."""
    position, token_id, draw = key
    context, ids = ForwardPass(model), []
    numbers = uniforms(seed, position, token_id, draw, longest)
    logits = context.feed([*prompt, *base[:position], token_id])
    while True:
        weights = np.exp(logits[0].astype(float) - logits.max())
        sums = weights.cumsum()
        ids.append(int(np.searchsorted(sums, numbers[len(ids)] * sums[-1], side="right")))
        if ids[-1] in model.end_ids or position + 1 + len(ids) >= longest:
            return tuple(ids)
        logits = context.feed(ids[-1:])


def test_every_draw_is_the_one_that_plain_passes_give_whatever_the_batch(tiny, answer):
    found = {rows: drawn(tiny, answer, rows=rows) for rows in (64, 7, 1)}
    prompt, base = answer.prompt_ids.tolist(), answer.token_ids.tolist()
    for key, one in found[64].items():
        if key[2] < 3:
            assert one.ids == plainly(tiny, prompt, base, key, LONGEST), key
        assert found[7][key].ids == found[1][key].ids == one.ids
    assert len(found[64]) == 29 and set(found[64]) == set(found[1])


def test_no_more_rows_than_asked_for_go_through_the_network_at_once_and_none_is_forgotten(tiny, answer):
    tasks = [Task(t, 70, 0, 6) for t in range(0, 20, 2)]
    prompt, base = answer.prompt_ids.tolist(), answer.token_ids.tolist()
    steps = list(roll_out(tiny, prompt, base, tasks, seed=4, max_tokens=LONGEST, rows=5))
    assert max(step.rows for step in steps) == 5 and np.mean([step.rows for step in steps]) > 4
    found = {(one.position, 70, one.draw): one for step in steps for one in step.finished}
    others = drawn(tiny, answer, tasks)
    differ = [key for key, one in found.items() if one.ids != others[key].ids]
    assert set(found) == set(others) and len(found) == 60
    assert len(differ) <= 2 and all(found[key].close for key in differ)


def test_a_model_whose_attention_cannot_be_taken_over_gives_the_same_draws(tiny, answer, monkeypatch):
    shared = drawn(tiny, answer)
    monkeypatch.setattr("engine.rollouts.shareable", lambda model, length: False)
    alone = drawn(tiny, answer, rows=5)
    assert {key: one.ids for key, one in alone.items()} == {key: one.ids for key, one in shared.items()}


def test_rows_of_their_own_count_what_stands_before_them_and_let_go_of_it_in_the_end(tiny, answer, monkeypatch):
    pools = []
    monkeypatch.setattr(rollouts, "shareable", lambda model, length: False)
    monkeypatch.setattr(rollouts, "PlainRows", lambda *args: pools.append(plain_rows.PlainRows(*args)) or pools[-1])
    prompt, base = answer.prompt_ids.tolist(), answer.token_ids.tolist()
    tasks = [Task(4, 70, 0, 9), Task(6, 71, 0, 9)]
    whole = row_bytes(tiny, len(prompt) + 6 + LONGEST - 4)
    held = []
    for step in roll_out(tiny, prompt, base, tasks, seed=4, max_tokens=LONGEST, memory_bytes=3 * whole):
        contexts = pools[0]._contexts
        assert len(contexts) == 3, "as many as the memory holds, their bases among them"
        held.append(sum(context is not None for context in contexts))
        assert step.rows <= 3
    assert max(held) == 3 and held[-1] == 0


def test_how_a_draw_ended_is_told(tiny, answer):
    found = drawn(tiny, answer).values()
    for one in found:
        assert (one.ending == "stop") == (one.ids[-1] == END_ID)
        assert one.ending != "length" or one.position + 1 + len(one.ids) == LONGEST
    assert {one.ending for one in found} == {"stop", "length"}
    at_once = drawn(tiny, answer, decided=lambda ids: len(ids) > 15).values()
    assert any(one.ending == "decided" for one in at_once)
    for one in at_once:
        whole = next(other for other in found if (other.position, other.token_id, other.draw) ==
                     (one.position, one.token_id, one.draw))  # fmt: skip
        assert whole.ids[: len(one.ids)] == one.ids, "stopping early changes nothing of what was drawn"


def test_more_draws_begin_with_the_fewer_ones_and_order_does_not_matter(tiny, answer):
    few = drawn(tiny, answer, [Task(3, 70, 0, 4)])
    more = drawn(tiny, answer, [Task(10, 71, 0, 2), Task(3, 70, 2, 9), Task(3, 70, 0, 2)])
    assert len(few) == 4 and all(more[key].ids == one.ids for key, one in few.items())
    other = drawn(tiny, answer, [Task(3, 70, 0, 4)], seed=5)
    assert any(other[key].ids != one.ids for key, one in few.items()), "the control: another seed draws others"


def test_draws_follow_the_model_exactly(tiny):
    toy = toy_model(seed=2)
    with one_thread():
        law = {ids[2:]: p for ids, p in answers(toy, 5).items() if ids[:2] == (3, 1)}
        count = 3_000
        found = Counter()
        close = 0
        for step in roll_out(toy, PROMPT, [3], [Task(1, 1, 0, count)], seed=11, max_tokens=5, rows=512):
            found.update(one.ids for one in step.finished)
            close += sum(one.close for one in step.finished)
    expected = np.array([law[ids] for ids in law]) * count / sum(law.values())
    seen = np.array([found[ids] for ids in law])
    assert seen.sum() == count and close == 0
    enough = expected >= 5
    pool = np.append(expected[enough], expected[~enough].sum()), np.append(seen[enough], seen[~enough].sum())
    assert stats.chisquare(pool[1], pool[0]).pvalue > 1e-3
    cooler = expected**1.5 / (expected**1.5).sum() * count
    assert stats.chisquare(seen, cooler).pvalue < 1e-6, "the control: another temperature is another law"
    assert all(ids[-1] == END or len(ids) == 3 for ids in found)


def test_draws_that_begin_alike_go_through_the_network_once():
    toy = toy_model(seed=2)
    with one_thread():
        steps = list(roll_out(toy, PROMPT, [3, 1], [Task(1, 1, 0, 200)], seed=1, max_tokens=6, rows=256))
    steps = [step for step in steps if step.rows]
    assert steps[0].rows == 1 and steps[0].drawn == 200 and steps[1].rows <= 3
    assert sum(step.rows for step in steps) < sum(step.drawn for step in steps) / 3


def test_a_call_that_is_stopped_leaves_whole_draws_and_another_one_brings_the_same(tiny, answer):
    whole = drawn(tiny, answer)
    seen = 0

    def cancelled():
        nonlocal seen
        seen += 1
        return seen > 18

    part = drawn(tiny, answer, cancelled=cancelled)
    assert 0 < len(part) < len(whole) and all(whole[key].ids == one.ids for key, one in part.items())
    rest = [Task(t, w, d, 1) for t, w, d in whole if (t, w, d) not in part]
    assert part | drawn(tiny, answer, rest) == whole


def test_it_is_cancelled_between_two_parts_of_a_long_base(tiny):
    prompt = [3] * (3 * BASE_CHUNK + 5)
    steps = []
    for step in roll_out(
        tiny, prompt, [4, 5], [Task(1, 9, 0, 2)], seed=0, max_tokens=8, cancelled=lambda: len(steps) > 1
    ):
        steps.append(step)
    assert len(steps) == 2 and not any(step.rows for step in steps)
    whole = list(roll_out(tiny, prompt, [4, 5], [Task(1, 9, 0, 2)], seed=0, max_tokens=8))
    assert sum(not step.rows for step in whole) == 4, "one step a part"


def test_the_base_counts_for_the_memory_that_is_set_aside(tiny):
    room = row_bytes(tiny, 200) + 2 * row_bytes(tiny, 32)
    assert rows_within(tiny, 32, room, 90, base=200) == 2
    with pytest.raises(OutOfMemory, match="rollout-memory"):
        rows_within(tiny, 32, row_bytes(tiny, 200), 90, base=200)


def test_where_shapes_are_compiled_few_numbers_of_rows_come_up_and_the_draws_are_the_same(tiny, answer, monkeypatch):
    plain = {(one.position, one.token_id, one.draw): one.ids for one in drawn(tiny, answer).values()}
    seen = []
    monkeypatch.setattr(rollouts, "compiles_shapes", lambda model: True)
    advance = rollouts._advance
    monkeypatch.setattr(rollouts, "_advance", lambda *args: (step := advance(*args), seen.append(step.rows))[0])
    coarse = {(one.position, one.token_id, one.draw): one.ids for one in drawn(tiny, answer).values()}
    assert coarse == plain
    assert set(seen) <= {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64} and len(set(seen)) > 2
    assert [round_rows(count) for count in (1, 2, 3, 5, 7, 23, 47, 48, 64)] == [1, 2, 3, 4, 6, 16, 32, 48, 64]


def test_all_rows_attend_to_one_copy_as_a_plain_pass_does(tiny, answer):
    base = [*answer.prompt_ids.tolist(), *answer.token_ids.tolist()]
    starts = [1, 9, 14, len(base)]
    shared = SharedPrefix(tiny, base, 6)
    list(shared.read())
    for row, start in enumerate(starts):
        shared.begin(row, start)
    written = [[70 + row] for row in range(4)]
    contexts = [ForwardPass(tiny) for _ in starts]
    for step in range(WIDTH + 4):
        logits = shared.feed([ids[-1] for ids in written]).numpy()
        for row, start in enumerate(starts):
            plain = contexts[row].feed([*base[:start], written[row][-1]] if not step else written[row][-1:])
            assert np.abs(logits[row] - plain[0]).max() < 1e-4
            written[row].append(int(plain.argmax()) % 256)
    shared.copy(0, 4)
    again = shared.feed([*(ids[-1] for ids in written), written[0][-1]]).numpy()
    assert np.abs(again[0] - again[4]).max() < 1e-4 and np.abs(again[0] - again[1]).max() > 1e-2
    # the model's own way of attending is untouched
    assert np.array_equal(ForwardPass(tiny).feed(base[:5]), ForwardPass(tiny).feed(base[:5]))


def test_room_is_made_as_it_is_needed_and_never_beyond_the_longest_row(tiny, answer):
    base = answer.prompt_ids.tolist()
    shared = SharedPrefix(tiny, base, 90, longest=2 * WIDTH + 4)
    list(shared.read())
    first = shared.keys.shape
    assert first[1] < 90 and first[3] == WIDTH
    shared.begin(0, len(base))
    for _ in range(2 * WIDTH + 4):
        alone = shared.feed([70])
    assert shared.keys.shape[1] == first[1] and shared.keys.shape[3] == 3 * WIDTH
    for row in range(1, 90):
        shared.copy(0, row)
    assert shared.keys.shape[1] == 90 and shared.keys.shape[3] == 3 * WIDTH
    plain = ForwardPass(tiny).feed([*base, *[70] * (2 * WIDTH + 4)])
    assert np.abs(alone.numpy() - plain).max() < 1e-4


def test_a_draw_is_the_token_at_which_the_sum_passes_its_number_and_close_ones_are_measured():
    import torch

    rng = np.random.default_rng(0)
    for size in (3, BLOCK, 2 * BLOCK + 5):
        logits = torch.as_tensor(rng.normal(size=(4, size), scale=3), dtype=torch.float32)
        owners, chances = rng.integers(0, 4, 500), rng.random(500)
        ids, gaps = draw_tokens(logits, owners, chances)
        weights = np.exp(logits.numpy().astype(float))
        sums = (weights / weights.sum(axis=1, keepdims=True)).cumsum(axis=1)
        plain = np.array([np.searchsorted(sums[o], u, side="right") for o, u in zip(owners, chances, strict=True)])
        assert (ids == plain)[gaps > 1e-6].all() and (gaps > 1e-6).mean() > 0.9
        nearest = np.abs(np.concatenate([np.zeros((4, 1)), sums], axis=1)[owners] - chances[:, None]).min(axis=1)
        assert gaps == pytest.approx(nearest, abs=1e-6)
    none = torch.tensor([[0.0, -torch.inf, 0.0, -torch.inf]])
    ids, _ = draw_tokens(none, np.zeros(3, dtype=int), np.array([0.2, 0.7, 1 - 2**-53]))
    assert ids.tolist() == [0, 2, 2], "what cannot be drawn is not, not even at the very end"


def test_a_stream_is_one_draw_of_one_branch_and_nothing_else():
    one = uniforms(7, 3, 70, 2, 50)
    assert np.array_equal(one[:20], uniforms(7, 3, 70, 2, 20)) and ((one > 0) & (one < 1)).all()
    for other in ((8, 3, 70, 2), (7, 4, 70, 2), (7, 3, 71, 2), (7, 3, 70, 3)):
        assert not np.isin(uniforms(*other, 50), one).any()
    many = np.concatenate([uniforms(7, t, 70, s, 20) for t in range(20) for s in range(20)])
    assert stats.kstest(many, "uniform").pvalue > 1e-3
    with pytest.raises(BadInput, match="draw is 1,048,576"):
        uniforms(7, 3, 70, 1 << 20, 1)


BAD = {
    "beyond": (Task(99, 70, 0, 1), "outside the answer"),
    "at its end": (Task(3, END_ID, 0, 1), "ends the answer"),
    "no draw": (Task(3, 70, 0, 0), "at least 1"),
    "no room": (Task(20, 70, 0, 1), "leave nothing to draw"),
}


@pytest.mark.parametrize("case", BAD)
def test_branches_that_cannot_be_drawn_are_refused_in_a_sentence(tiny, answer, case):
    task, words = BAD[case]
    with pytest.raises(BadInput, match=words):
        drawn(tiny, answer, [task], max_tokens=21)
    with pytest.raises(BadInput, match="do not fit into the model's context"):
        drawn(tiny, answer, max_tokens=10_000)


def test_memory_decides_how_many_rows_there_are(tiny):
    size = row_bytes(tiny, 40)
    assert size == 2 * 2 * 2 * 8 * 48 * 4
    assert rows_within(tiny, 40, 5 * size, 64) == 5 and rows_within(tiny, 40, 2**30, 64) == 64
    with pytest.raises(OutOfMemory, match="Not one continuation of 40 tokens"):
        rows_within(tiny, 40, size - 1, 64)
    assert shareable(tiny, 512) and not shareable(tiny, 513)


def test_nothing_to_draw_takes_no_step(tiny, answer):
    assert drawn(tiny, answer, []) == {}


def test_draws_of_the_embedded_model_are_those_of_plain_passes(embedded):
    trace = run(embedded, GenerationRequest("What is 12 plus 30?", max_new_tokens=12, temperature=0.0))
    tasks = [Task(t, int(trace.topk_ids[t, 1]), 0, 3) for t in (0, 4, 8)]
    found = drawn(embedded, trace, tasks, max_tokens=24)
    prompt, base = trace.prompt_ids.tolist(), trace.token_ids.tolist()
    differ = [key for key, one in found.items() if one.ids != plainly(embedded, prompt, base, key, 24)]
    # float noise decides numbers next to a boundary, which is said of them
    assert len(found) == 9 and all(found[key].close for key in differ) and len(differ) <= 2


@pytest.mark.model
@pytest.mark.parametrize(("quantization", "dtype", "apart"), [("none", "bfloat16", 0.1), ("nf4", "float32", 1e-3)])
def test_coarser_models_are_drawn_from_with_the_chances_of_plain_passes(quantization, dtype, apart):
    from scipy.special import softmax

    model = load_model("embedded", quantization=quantization, dtype=dtype, device="cpu")
    prompt = model.encode_prompt("What is 12 plus 30?")
    base = model.encode("12 plus 30 is")
    shared = SharedPrefix(model, [*prompt, *base], 2)
    list(shared.read())
    shared.begin(0, len(prompt) + 2)
    shared.begin(1, len(prompt) + 4)
    chances = softmax(shared.feed([base[2], base[3]]).numpy().astype(float), axis=1)
    for row, length in enumerate((2, 4)):
        plain = ForwardPass(model).feed([*prompt, *base[:length], base[row + 2]])
        assert np.abs(chances[row] - softmax(plain[0].astype(float))).max() < apart
    steps = list(roll_out(model, prompt, base, [Task(2, base[2], 0, 4)], seed=1, max_tokens=8, rows=3))
    found = {one.draw: one for step in steps for one in step.finished}
    assert set(found) == {0, 1, 2, 3} and all(one.ending == "stop" or len(one.ids) == 5 for one in found.values())
