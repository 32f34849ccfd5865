"""Continue goes on with the same run: the same tokens, the same place in the library, nothing lost when it fails."""

import itertools
from dataclasses import replace

import pytest

from engine.errors import BadInput, ModelUnavailable, NotFound, OutOfMemory, UserError
from tests.support.bench import FIELDS, ME, OTHER, all_saved, lines, stored
from ui import actions


def stopped_run(bench, tokens=4, fields=FIELDS):
    """A run stopped after a few tokens, as its uid."""
    job = bench.generate(fields, ME)
    for _ in range(tokens):
        next(job)
    bench.stop(ME)
    return lines(list(job)[-1])[-1]["run"]


def tokens_of(document):
    return [(t["id"], t["t"], t["g"][0]) for t in lines(document) if "t" in t]


def text_of(document):
    return "".join(text for _, text, _ in tokens_of(document))


def test_a_stopped_run_continued_is_the_run_that_was_never_stopped(bench):
    whole = list(bench.generate(FIELDS, ME))[-1]
    uid = stopped_run(bench)
    bench.store.runs.update(uid, viewer="local", title="Mine", tags=["kept"])
    before = bench.store.runs.get(uid, viewer="local")
    frames = list(bench.continue_run(uid, ME))
    after = bench.store.runs.get(uid, viewer="local")
    assert tokens_of(frames[-1]) == tokens_of(whole) and len(stored(bench)) == 2
    assert frames[-1] == bench.open_run(uid, ME)
    assert lines(frames[-1])[-1]["status"] == after.header.status == "finished"
    assert (after.header.title, after.header.tags) == ("Mine", ("kept",))
    assert after.header.created_at == before.header.created_at and after.trace.seconds > before.trace.seconds
    assert after.trace.notes == before.trace.notes and after.trace.settings == before.trace.settings


def test_a_continued_document_begins_with_all_that_was_on_show_and_only_grows(bench):
    uid = stopped_run(bench, 6)
    on_show = bench.open_run(uid, ME)
    frames = list(bench.continue_run(uid, ME))
    assert frames[0] == on_show[: on_show.rstrip("\n").rindex("\n") + 1]
    assert lines(frames[0])[0]["run"] == uid and "done" not in lines(frames[0])[-1]
    for before, after in itertools.pairwise(frames[:-1]):
        assert after.startswith(before) and len(after) > len(before)
    assert text_of(frames[-1]).startswith(text_of(frames[-2]))


def test_a_continued_run_can_be_stopped_and_continued_again(bench):
    whole = list(bench.generate(FIELDS, ME))[-1]
    uid = stopped_run(bench, 3)
    lengths = []
    while lines(bench.open_run(uid, ME))[-1]["status"] == "stopped":
        job = bench.continue_run(uid, ME)
        for _ in range(9):
            if next(job, None) is None:
                break
        bench.stop(ME)
        list(job)
        lengths.append(bench.store.runs.header(uid, viewer="local").tokens)
    assert len(lengths) > 2 and lengths == sorted(set(lengths))
    assert tokens_of(bench.open_run(uid, ME)) == tokens_of(whole)


def test_closing_the_page_while_continuing_keeps_what_was_added(bench):
    uid = stopped_run(bench, 3)
    short = bench.store.runs.header(uid, viewer="local").tokens
    job = bench.continue_run(uid, ME)
    next(job), next(job), next(job)
    job.close()
    all_saved()
    header = bench.store.runs.header(uid, viewer="local")
    assert header.status == "stopped" and header.tokens > short
    assert lines(list(bench.continue_run(uid, ME))[-1])[-1]["status"] == "finished"


def test_a_run_at_its_limit_goes_on_with_as_many_tokens_again(bench):
    uid = lines(list(bench.generate({**FIELDS, "max_new_tokens": 15}, ME))[-1])[-1]["run"]
    last = list(bench.continue_run(uid, ME))[-1]
    whole = list(bench.generate({**FIELDS, "max_new_tokens": 30}, ME))[-1]
    assert tokens_of(last) == tokens_of(whole)
    assert lines(last)[0]["settings"] == lines(whole)[0]["settings"]


def test_stopping_in_the_queue_leaves_the_run_on_show_as_it_was(bench):
    uid = stopped_run(bench)
    on_show = bench.open_run(uid, ME)
    first = bench.generate(FIELDS, OTHER)
    next(first)
    job = bench.continue_run(uid, ME)
    waiting = next(job)
    assert tokens_of(waiting) == tokens_of(on_show) and "1 person is before you" in lines(waiting)[-1]["text"]
    bench.stop(ME)
    assert list(job)[-1] == bench.open_run(uid, ME) == on_show
    first.close()


def test_a_problem_before_the_next_token_leaves_the_run_as_it_was_and_is_said(bench, monkeypatch):
    def broken(*args, **kwargs):
        raise OutOfMemory("There was not enough memory: shorten the prompt.")
        yield

    uid = stopped_run(bench)
    on_show = bench.open_run(uid, ME)
    monkeypatch.setattr(actions, "resume", broken)
    frames = []
    with pytest.raises(OutOfMemory):
        for frame in bench.continue_run(uid, ME):
            frames.append(frame)
    assert frames[-1] == bench.open_run(uid, ME) == on_show
    monkeypatch.undo()
    assert lines(list(bench.continue_run(uid, ME))[-1])[-1]["status"] == "finished"


def test_a_continuation_that_fails_half_way_keeps_what_was_added_and_can_be_continued(bench, monkeypatch):
    def broken(model, trace, settings, cancelled=None):
        yield from list(original(model, trace, settings, cancelled=cancelled))[:5]
        raise OutOfMemory("There was not enough memory: shorten the prompt.")

    original = actions.resume
    whole = list(bench.generate(FIELDS, ME))[-1]
    uid = stopped_run(bench)
    short = bench.store.runs.header(uid, viewer="local").tokens
    monkeypatch.setattr(actions, "resume", broken)
    last = lines(list(bench.continue_run(uid, ME))[-1])[-1]
    assert last["status"] == "failed" and "not enough memory" in last["problem"]
    assert bench.store.runs.header(uid, viewer="local").tokens == short + 5
    monkeypatch.undo()
    assert tokens_of(list(bench.continue_run(uid, ME))[-1]) == tokens_of(whole)


def test_what_could_not_be_stored_stays_on_show_and_can_be_tried_again(bench, monkeypatch):
    def full(*args, **kwargs):
        raise UserError("The disk is full: make room and try again.")

    uid = stopped_run(bench)
    on_show = bench.open_run(uid, ME)
    monkeypatch.setattr(bench.store.runs, "extend", full)
    last = list(bench.continue_run(uid, ME))[-1]
    assert "What was added could not be stored" in lines(last)[-1]["problem"] and len(tokens_of(last)) > 4
    assert lines(last)[-1]["run"] == uid and bench.open_run(uid, ME) == on_show
    monkeypatch.undo()
    assert tokens_of(list(bench.continue_run(uid, ME))[-1]) == tokens_of(last)


def test_runs_that_cannot_be_continued_are_refused_before_anything_is_shown(bench):
    def refusal(uid, viewer=ME):
        with pytest.raises(UserError) as error:
            next(bench.continue_run(uid, viewer))
        return type(error.value), str(error.value)

    uid = stopped_run(bench)
    trace = bench.store.runs.get(uid, viewer="local").trace
    add = {"status": "stopped", "run_scores": {}}
    foreign = bench.store.runs.add(trace, owner="ann", visibility="unlisted", **add)
    assert refusal(foreign) == (NotFound, refusal("nowhere")[1].replace("nowhere", foreign))
    example = bench.store.runs.add(trace, example=True, **add)
    assert refusal(example)[0] is BadInput and "example" in refusal(example)[1]
    scored = lines(list(bench.score_text("Say", "hello", ME))[-1])[-1]["run"]
    assert "given and scored" in refusal(scored)[1]
    ended = bench.store.runs.add(replace(trace, finish_reason="stop"), status="finished", run_scores={})
    assert "complete" in refusal(ended)[1]


def test_another_model_is_named_and_the_run_stays_on_show(bench):
    from engine.testing import tiny_model

    uid = stopped_run(bench)
    on_show = bench.open_run(uid, ME)
    bench.host.hold(tiny_model(seed=1))
    with pytest.raises(ModelUnavailable, match=r"made with tiny .*load it to continue"):
        list(bench.continue_run(uid, ME))
    assert bench.open_run(uid, ME) == on_show


def test_a_run_that_grew_while_its_turn_was_waited_for_is_not_stretched_beyond_what_was_asked(bench):
    uid = stopped_run(bench, 6)
    first, second = bench.continue_run(uid, ME), bench.continue_run(uid, OTHER)
    next(first)
    assert "1 person is before you" in next(second)
    *_, last = first
    with pytest.raises(BadInput, match="continued elsewhere meanwhile"):
        list(second)
    assert bench.open_run(uid, ME) == last
