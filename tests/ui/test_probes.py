"""A probe keeps what was drawn, however it ends, goes on from there, and says what it will cost before."""

import json

import pytest

from engine.errors import BadInput, Busy, ModelUnavailable, NotFound, OutOfMemory
from engine.probe import Cell
from engine.testing import tiny_model
from storage.records import RunQuery
from tests.support.bench import ME
from ui import probe_view, probes
from ui.access import Viewer
from ui.probe_record import KeptCell
from ui.probes import Probes

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
    monkeypatch.setattr(probes, "FRAME_SECONDS", 0.0)
    monkeypatch.setattr(probes, "LIVE_SHARE", 0.0)
    return Probes(bench)


def documents(job):
    return [json.loads(document) for document in job]


def runs_of(bench):
    return bench.store.runs.list(RunQuery("local", limit=500)).rows


def test_a_probe_grows_ends_and_opens_again_as_it_ended(probing, bench):
    found = documents(probing.run(FIELDS, ME))
    last = found[-1]
    assert [d["progress"]["done"] for d in found] == sorted(d["progress"]["done"] for d in found)
    assert last["state"] == "finished" and last["progress"]["done"] == last["progress"]["total"] == 3 * 2 + 3 * 2
    assert last["plan"]["values"] == ["her", "him"] and last["plan"]["slot"] == "Sex" and last["plan"]["seed"] == "4"
    assert {(e["kind"], e["source"], e["target"]) for e in last["effects"]} == {
        ("total", 0, 1), ("total", 1, 0), ("direct", 0, 1), ("direct", 1, 0),
        ("chance", 0, 0), ("chance", 0, 1), ("chance", 1, 1),
    }  # fmt: skip
    again = json.loads(probing.open(last["uid"], ME))
    assert {**again, "progress": None} == {**last, "progress": None}
    assert again["progress"]["done"] == 12


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
    assert header.uid == last["uid"] and header.status == "finished" and len(header.arrays) == 3


def test_stop_keeps_what_there_is_and_going_on_ends_where_an_unbroken_probe_ends(probing, bench):
    whole = documents(probing.run(FIELDS, ME))[-1]
    job = probing.run(FIELDS, ME)
    for document in job:
        if json.loads(document)["progress"]["done"] == 5:
            assert probing.stop(ME) == 1
    stopped = json.loads(document)
    assert stopped["state"] == "stopped" and 5 <= stopped["progress"]["done"] < 12
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
    real, count = probes.probe, 0

    def breaks(*args, **more):
        nonlocal count
        for drawn in real(*args, **more):
            count += drawn.cell is not None
            if count == 4:
                raise OutOfMemory("There was not enough memory.")
            yield drawn

    with monkeypatch.context() as patch:
        patch.setattr(probes, "probe", breaks)
        last = documents(probing.run(FIELDS, ME))[-1]
    assert last["state"] == "failed" and last["message"] == "There was not enough memory."
    assert json.loads(probing.open(last["uid"], ME))["message"] == "There was not enough memory."
    again = documents(probing.resume(last["uid"], ME))[-1]
    assert again["state"] == "finished" and again["message"] == "" and again["effects"] == whole["effects"]


def test_a_busy_store_is_said_and_loses_no_answer_on_the_page(probing, bench, monkeypatch):
    def busy(*args, **more):
        raise Busy("Somebody else is writing.")

    monkeypatch.setattr(bench.store.analyses, "save", busy)
    last = documents(probing.run(FIELDS, ME))[-1]
    assert last["state"] == "failed" and "could not be stored: Somebody else is writing." in last["message"]
    assert last["progress"]["done"] == 4


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
    assert said == "6 answers and up to 6 continued from their field on: at most 72 tokens."
    assert probing.price({**FIELDS, "direct": False}, ME) == "6 answers: at most 36 tokens."
    assert not runs_of(bench)
    documents(probing.run(FIELDS, ME))
    assert "tokens a second." in probing.price(FIELDS, ME)


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
    cut = probes.KeptCell(
        probes.probe.__globals__["Cell"]("run", 1, 0, 0, "truncated", None, (1,), 0, -1, "", "length")
    )
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
    "no runs": ({"n": 0}, "choose between 1 and 200"),
    "many runs": ({"n": 201}, "choose between 1 and 200"),
    "half a run": ({"n": 2.5}, "The number of runs is '2.5'; it must be a whole number"),
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
    with pytest.raises(BadInput, match="may take 72 tokens; at most 71 are allowed here"):
        Probes(bench, most_tokens=71).plan(FIELDS)
    assert Probes(bench, most_tokens=72).plan(FIELDS)


def test_the_seed_keeps_all_its_digits(probing):
    last = documents(probing.run({**FIELDS, "seed": str(2**62 + 1), "n": 1}, ME))[-1]
    assert last["plan"]["seed"] == str(2**62 + 1)
