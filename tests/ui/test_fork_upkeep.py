"""Forking analyses where several things go on at once, or went on before: other pages, closed ones, damaged ones."""

from __future__ import annotations

import sqlite3
import threading
import time

import pytest

from engine import generate
from engine.errors import BadInput, Busy, NotFound
from engine.fork_draws import to_arrays
from engine.types import GenerationRequest
from tests.support.app_server import wait_until
from tests.support.bench import ME, OTHER, STRANGER, head, last, lines
from tests.support.forking import SMALL
from ui import fork_fields, fork_job, fork_view
from ui import forks as forks_module
from ui.fork_fields import PUBLIC, ForkBounds
from ui.fork_job import ENDS, NOTHING_KEPT
from ui.forks import ELSEWHERE, NONE_READABLE, OLDER, Forks


def drawn(document):
    """Draws that the branches say."""
    return sum(row[5] for row in last(document, "b"))


def stopped(bench, forks, run, viewer=ME, at=6):
    """An analysis that was stopped in the middle: its last document."""
    document = ""
    for number, frame in enumerate(forks.run(run, SMALL, viewer)):
        document = frame
        if number == at:
            bench.stop(viewer)
    assert last(document, "s")["state"] == "stopped" and last(document, "s")["draws"]
    return document


def until_drawn(forks, run, draws, viewer=ME):
    """The frames of a new analysis that has stored itself and drawn so many, and its uid."""
    frames = forks.run(run, SMALL, viewer)
    for frame in frames:
        if last(frame, "s")["draws"] >= draws and head(frame)["forks"]:
            return frames, head(frame)["forks"]
    raise AssertionError("it ended before")


def landed(forks, uid):
    """Wait until a closed page's draws are stored."""
    deadline = time.monotonic() + 20
    while forks.underway.is_drawn(uid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not forks.underway.is_drawn(uid)


def test_what_was_kept_of_fewer_draws_is_not_shown_for_more(bench, forks, answer):
    part = stopped(bench, forks, answer)
    uid = head(part)["forks"]
    assert drawn(forks.open(uid, ME)) == drawn(part)
    frames = forks.resume(uid, ME)
    for frame in frames:
        if last(frame, "s")["draws"] > last(part, "s")["draws"] + 5:
            break
    frames.close()
    landed(forks, uid)
    opened = Forks(bench).open(uid, ME)
    assert last(opened, "s")["state"] == "stopped" and last(opened, "s")["draws"] > last(part, "s")["draws"] + 5
    assert lines(opened)[1:-1] == lines(Forks(bench).read_again(uid, "exact_text", "", ME))[1:-1]
    assert drawn(opened) > drawn(part)


def test_one_that_lacks_draws_by_the_plan_of_today_is_gone_on_with(bench, forks, answer):
    *_, whole = forks.run(answer, SMALL, ME)
    uid, opened = head(whole)["forks"], forks._opened(head(whole)["forks"], ME)
    final = max(one.position for one in opened.draws.rollouts)
    opened.draws.rollouts[:] = [one for one in opened.draws.rollouts if one.position != final]
    arrays = to_arrays(opened.draws) | {ENDS: bench.store.analyses.get(uid, viewer=ME.name).arrays[ENDS]}
    bench.store.analyses.save(uid, viewer=ME.name, arrays=arrays)
    document = forks.open(uid, ME)
    assert last(document, "s")["state"] == "stopped" and not any("p" in line for line in lines(document))
    *_, again = forks.resume(uid, ME)
    assert last(again, "s")["state"] == "finished" and last(again, "p") == last(whole, "p")


def test_a_closed_page_and_one_that_waits_for_the_same_analysis_lose_no_draw_of_each_other(
    bench, forks, answer, monkeypatch
):
    uid = head(stopped(bench, forks, answer))["forks"]
    known = set(forks._opened(uid, ME).draws.rollouts)
    real, landing = bench.store.analyses.save, threading.Event()

    def slow(*arguments, **named):
        if named.get("status") == "stopped":
            assert landing.wait(30)
        return real(*arguments, **named)

    monkeypatch.setattr(bench.store.analyses, "save", slow)
    first = forks.resume(uid, ME)
    for frame in first:
        if last(frame, "s")["draws"] >= len(known) + 10:
            break
    here = last(frame, "s")["draws"]
    documents = []

    def go_on():
        for document in forks.resume(uid, OTHER):
            documents.append(document)
            if last(document, "s")["message"] == forks_module.LANDING:
                landing.set()

    other = threading.Thread(target=go_on)
    other.start()
    wait_until(lambda: bench.turns.waiting() >= 2, 20)
    first.close()
    other.join(60)
    said = {last(document, "s")["message"] for document in documents}
    assert forks_module.LANDING in said, "the second one did not come in between"
    running = [last(document, "s")["draws"] for document in documents if last(document, "s")["state"] == "running"]
    assert not running or min(running) >= here, "it drew again what the first one had"
    assert last(documents[-1], "s")["state"] == "finished"
    *_, alone = forks.run(answer, SMALL, ME)
    wanted = set(forks._opened(head(alone)["forks"], ME).draws.rollouts)
    assert set(forks._opened(uid, ME).draws.rollouts) == wanted


def test_who_opens_one_that_is_being_drawn_is_told_so_and_nothing_half_is_kept(bench, forks, answer, monkeypatch):
    monkeypatch.setattr(fork_job, "SAVE_SECONDS", 0.0)
    frames, uid = until_drawn(forks, answer, 8)
    opened = forks.open(uid, OTHER)
    assert last(opened, "s")["state"] == "running" and last(opened, "s")["message"] == ELSEWHERE
    assert "look" not in bench.store.analyses.get(uid, viewer=ME.name).arrays
    assert last(Forks(bench).open(uid, ME), "s")["state"] == "stopped", "another program draws nothing"
    frames.close()
    landed(forks, uid)
    opened = forks.open(uid, OTHER)
    assert last(opened, "s")["state"] == "stopped" and last(opened, "s")["message"] == ""


@pytest.mark.parametrize("more", [0, -1, -1000, 3000])
def test_a_number_of_draws_to_add_that_is_none_changes_nothing(forks, answer, more):
    *_, whole = forks.run(answer, SMALL, ME)
    row = next(row for row in last(whole, "b") if row[5] and not row[4])
    with pytest.raises(BadInput, match=f"The number of draws is {more}; it must be a whole number from 1 to 2,000"):
        next(forks.add_draws(head(whole)["forks"], row[0], row[1], more, ME))
    assert lines(forks.open(head(whole)["forks"], ME))[1:-1] == lines(whole)[1:-1]


def test_draws_that_two_pages_add_at_once_are_bounded_together(forks, answer, monkeypatch):
    *_, whole = forks.run(answer, SMALL, ME)
    uid, before = head(whole)["forks"], last(whole, "s")["draws"]
    one, two = [row for row in last(whole, "b") if row[5] and not row[4]][:2]
    opened, real = [], forks._mine

    def mine(*arguments):
        found = real(*arguments)
        if not opened:
            opened.append(1)
            # another page adds its own between this one's asking and its turn
            list(forks.add_draws(uid, one[0], one[1], 5, OTHER))
        return found

    monkeypatch.setattr(forks, "_mine", mine)
    monkeypatch.setattr(fork_fields, "TRUSTED", ForkBounds(whole=before + 8))
    with pytest.raises(BadInput, match=f"takes {before + 10:,} draws; at most {before + 8:,} are allowed"):
        list(forks.add_draws(uid, two[0], two[1], 5, ME))
    assert last(forks.open(uid, ME), "s")["draws"] == before + 5


def test_a_damaged_analysis_gives_way_to_an_older_one_and_at_last_to_a_price(bench, forks, answer):
    older = head(stopped(bench, forks, answer))["forks"]
    newer = head(stopped(bench, forks, answer))["forks"]
    assert head(forks.of_run(answer, ME))["forks"] == newer
    path = bench.store.path
    draws = "UPDATE analysis_array SET data = zeroblob(9) WHERE analysis_id = (SELECT id FROM analysis WHERE uid = ?)"
    for uid, change in ((newer, draws), (older, "UPDATE analysis SET progress = 'x' WHERE uid = ?")):
        with sqlite3.connect(path) as raw:
            raw.execute(change, (uid,))
        document = forks.of_run(answer, ME)
        if uid == newer:
            assert head(document)["forks"] == older and last(document, "s")["message"] == OLDER
    assert head(document)["forks"] == "" and last(document, "s")["message"] == NONE_READABLE
    assert last(document, "s")["state"] == "idle" and head(document)["price"]["draws"]


def test_one_thing_at_a_time_is_worked_out_for_a_person_and_one_is_not_held_up_by_another(
    bench, forks, answer, monkeypatch
):
    *_, whole = forks.run(answer, SMALL, ME)
    uid, refused = head(whole)["forks"], []
    real = fork_view.fork_measures.fork_tests

    def nested(*arguments, **named):
        calls = (lambda: forks.read_again(uid, "yes_no", "", ME), lambda: forks.export(uid, "jsonl", ME))
        for call in calls:
            with pytest.raises(Busy, match="being read for you already"):
                call()
            refused.append(call)
        assert forks.export(uid, "jsonl", OTHER).is_file()
        return real(*arguments, **named)

    monkeypatch.setattr(fork_view.fork_measures, "fork_tests", nested)
    forks.read_again(uid, "yes_no", "", ME)
    assert len(refused) == 2
    assert forks.export(uid, "jsonl", ME).is_file(), "it is free again"


def test_a_stranger_keeps_the_newest_analyses_of_a_run_only(bench, forks, answer, monkeypatch):
    monkeypatch.setattr(forks_module, "KEPT_A_RUN", 3)
    theirs = bench.keep(bench.store.runs.get(answer, viewer=ME.name).trace, STRANGER)
    few = SMALL | {"first": 8, "draws": 2, "most": 2}
    for viewer, run, kept in ((STRANGER, theirs, 3), (ME, answer, 5)):
        uids = [head(list(forks.run(run, few, viewer))[-1])["forks"] for _ in range(5)]
        assert [each.uid for each in bench.store.analyses.list(run, viewer=viewer.name)] == uids[-kept:]


def test_a_stranger_is_stopped_where_the_tokens_end_and_keeps_what_was_drawn(bench, forks, answer, monkeypatch):
    own = bench.keep(bench.store.runs.get(answer, viewer=ME.name).trace, STRANGER)
    assert PUBLIC.tokens < 100_000
    monkeypatch.setattr(fork_fields, "PUBLIC", ForkBounds(300, 100, 512))
    monkeypatch.setattr(forks_module, "check_price", lambda plan, bounds: plan)
    *_, document = forks.run(own, SMALL, STRANGER)
    standing, uid = last(document, "s"), head(document)["forks"]
    assert standing["state"] == "stopped" and "at most 300 are allowed here" in standing["message"]
    assert 0 < standing["draws"] < head(document)["price"]["draws"] and 300 < standing["tokens"] < 600
    assert last(forks.open(uid, STRANGER), "s")["message"] == standing["message"]
    with pytest.raises(BadInput, match="at most 300 are allowed here"):
        next(forks.resume(uid, STRANGER))
    *_, mine = forks.run(answer, SMALL, ME)
    assert last(mine, "s")["state"] == "finished"


def test_the_price_of_a_short_answer_counts_that_others_are_longer_and_responses_are_bounded(
    forks, answer, tiny, bench
):
    own = bench.keep(generate.run(tiny, GenerationRequest("Tell me", max_new_tokens=2, temperature=0.0)), STRANGER)
    price = head(forks.price(own, {"extractor": "exact_text"}, STRANGER))["price"]
    assert price["tokens"] >= 40 * price["draws"]
    short = head(forks.price(own, {"extractor": "exact_text", "max_tokens": 5}, STRANGER))["price"]
    assert short["draws"] == price["draws"] and short["tokens"] <= 4 * short["draws"]
    assert head(forks.price(own, {"extractor": "exact_text"}, STRANGER))["longest"] == 202


def test_where_the_usual_settings_are_too_dear_others_can_still_be_asked_for(bench, forks, answer, monkeypatch):
    own = bench.keep(bench.store.runs.get(answer, viewer=ME.name).trace, STRANGER)
    assert last(forks.offer(own, STRANGER), "s")["message"] == ""
    monkeypatch.setattr(fork_fields, "PUBLIC", ForkBounds(500, 100, 512))
    with pytest.raises(BadInput, match="at most 500 are allowed here"):
        forks.price(own, {}, STRANGER)
    offered = forks.offer(own, STRANGER)
    assert last(offered, "s")["state"] == "idle" and "at most 500 are allowed here" in last(offered, "s")["message"]
    assert head(offered)["pieces"] and head(offered)["price"]["tokens"] > 500
    assert head(forks.price(own, SMALL | {"first": 9, "draws": 2, "most": 2}, STRANGER))["price"]["tokens"] <= 500
    with pytest.raises(NotFound):
        forks.offer(own, OTHER)


def test_without_a_longest_response_a_stranger_gets_the_longest_that_is_allowed(bench, forks, answer, monkeypatch):
    own = bench.keep(bench.store.runs.get(answer, viewer=ME.name).trace, STRANGER)
    monkeypatch.setattr(fork_fields, "PUBLIC", ForkBounds(60_000, 100, 40))
    assert head(forks.price(own, {"extractor": "exact_text"}, STRANGER))["longest"] == 40
    monkeypatch.setattr(fork_fields, "PUBLIC", ForkBounds(60_000, 100, 512))
    for number, frame in enumerate(forks.run(own, SMALL | {"max_tokens": None}, STRANGER)):
        uid = head(frame)["forks"]
        if number == 40:
            bench.stop(STRANGER)
    monkeypatch.setattr(fork_fields, "PUBLIC", ForkBounds(60_000, 100, 40))
    with pytest.raises(BadInput, match="may have 210 tokens; at most 40"):
        next(forks.resume(uid, STRANGER))


def test_a_pace_is_that_of_a_model_where_it_runs(bench, forks, answer, tiny, monkeypatch):
    monkeypatch.setattr(fork_job, "PACE_TOKENS", 1)
    assert head(forks.price(answer, SMALL, ME))["price"]["seconds"] != 0
    list(forks.run(answer, SMALL, ME))
    card = tiny.card
    assert forks.underway.pace(card) and forks.seconds_per_token(ME) == forks.underway.pace(card)
    for change in ({"device": "cuda:0"}, {"dtype": "bfloat16"}, {"name": "other"}):
        assert forks.underway.pace(forks_module.replace(card, **change)) is None
    assert forks.underway.pace(forks_module.replace(card, context_length=7)) == forks.underway.pace(card)


def test_an_answer_that_a_stop_string_ended_says_so_in_price_and_curve(bench, forks, answer, tiny):
    trace = bench.store.runs.get(answer, viewer=ME.name).trace
    ended = bench.keep(forks_module.replace(trace, finish_reason="stop_string"), ME)
    assert "stop string" in head(forks.price(ended, SMALL, ME))["price"]["warnings"][0]
    *_, whole = forks.run(ended, SMALL, ME)
    assert "stop string" in last(whole, "said")["warnings"][0]
    assert "stop string" in last(forks.open(head(whole)["forks"], ME), "said")["warnings"][0]
    assert head(forks.price(answer, SMALL, ME))["price"]["warnings"] == []


def test_stopping_a_new_one_before_its_turn_shows_the_older_one_again(bench, forks, answer):
    *_, whole = forks.run(answer, SMALL, ME)
    documents = []
    with bench.turns.enter(OTHER):
        thread = threading.Thread(target=lambda: documents.extend(forks.run(answer, SMALL, ME)))
        thread.start()
        while bench.turns.waiting() < 2:
            time.sleep(0.01)
        bench.stop(ME)
        thread.join(20)
    assert lines(documents[-1])[1:] == lines(forks.of_run(answer, ME))[1:] and head(documents[-1]) == head(whole)


def test_stopping_a_new_one_before_its_first_draw_shows_the_older_one_again(bench, forks, answer):
    *_, whole = forks.run(answer, SMALL, ME)
    for frame in forks.run(answer, SMALL, ME):
        if last(frame, "s")["state"] == "running" and not last(frame, "s")["draws"]:
            bench.stop(ME)
    assert last(frame, "s")["message"] == NOTHING_KEPT and last(frame, "s")["state"] == "finished"
    assert head(frame) == head(whole) and lines(frame)[1:-1] == lines(whole)[1:-1]


def test_draws_that_were_cut_count_as_such_even_where_their_outcome_could_be_read(forks, answer):
    *_, whole = forks.run(answer, SMALL | {"extractor": "first_line", "max_tokens": 12}, ME)
    report = forks._opened(head(whole)["forks"], ME).report()
    share = sum(one.ending == "length" for one in report.draws.rollouts) / report.count
    (said,) = [words for words in last(whole, "said")["warnings"] if words.endswith("hit the length limit.")]
    assert share > 0.1 and said.startswith(f"{100 * share:.0f}")
