"""A job's document grows, ends as it is stored, and keeps what there is when it is stopped, dropped or broken."""

import itertools
import json
import threading
import time

import pytest

from engine.errors import BadInput, Busy, ModelUnavailable, OutOfMemory, UserError
from tests.support.bench import FIELDS, ME, OTHER, all_saved, lines, stored
from ui import actions
from ui.access import Viewer
from ui.turns import TurnLimits


def test_a_document_only_grows_until_its_stored_form_replaces_it(bench):
    frames = list(bench.generate(FIELDS, ME))
    for before, after in itertools.pairwise(frames[:-1]):
        assert after.startswith(before)
    last = lines(frames[-1])
    assert last[-1]["done"] and last[-1]["status"] == "finished"
    assert "".join(t["t"] for t in lines(frames[-2]) if "t" in t) in "".join(t["t"] for t in last if "t" in t)


def test_a_run_opened_from_the_store_is_the_document_it_ended_with(bench):
    final = lines(list(bench.generate(FIELDS, ME))[-1])
    uid = final[-1]["run"]
    opened = lines(bench.open_run(uid, ME))
    assert opened[1:] == final[1:]
    assert {k: v for k, v in opened[0].items() if k != "created"} == {
        k: v for k, v in final[0].items() if k != "created"
    }
    assert opened[0]["run"] == uid and len(opened[1]["k"]) == 20


def test_stop_keeps_what_there_is_marked_as_stopped(bench):
    job = bench.generate(FIELDS, ME)
    for _ in range(4):
        next(job)
    assert bench.stop(OTHER) == 0 and bench.stop(ME) == 1
    last = lines(list(job)[-1])
    (run,) = stored(bench)
    assert last[-1]["status"] == run.status == "stopped" and 0 < run.tokens < 40


def test_closing_the_page_in_mid_run_stores_the_part_and_frees_the_turn(bench):
    job = bench.generate(FIELDS, ME)
    next(job), next(job), next(job), next(job)  # the empty document, then three tokens
    job.close()
    all_saved()
    (run,) = stored(bench)
    assert run.status == "stopped" and run.tokens >= 2
    assert lines(list(bench.generate(FIELDS, ME))[-1])[-1]["status"] == "finished"


def test_a_run_that_fails_half_way_is_kept_and_says_why(bench, monkeypatch):
    def broken(model, request, cancelled=None):
        for count, step in enumerate(original(model, request, cancelled=cancelled)):
            if count == 5:
                raise OutOfMemory("There was not enough memory: shorten the prompt.")
            yield step

    original = actions.generate
    monkeypatch.setattr(actions, "generate", broken)
    last = lines(list(bench.generate(FIELDS, ME))[-1])
    (run,) = stored(bench)
    assert last[-1]["status"] == run.status == "failed" and run.tokens == 5
    assert "not enough memory" in last[-1]["problem"]


def test_a_defect_half_way_keeps_the_part_and_is_not_swallowed(bench, monkeypatch):
    def broken(model, request, cancelled=None):
        yield from list(original(model, request, cancelled=cancelled))[:5]
        raise ZeroDivisionError

    original = actions.generate
    monkeypatch.setattr(actions, "generate", broken)
    with pytest.raises(ZeroDivisionError):
        list(bench.generate(FIELDS, ME))
    (run,) = stored(bench)
    assert run.status == "failed" and run.tokens == 5


def test_two_people_are_queued_and_both_told(bench):
    first, second = bench.generate(FIELDS, ME), bench.generate({**FIELDS, "seed": 4}, OTHER)
    next(first)
    waiting = []
    thread = threading.Thread(target=lambda: waiting.extend(second))
    thread.start()
    deadline = time.monotonic() + 5
    while not waiting and time.monotonic() < deadline:
        time.sleep(0.02)
    rest = list(first)
    thread.join(30)
    assert "1 person is before you" in lines(waiting[0])[0]["text"]
    assert any(line.get("waiting") == 1 for line in lines(rest[-2]))
    assert lines(waiting[-1])[-1]["status"] == "finished" and len(stored(bench)) == 2


def test_a_queued_person_can_leave(bench):
    first, second = bench.generate(FIELDS, ME), bench.generate(FIELDS, OTHER)
    next(first), next(second)
    bench.stop(OTHER)
    assert "nothing was kept" in lines(list(second)[-1])[0]["text"]
    assert lines(list(first)[-1])[-1]["status"] == "finished"


def test_one_page_runs_one_job_at_a_time(bench):
    job = bench.generate(FIELDS, ME)
    next(job)
    with pytest.raises(Busy, match="already at work"):
        next(bench.generate(FIELDS, ME))
    job.close()


def test_a_model_that_could_not_load_is_named_and_the_bench_stays_usable(bench, tiny, tmp_path):
    bench.host.start(str(tmp_path / "nowhere"))
    bench.host.wait(30)
    with pytest.raises(ModelUnavailable, match="nowhere"):
        list(bench.generate(FIELDS, ME))
    bench.host.hold(tiny)
    assert lines(list(bench.generate(FIELDS, ME))[-1])[-1]["status"] == "finished"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompt": "  "}, "prompt"),
        ({"prompt": "x" * 1_000_001}, "prompt"),
        ({"prompt": "a\ud800"}, "prompt"),
        ({"temperature": float("nan")}, "emperature"),
        ({"max_new_tokens": -3}, "tokens"),
        ({"seed": "9" * 30}, "seed"),
        ({"top_p": 0}, "op-p"),
        ({"prompt": "x" * 99_000}, "too many"),
    ],
)
def test_bad_fields_are_one_sentence_and_leave_nothing(bench, change, words):
    with pytest.raises(BadInput, match=words) as error:
        list(bench.generate(FIELDS | change, ME))
    assert len(str(error.value)) < 400 and not stored(bench)
    assert lines(list(bench.generate(FIELDS, ME))[-1])[-1]["status"] == "finished"


def test_a_pasted_text_is_scored_and_kept(bench):
    last = lines(list(bench.score_text("Say", "hello there", ME))[-1])
    assert last[0]["kind"] == "scored" and last[-1]["status"] == "scored" and "g" not in last[1]
    assert "".join(t["t"] for t in last if "t" in t) == "hello there"
    assert stored(bench)[0].status == "scored"


def test_stopping_a_scoring_keeps_the_part_as_stopped(bench):
    job = bench.score_text("", "abc " * 60, ME)
    next(job)
    bench.stop(ME)
    assert lines(list(job)[-1])[-1]["status"] == "stopped"


def test_what_an_api_returned_is_kept_with_bounds_marked(bench):
    content = [
        {"token": "Yes", "logprob": -0.1, "bytes": [89, 101, 115],
         "top_logprobs": [{"token": "Yes", "logprob": -0.1}, {"token": "No", "logprob": -2.5}]}
    ]  # fmt: skip
    answer = {"model": "remote", "choices": [{"message": {"content": "Yes"}, "logprobs": {"content": content}}]}
    (uid,) = bench.import_logprobs(json.dumps(answer), ME)
    head, token, done = lines(bench.open_run(uid, ME))
    assert head["bounds"] and head["kind"] == "import" and token["t"] == "Yes" and done["status"] == "imported"
    values = dict(zip([s["name"] for s in head["scores"]], token["s"], strict=True))
    assert values["surprisal"] == pytest.approx(0.1) and values["entropy"] < values["entropy_upper"]


def test_a_store_that_is_full_does_not_lose_the_answer_on_show(bench, monkeypatch):
    def full(*args, **kwargs):
        raise UserError("The disk is full: make room and try again.")

    monkeypatch.setattr(bench.store.runs, "add", full)
    last = lines(list(bench.generate(FIELDS, ME))[-1])
    assert "could not be stored" in last[-1]["problem"] and last[-1]["run"] == "" and any("t" in t for t in last)


def test_a_run_closed_right_after_its_last_token_is_finished(bench):
    job = bench.generate({**FIELDS, "max_new_tokens": 3}, ME)
    next(job), next(job), next(job), next(job)  # the empty document, then three tokens
    job.close()
    all_saved()
    (run,) = stored(bench)
    assert run.status == "finished" and run.finish_reason == "length"


def test_a_long_save_of_somebody_else_is_waited_for_and_the_run_is_not_given_up(bench, monkeypatch):
    refusals, add = iter([True, True, False]), bench.store.runs.add

    def busy_twice(*args, **kwargs):
        if next(refusals):
            raise Busy("The library has been busy.")
        return add(*args, **kwargs)

    monkeypatch.setattr(bench.store.runs, "add", busy_twice)
    *_, last = bench.generate(FIELDS, ME)
    assert lines(last)[-1]["status"] == "finished" and len(stored(bench)) == 1
    monkeypatch.setattr(actions, "SAVE_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(bench.store.runs, "add", lambda *a, **k: (_ for _ in ()).throw(Busy("Still busy.")))
    *_, last = bench.generate(FIELDS, ME)
    assert "Still busy." in lines(last)[-1]["problem"] and len(stored(bench)) == 1


def test_closing_the_page_while_the_store_is_busy_holds_nobody_up_and_loses_nothing(bench, monkeypatch):
    released, add = threading.Event(), bench.store.runs.add

    def busy(*args, **kwargs):
        if not released.is_set():
            raise Busy("The library has been busy.")
        return add(*args, **kwargs)

    monkeypatch.setattr(bench.store.runs, "add", busy)
    job = bench.generate(FIELDS, ME)
    while "t" not in lines(next(job))[-1]:
        pass
    began = time.monotonic()
    job.close()
    assert time.monotonic() - began < 2
    released.set()
    all_saved()
    assert [run.status for run in stored(bench)] == ["stopped"]


def test_a_stranger_holds_two_places_in_the_queue_whatever_the_number_of_pages(bench):
    bench.turns.limits = TurnLimits.of("public")
    pages = [Viewer("visitor:a", f"s{i}", False) for i in range(3)]
    first, second = bench.generate(FIELDS, pages[0]), bench.generate(FIELDS, pages[1])
    next(first)
    assert "another page of yours is before this one" in next(second)
    with pytest.raises(Busy, match="2 jobs of yours are at work or waiting already"):
        list(bench.generate(FIELDS, pages[2]))
    other = bench.generate(FIELDS, Viewer("visitor:b", "s9", False))
    assert "1 person is before you" in next(other), "who was not served yet goes before the second job of another"
    assert bench.stop(pages[2]) == 2, "each page of theirs may stop them"
    list(first), list(other), list(second)
