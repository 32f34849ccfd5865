"""A probe keeps what was drawn, however it ends, goes on from there, and says what it will cost before."""

import json
import time

import pytest

from engine.errors import BadInput, Busy, ModelUnavailable, NotFound, OutOfMemory
from engine.probe import Cell, Price
from engine.testing import tiny_model
from storage.records import RunQuery
from tests.support.bench import ME, OTHER, all_saved
from ui import actions, probe_board, probe_view, probes
from ui.access import Viewer
from ui.probe_record import KeptCell
from ui.probes import Probes
from ui.tabs import probe as probe_tab

STRANGER = Viewer("visitor:1", "session-9", False)
FIELDS = {
    "template": "{Sex}: tell me",
    "values": "her\nhim\n\n",
    "n": 3,
    "field": "exact_text",
    "temperature": 1.0,
    "max_new_tokens": 6,
    "seed": 4,
}


@pytest.fixture
def probing(bench, monkeypatch):
    monkeypatch.setattr(probe_board, "FRAME_SECONDS", 0.0)
    monkeypatch.setattr(probe_board, "LIVE_SHARE", 0.0)
    return Probes(bench)


def documents(job):
    return [json.loads(document) for document in job]


def runs_of(bench):
    return bench.store.runs.list(RunQuery("local", limit=500)).rows


def test_a_probe_grows_ends_and_opens_again_as_it_ended(probing, bench):
    found = documents(probing.run(FIELDS, ME))
    last = found[-1]
    assert [d["progress"]["done"] for d in found] == sorted(d["progress"]["done"] for d in found)
    assert last["state"] == "finished" and last["progress"]["done"] == last["progress"]["total"] == 3 * (2 + 2 + 2)
    assert last["plan"]["values"] == ["her", "him"] and last["plan"]["slot"] == "Sex" and last["plan"]["seed"] == "4"
    assert {(e["kind"], e["source"], e["target"]) for e in last["effects"]} == {
        ("total", 0, 1), ("total", 1, 0), ("direct", 0, 1), ("direct", 1, 0),
        ("chance", 0, 0), ("chance", 0, 1), ("chance", 1, 1),
        ("direct_chance", 0, 0), ("direct_chance", 1, 1),
    }  # fmt: skip
    again = json.loads(probing.open(last["uid"], ME))
    assert {**again, "progress": None} == {**last, "progress": None}
    assert again["progress"]["done"] == 18


def test_every_answer_is_a_run_and_the_probe_hangs_on_the_first(probing, bench):
    last = documents(probing.run(FIELDS, ME))[-1]
    cells = [cell for cell in last["cells"] if cell["kind"] == "run"]
    assert len(cells) == len({cell["uid"] for cell in cells}) == len(runs_of(bench)) == 6
    for cell in cells:
        run = bench.store.runs.get(cell["uid"], viewer="local")
        assert run.trace.prompt == f"{last['plan']['values'][cell['value']]}: tell me"
        assert run.trace.settings.seed == 4 + cell["run"] and run.trace.answer[:400] == cell["text"]
        assert run.header.tags == ("probe",) and len(run.trace) == cell["tokens"]
    assert runs_of(bench)[-1].title == "Sex: her (probe, run 1)"
    (header,) = bench.store.analyses.list(cells[0]["uid"], viewer="local", kind="probe")
    assert header.uid == last["uid"] and header.status == "finished" and len(header.arrays) == 3 + 1


def test_stop_keeps_what_there_is_and_going_on_ends_where_an_unbroken_probe_ends(probing, bench):
    whole = documents(probing.run(FIELDS, ME))[-1]
    job = probing.run(FIELDS, ME)
    for document in job:
        if json.loads(document)["progress"]["done"] == 5:
            assert probing.stop(ME) == 1
    stopped = json.loads(document)
    assert stopped["state"] == "stopped" and 5 <= stopped["progress"]["done"] < 18
    assert json.loads(probing.open(stopped["uid"], ME))["cells"] == stopped["cells"]
    resumed = documents(probing.resume(stopped["uid"], ME))
    assert resumed[-1]["state"] == "finished" and resumed[-1]["uid"] == stopped["uid"]
    assert resumed[-1]["effects"] == whole["effects"]
    without = [[{**cell, "uid": ""} for cell in d["cells"]] for d in (resumed[-1], whole)]
    assert without[0] == without[1]
    assert len(runs_of(bench)) == 12, "no answer was drawn twice"
    with pytest.raises(BadInput, match="nothing left to draw"):
        list(probing.resume(stopped["uid"], ME))


def test_a_closed_page_keeps_what_was_drawn(probing, bench):
    job = probing.run(FIELDS, ME)
    for document in job:
        seen = json.loads(document)
        if seen["progress"]["done"] == 5:
            break
    job.close()
    all_saved()
    kept = json.loads(probing.open(seen["uid"], ME))
    assert kept["state"] == "stopped" and kept["progress"]["done"] >= 5
    assert bench.turns.stop(ME.place) == 0, "the place in the queue is free again"


def test_stopped_before_the_first_answer_nothing_is_kept(probing, bench):
    job = probing.run(FIELDS, ME)
    next(job)
    probing.stop(ME)
    last = documents(job)[-1]
    assert last["state"] == "stopped" and last["message"] == probes.NOTHING_KEPT and not runs_of(bench)


def test_a_failure_on_the_way_is_said_and_what_there_is_can_be_gone_on_with(probing, bench, monkeypatch):
    whole = documents(probing.run(FIELDS, ME))[-1]
    real, count = probe_board.probe, 0

    def breaks(*args, **more):
        nonlocal count
        for drawn in real(*args, **more):
            count += drawn.cell is not None
            if count == 4:
                raise OutOfMemory("There was not enough memory.")
            yield drawn

    with monkeypatch.context() as patch:
        patch.setattr(probe_board, "probe", breaks)
        last = documents(probing.run(FIELDS, ME))[-1]
    assert last["state"] == "failed" and last["message"] == "There was not enough memory."
    assert json.loads(probing.open(last["uid"], ME))["message"] == "There was not enough memory."
    again = documents(probing.resume(last["uid"], ME))[-1]
    assert again["state"] == "finished" and again["message"] == "" and again["effects"] == whole["effects"]


def test_a_busy_store_is_said_and_loses_no_answer_on_the_page(probing, bench, monkeypatch):
    def busy(*args, **more):
        raise Busy("Somebody else is writing.")

    monkeypatch.setattr(actions, "SAVE_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(bench.store.analyses, "save", busy)
    last = documents(probing.run(FIELDS, ME))[-1]
    assert last["state"] == "failed" and "could not be stored: Somebody else is writing." in last["message"]
    assert last["progress"]["done"] == 6


@pytest.mark.parametrize("place", ["runs.add", "analyses.add", "analyses.save"])
def test_a_store_that_is_busy_for_a_while_does_not_end_a_probe(probing, bench, monkeypatch, place):
    store, name = place.split(".")
    real, refused = getattr(getattr(bench.store, store), name), []

    def busy(*args, **more):
        if len(refused) < 2:
            refused.append(time.monotonic())
            raise Busy("Somebody else is writing.")
        return real(*args, **more)

    monkeypatch.setattr(getattr(bench.store, store), name, busy)
    last = documents(probing.run(FIELDS, ME))[-1]
    assert len(refused) == 2 and last["state"] == "finished" and last["message"] == ""
    assert len(runs_of(bench)) == 6


def stopped_at(probing, done):
    for document in (job := probing.run(FIELDS, ME)):
        if json.loads(document)["progress"]["done"] == done:
            probing.stop(ME)
    job.close()
    return json.loads(document)


def test_two_pages_that_go_on_with_one_probe_draw_each_answer_once(probing, bench):
    uid = stopped_at(probing, 5)["uid"]
    second = probing.resume(uid, OTHER)
    first = probing.resume(uid, ME)
    next(first)
    assert json.loads(next(second))["state"] == "waiting"
    ended = [documents(first)[-1], documents(second)[-1]]
    assert [d["state"] for d in ended] == ["finished", "finished"] and ended[0]["cells"] == ended[1]["cells"]
    assert len(runs_of(bench)) == 6


def test_a_finished_probe_is_opened_without_computing_its_effects_again(probing, monkeypatch):
    last = documents(probing.run(FIELDS, ME))[-1]

    def never(*args, **more):
        raise AssertionError("computed again")

    with monkeypatch.context() as patch:
        patch.setattr(probe_board, "effects", never)
        assert json.loads(probing.open(last["uid"], ME))["effects"] == last["effects"]
        # negative control: effects made by other rules are not taken
        patch.setattr("ui.probe_record.VERSION", 99)
        with pytest.raises(AssertionError, match="computed again"):
            probing.open(last["uid"], ME)


def test_a_stop_before_the_first_answer_leaves_the_finished_probe_on_show(probing):
    old = documents(probing.run(FIELDS, ME))[-1]

    def stopped():
        job = probing.run({**FIELDS, "seed": 9}, ME)
        yield next(job)
        probing.stop(ME)
        yield from job

    updates = list(probe_tab._shown(stopped, json.dumps(old)))
    board, notice = updates[-1][:2]
    assert json.loads(board) == old and notice == probes.NOTHING_KEPT
    assert json.loads(updates[0][0])["cells"] == [], "negative control: something else was on show meanwhile"
    *_, (alone, *_), (unchanged, *_) = probe_tab._shown(stopped)
    assert not isinstance(unchanged, str), "with nothing on show before, that sentence stays"
    assert json.loads(alone)["message"] == probes.NOTHING_KEPT


def test_a_refusal_while_waiting_leaves_the_finished_probe_on_show(probing):
    def refused():
        yield from probing.run({**FIELDS, "template": "{Sex}" + "x" * 900}, ME)

    first = json.dumps(documents(probing.run(FIELDS, ME))[-1])
    board, notice = list(probe_tab._shown(refused, first))[-1][:2]
    assert "The prompt has" in notice and (not isinstance(board, str) or board == first)


def test_only_the_owner_goes_on_and_others_do_not_see_it(probing, bench):
    job = probing.run(FIELDS, ME)
    for document in job:
        if json.loads(document)["progress"]["done"] == 2:
            probing.stop(ME)
    uid = json.loads(document)["uid"]
    for attempt in (lambda: probing.open(uid, STRANGER), lambda: list(probing.resume(uid, STRANGER))):
        with pytest.raises(NotFound):
            attempt()
    with pytest.raises(NotFound):
        probing.open("nothing", ME)


def test_an_analysis_of_another_kind_is_no_probe(probing, bench):
    uid = documents(probing.run(FIELDS, ME))[-1]["cells"][0]["uid"]
    other = bench.store.analyses.add(uid, "other", {}, viewer="local")
    with pytest.raises(NotFound, match="There is no probe"):
        probing.open(other, ME)


def test_another_model_does_not_go_on_with_a_probe(probing, bench):
    job = probing.run(FIELDS, ME)
    for document in job:
        if json.loads(document)["progress"]["done"] == 2:
            probing.stop(ME)
    bench.host.hold(tiny_model(seed=1))
    with pytest.raises(ModelUnavailable, match="was made with"):
        list(probing.resume(json.loads(document)["uid"], ME))


def test_the_price_comes_first_and_tells_time_once_there_was_a_run(probing, bench):
    said = probing.price(FIELDS, ME)
    lengths = [len(bench.host.model().encode_prompt(f"{value}: tell me")) for value in ("her", "him")]
    read = 9 * sum(lengths)
    assert said == (
        f"18 answers, 12 of them held up to their field: at most 108 tokens drawn, and {read} tokens of prompts read."
    )
    assert probing.price({**FIELDS, "direct": False}, ME) == (
        f"6 answers: at most 36 tokens drawn, and {read // 3} tokens of prompts read."
    )
    assert not runs_of(bench)
    documents(probing.run(FIELDS, ME))
    assert "tokens a second." in probing.price(FIELDS, ME)


def test_the_price_and_the_progress_count_the_same_answers(probing):
    said = probing.price(FIELDS, ME)
    assert said.startswith(f"{documents(probing.run(FIELDS, ME))[-1]['progress']['total']} answers")


@pytest.mark.parametrize(
    ("speed", "words"),
    [
        (1.04, "31 min at 1 token a second"),
        (1.0, "32 min at 1 token a second"),
        (1.46, "22 min at 1.5 tokens a second"),
        (9.96, "3 min at 10 tokens a second"),
        (123.4, "16 s at 123 tokens a second"),
    ],
)
def test_a_slow_model_is_told_with_one_decimal_and_one_token_is_singular(speed, words):
    said = probe_view.price_sentence(Price(8, 0, 1920, 1), speed)
    assert said.startswith("8 answers: at most 1,920 tokens drawn, and 1 token of prompts read; drawing takes up to ")
    assert said.endswith(f"{words}.")


def test_a_field_that_is_never_found_is_said(probing):
    last = documents(probing.run({**FIELDS, "field": "boxed", "stop": ["e", "a", "t", "o"]}, ME))[-1]
    cut = sum(cell["label"] == "truncated" for cell in last["cells"] if cell["kind"] == "run")
    assert all(e["changed"]["value"] is None for e in last["effects"]) and cut <= 6
    assert last["notes"][0].startswith("The field '\\boxed{…}' was found in none of the 6 answers: choose another")


def test_cut_answers_are_counted(probing):
    last = documents(probing.run({**FIELDS, "field": "last_number"}, ME))[-1]
    assert any("was found in none" in note for note in last["notes"])
    plan = probing.plan(FIELDS)
    cell = KeptCell(Cell("run", 0, 0, 0, "x", None, (1,), 0, 0, "x", "stop"))
    cut = KeptCell(Cell("run", 1, 0, 0, "truncated", None, (1,), 0, -1, "", "length"))
    assert "1 of 2 answers were cut off at 6 tokens" in probe_view.said_of_fields(plan, [cell, cut])[0]


REFUSED = {
    "no slot": ({"template": "tell me"}, "The template has no slot"),
    "two slots": ({"template": "{a} {b}"}, "different slots"),
    "empty template": ({"template": " "}, "The template is empty"),
    "no template": ({"template": None}, "The template is empty"),
    "one value": ({"values": "her"}, "There is one value"),
    "no values": ({"values": None}, "There is no value"),
    "numbers as values": ({"values": [1, 2]}, "The values must be texts"),
    "equal values": ({"values": ["a", "a"]}, "is there twice"),
    "many values": ({"values": [str(i) for i in range(21)]}, "at most 20"),
    "half a character": ({"values": ["a", "\ud800"]}, "lone surrogate"),
    "no runs": ({"n": 0}, "The number of runs is 0; it must be a whole number from 1 to 200"),
    "many runs": ({"n": 201}, "from 1 to 200"),
    "half a run": ({"n": 2.5}, "The number of runs is 2.5; it must be a whole number"),
    "words for runs": ({"n": "many"}, "must be a whole number"),
    "unknown field": ({"field": "colour"}, "There is no field 'colour'"),
    "no key": ({"field": "json_key"}, "needs the name of the key"),
    "temperature": ({"temperature": 3}, "The temperature is 3"),
    "too long": ({"template": "{Sex}" + "x" * 900}, "With 'her' in the slot: The prompt has"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_impossible_probe_is_refused_in_a_sentence_and_nothing_is_kept(probing, bench, case):
    changed, words = REFUSED[case]
    with pytest.raises(BadInput) as refusal:
        list(probing.run({**FIELDS, **changed}, ME))
    assert words in str(refusal.value) and not runs_of(bench)
    assert list(probing.run(FIELDS, ME)), "a refusal leaves the page ready"


def test_a_costly_probe_is_refused_where_strangers_share_the_model(bench):
    with pytest.raises(BadInput, match="may take 108 tokens; at most 107 are allowed here"):
        Probes(bench, most_tokens=107).plan(FIELDS)
    assert Probes(bench, most_tokens=108).plan(FIELDS)


@pytest.mark.parametrize("direct", [True, False])
def test_what_a_probe_reads_counts_against_its_bound_as_what_it_draws(bench, direct):
    fields = {**FIELDS, "template": "{Sex}" + "x" * 100, "max_new_tokens": 1, "direct": direct}
    answers = 18 if direct else 6
    prompts = [len(bench.host.model().encode_prompt(value + "x" * 100)) for value in ("her", "him")]
    work = answers * (prompts[0] + prompts[1]) // 2 + answers
    strict = Probes(bench, most_tokens=work - 1)
    assert strict.plan(fields), "what it draws alone is within the bound"
    for attempt in (lambda: strict.price(fields, ME), lambda: list(strict.run(fields, ME))):
        with pytest.raises(BadInput, match=r"read .* of its prompts.* together are allowed here: shorten the template"):
            attempt()
    assert not runs_of(bench)
    assert documents(Probes(bench, most_tokens=work).run(fields, ME))[-1]["state"] == "finished"


def test_the_seed_keeps_all_its_digits(probing):
    last = documents(probing.run({**FIELDS, "seed": str(2**62 + 1), "n": 1}, ME))[-1]
    assert last["plan"]["seed"] == str(2**62 + 1)
