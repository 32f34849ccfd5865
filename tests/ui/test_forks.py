"""Forking analyses as a person uses them: priced, drawn, stopped, gone on with, read again, refused in a sentence."""

from __future__ import annotations

import json
import threading

import pytest

from engine.errors import BadInput, NotFound
from engine.host import ModelHost
from engine.limits import Limits
from tests.support.app_server import wait_until
from tests.support.bench import ME, all_saved, head, last, lines
from tests.support.forking import SMALL, curve
from ui import fork_job, fork_record, fork_view
from ui.access import Viewer
from ui.actions import Workbench
from ui.forks import Forks

OTHER = Viewer("other", "session-7", True)


def test_an_analysis_is_priced_drawn_kept_and_opened_as_it_was(bench, forks, answer):
    asked = forks.price(answer, SMALL, ME)
    price = head(asked)["price"]
    assert price["branches"] > 5 and price["draws"] >= 2 * price["branches"] and price["tokens"] > price["draws"]
    assert last(asked, "s")["state"] == "idle" and not bench.store.analyses.list(answer, viewer=ME.name)
    frames = list(forks.run(answer, SMALL, ME))
    assert {last(frame, "s")["state"] for frame in frames[:-1]} <= {"waiting", "running"}
    whole = frames[-1]
    assert last(whole, "s")["state"] == "finished" and last(whole, "s")["draws"] == price["draws"]
    for t, kept, shares, low, high in curve(whole):
        assert sum(shares) == pytest.approx(1, abs=1e-3) and 0 < kept <= 1 and 0 <= t < 10
        assert all(a <= b + 1e-9 for a, b in zip(low, high, strict=True))
    uid = head(whole)["forks"]
    again = Forks(bench).open(uid, ME)
    assert curve(again) == curve(whole) and last(again, "b") == last(whole, "b")
    assert last(again, "said") == last(whole, "said") == last(forks.of_run(answer, ME), "said")
    assert forks.of_run(bench.keep(bench.store.runs.get(answer, viewer=ME.name).trace, ME), ME) == ""
    json.loads(whole.split("\n")[0], parse_constant=lambda name: pytest.fail(name))


def test_what_the_document_says_of_branches_is_what_was_drawn(bench, forks, answer):
    *_, whole = forks.run(answer, SMALL, ME)
    names = last(whole, "labels")
    rows = last(whole, "b")
    for t, token_id, _, p, is_base, draws, counts, distance, influence, p_value, real, low, high in rows:
        assert (low is None) == (draws == 0)
        assert all(
            a <= c / draws <= b for a, b, c in zip(low or [], high or [], counts, strict=False) if 1 < c < draws - 1
        )
        assert sum(counts) in (draws, 1) and len(counts) == len(names) and 0 < p <= 1
        assert (p_value is None) == bool(is_base) and (distance == influence == 0 or not is_base)
        if draws and not is_base:
            texts = last(forks.texts(head(whole)["forks"], t, token_id, ME), "texts")
            assert sum(group["count"] for group in texts["groups"]) == draws
            shown = dict.fromkeys(names, 0)
            for group in texts["groups"]:
                shown[group["shown_as"]] += group["count"]
                assert sum(count for _, count in group["texts"]) == group["count"]
            assert [shown[name] for name in names] == counts
            assert real in (0, 1)
    said = last(whole, "said")
    assert len(said["drift"]) == len(curve(whole)) and said["drift"][0] == 0
    assert set(said["survival"]) == {"0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9"}
    assert len(said["changes"]["counts"]) == (0 if said["changes"]["flat"] else 7)


def test_a_stopped_analysis_keeps_what_there_is_and_goes_on_to_the_same_end(bench, forks, answer):
    *_, whole = forks.run(answer, SMALL, ME)
    stopped = ""
    for number, frame in enumerate(forks.run(answer, SMALL, ME)):
        stopped = frame
        if number == 6:
            bench.stop(ME)
    assert last(stopped, "s")["state"] == "stopped"
    assert 0 < last(stopped, "s")["draws"] < last(whole, "s")["draws"]
    uid = head(stopped)["forks"]
    assert last(forks.open(uid, ME), "s")["state"] == "stopped"
    *_, resumed = Forks(bench).resume(uid, ME)
    assert head(resumed)["forks"] == uid and last(resumed, "s")["state"] == "finished"
    assert sorted(map(str, curve(resumed))) == sorted(map(str, curve(whole))) or len(curve(resumed)) == len(
        curve(whole)
    )
    assert last(resumed, "s")["draws"] == last(whole, "s")["draws"]
    with pytest.raises(BadInput, match="finished"):
        next(forks.resume(uid, ME))


def test_a_closed_page_loses_no_draw(bench, forks, answer):
    frames = forks.run(answer, SMALL, ME)
    for frame in frames:
        if last(frame, "s")["draws"] >= 5:
            break
    drawn = last(frame, "s")["draws"]
    frames.close()
    all_saved()
    assert last(forks.of_run(answer, ME), "s")["draws"] >= drawn


def test_more_draws_of_one_branch_are_added_and_stay_added(bench, forks, answer):
    *_, whole = forks.run(answer, SMALL, ME)
    uid = head(whole)["forks"]
    row = next(row for row in last(whole, "b") if row[5] and not row[4])
    *_, more = forks.add_draws(uid, row[0], row[1], 20, ME)
    grown = next(each for each in last(more, "b") if each[:2] == row[:2])
    assert grown[5] == row[5] + 20 and last(more, "s")["draws"] == last(whole, "s")["draws"] + 20
    assert next(each for each in last(forks.open(uid, ME), "b") if each[:2] == row[:2])[5] == row[5] + 20
    with pytest.raises(BadInput, match="choose one of its alternatives"):
        next(forks.add_draws(uid, row[0], 5, 20, ME))


def test_stored_draws_are_read_by_another_extractor_without_generating(bench, forks, answer):
    *_, whole = forks.run(answer, SMALL, ME)
    without = Forks(Workbench(bench.store, ModelHost(patience=0.0), Limits()))
    other = without.read_again(head(whole)["forks"], "yes_no", "", ME)
    assert head(other)["extractor"] == "yes_no" and last(other, "s")["draws"] == last(whole, "s")["draws"]
    assert set(last(other, "labels")) <= {"truncated", "unparsed"}
    assert any("could be read" in sentence for sentence in last(other, "said")["warnings"])
    assert head(forks.open(head(whole)["forks"], ME))["extractor"] == "exact_text", "the kept one is as it was"


def test_short_jobs_of_others_go_first_and_the_analysis_ends_the_same(bench, forks, answer):
    *_, alone = forks.run(answer, SMALL, ME)
    done = threading.Event()

    def short():
        list(bench.generate({"prompt": "Tell me", "max_new_tokens": 3}, OTHER))
        done.set()

    other = threading.Thread(target=short)
    frames, waited = forks.run(answer, SMALL, ME), False
    for number, frame in enumerate(frames):
        if number == 4:
            other.start()
            wait_until(lambda: bench.turns.waiting() >= 2, 20)
        waited |= last(frame, "s")["message"] == "Somebody's short job goes first."
    other.join(20)
    assert done.is_set() and waited
    assert last(frame, "s")["draws"] == last(alone, "s")["draws"] and last(frame, "s")["state"] == "finished"


BAD = {
    "an unknown setting": ({"colour": 1}, "no setting 'colour'"),
    "an unknown field": ({"extractor": "magic"}, "no field 'magic'"),
    "positions": ({"first": 4, "stop": 2}, "tokens 1 to 10"),
    "draws": ({"draws": "many"}, "The number of draws is 'many'"),
    "a chance": ({"threshold": 2}, "least probability of an alternative is '2'"),
    "a temperature": ({"temperature": 0.7}, "temperature 1 only"),
    "an estimator": ({"estimator": "magic"}, "use recursion or every-branch"),
    "a list": ({"extra": "7"}, "must be a list"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_fields_are_one_sentence_before_anybody_waits(forks, answer, case):
    fields, words = BAD[case]
    with pytest.raises(BadInput, match=words):
        forks.price(answer, SMALL | fields, ME)
    with pytest.raises(BadInput, match=words):
        next(forks.run(answer, SMALL | fields, ME))


def test_strangers_are_held_to_less_and_see_nothing_of_others(bench, forks, answer):
    stranger = Viewer("stranger", "session-8", False)
    *_, whole = forks.run(answer, SMALL, ME)
    uid = head(whole)["forks"]
    for call in (forks.open, lambda uid, viewer: list(forks.resume(uid, viewer))):
        with pytest.raises(NotFound):
            call(uid, stranger)
    own = bench.keep(bench.store.runs.get(answer, viewer=ME.name).trace, stranger)
    most = SMALL | {"draws": 1, "fewest": 1, "most": 100, "threshold": 0.001, "alternates": 20, "max_tokens": 500}
    forks.price(own, most, stranger)
    with pytest.raises(BadInput, match="are allowed here"):
        forks.price(own, most | {"until": 0.01}, stranger)
    with pytest.raises(BadInput, match="at most 60,000 are allowed here"):
        forks.price(
            own, SMALL | {"draws": 100, "most": 100, "threshold": 0.001, "alternates": 20, "fewest": 100}, stranger
        )


def test_an_analysis_is_opened_without_working_anything_out_again(bench, forks, answer, monkeypatch):
    bench.store.runs.update(answer, viewer=ME.name, title="two\u2028lines\x85here")
    *_, whole = forks.run(answer, SMALL, ME)
    uid = head(whole)["forks"]

    def middle(document):
        return lines(document)[1:-1]

    with monkeypatch.context() as patch:
        patch.setattr(fork_view.fork_measures, "fork_tests", lambda *_, **__: pytest.fail("worked out again"))
        again = forks.open(uid, ME)
        assert middle(again) == middle(whole) and last(again, "s")["draws"] == last(whole, "s")["draws"]
        assert last(again, "s")["state"] == "finished" and head(again) == head(forks.open(uid, ME))
    # by other rules, and by another extractor, it is worked out
    asked = []
    real = fork_view.fork_measures.fork_tests
    monkeypatch.setattr(fork_view.fork_measures, "fork_tests", lambda *a, **k: asked.append(1) or real(*a, **k))
    assert last(forks.read_again(uid, "yes_no", "", ME), "labels") != last(whole, "labels") and len(asked) == 1
    monkeypatch.setattr(fork_record, "RULES", fork_record.RULES + 1)
    assert middle(forks.open(uid, ME)) == middle(whole) and len(asked) == 2
    assert middle(forks.open(uid, ME)) == middle(whole) and len(asked) == 2, "kept by the new rules now"
    row = next(row for row in last(whole, "b") if row[5] and not row[4])
    *_, more = forks.add_draws(uid, row[0], row[1], 3, ME)
    assert len(asked) == 3 and middle(forks.open(uid, ME)) == middle(more) != middle(whole) and len(asked) == 3


def test_while_the_last_document_is_worked_out_nobody_waits(bench, forks, answer, monkeypatch):
    free = []
    real = fork_view.fork_measures.fork_tests

    def tests(*arguments, **named):
        ticket = bench.turns.enter(OTHER)
        with ticket as mine:
            free.append(bench.turns.wait(mine, 0.0))
        return real(*arguments, **named)

    monkeypatch.setattr(fork_view.fork_measures, "fork_tests", tests)
    *_, whole = forks.run(answer, SMALL, ME)
    assert free == [True] and last(whole, "s")["state"] == "finished"


def test_a_price_claims_nothing_about_outcomes(forks, answer):
    said = lines(forks.price(answer, SMALL, ME))
    assert not any(name in line for line in said for name in ("p", "b", "said"))


class Clock:
    """Stands still but for what a test says that things take."""

    now = 100.0

    def monotonic(self):
        return self.now


def test_documents_that_take_long_to_work_out_come_less_often(bench, answer, monkeypatch):
    clock, cost, numbers = Clock(), {"document": 0.0}, []
    steps, document = fork_job.analyse, fork_job.document_of

    def drawn(*arguments, **named):
        for report in steps(*arguments, **named):
            clock.now += 0.5
            yield report

    def slow(*arguments, **named):
        clock.now += cost["document"]
        return document(*arguments, **named)

    monkeypatch.setattr(fork_job, "time", clock)
    monkeypatch.setattr(fork_job, "analyse", drawn)
    monkeypatch.setattr(fork_job, "document_of", slow)
    for cost["document"] in (0.0, fork_job.CHEAP_SECONDS, 4 * fork_job.CHEAP_SECONDS):
        numbers.append(sum(last(frame, "s")["state"] == "running" for frame in Forks(bench).run(answer, SMALL, ME)))
    often, as_often, rarely = numbers
    assert 1 <= rarely < often / 2 and as_often == pytest.approx(often, abs=1)
