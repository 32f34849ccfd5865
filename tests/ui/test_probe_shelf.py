"""Kept probes are found again newest first, gone on with after a stop or a crash, and deleted so that Undo helps."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from gradio_client.exceptions import AppError

from engine.errors import BadInput, NotFound
from storage.analysis_index import newest_analyses
from tests.support.bench import ME, OTHER, all_saved
from tests.support.doors import request_of
from tests.support.probing import FIELDS, STRANGER, TOTAL, crashed, made, part_of
from tests.ui.test_api import client_of, served
from ui import probe_board, probe_record
from ui.actions import Workbench
from ui.probe_api import drawing_endpoints, keeping_endpoints
from ui.probe_shelf import shelf_document
from ui.probes import Probes
from ui.tabs import probe as probe_tab


@pytest.fixture
def probing(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Probes:
    monkeypatch.setattr(probe_board, "FRAME_SECONDS", 0.0)
    monkeypatch.setattr(probe_board, "LIVE_SHARE", 0.0)
    return Probes(bench)


def test_kept_probes_are_listed_newest_first_with_what_they_are_about(probing: Probes) -> None:
    first = made(probing)
    second = made(probing, template="{who} is late", values=["Ann", "Bob", "Cy"], n=1, direct=False, field="boxed")
    page = probing.list(ME)
    assert [row.uid for row in page.rows] == [second["uid"], first["uid"]] and page.total == 2
    newest, oldest = page.rows
    assert (newest.template, newest.values, newest.runs) == ("{who} is late", ("Ann", "Bob", "Cy"), 1)
    assert newest.field == "\\boxed{…}" and (newest.state, newest.done, newest.total) == ("finished", 3, 3)
    assert (oldest.state, oldest.done, oldest.total) == ("finished", TOTAL, TOTAL)
    assert newest.created and oldest.created and newest.created >= oldest.created
    assert [row.uid for row in probing.list(ME, limit=1, offset=1).rows] == [first["uid"]]
    with pytest.raises(BadInput, match="The number of rows"):
        probing.list(ME, limit=501)


def test_nobody_sees_the_probes_of_somebody_else(probing: Probes) -> None:
    mine = made(probing)
    assert probing.list(STRANGER).total == 0 and probing.list(OTHER).total == 1
    theirs = made(probing, STRANGER)
    assert [row.uid for row in probing.list(STRANGER).rows] == [theirs["uid"]]
    assert [row.uid for row in probing.list(ME).rows] == [mine["uid"]]
    for attempt in (probing.delete, probing.open):
        with pytest.raises(NotFound):
            attempt(mine["uid"], STRANGER)
    assert probing.list(STRANGER).total == 1 and probing.list(ME).total == 1


def test_a_first_answer_that_others_may_see_does_not_open_the_whole_probe(probing: Probes, bench: Workbench) -> None:
    """A link to one answer is no leave to read the template, the system text and every other answer."""
    mine = made(probing)
    first = mine["cells"][0]["uid"]
    bench.store.runs.update(first, viewer=ME.name, visibility="unlisted")
    assert bench.store.runs.get(first, viewer=STRANGER.name), "the answer itself is open to whoever has its link"
    for attempt in (probing.open, probing.delete, lambda uid, who: list(probing.resume(uid, who))):
        with pytest.raises(NotFound, match="There is no probe"):
            attempt(mine["uid"], STRANGER)
    assert json.loads(probing.open(mine["uid"], OTHER))["uid"] == mine["uid"], "its owner has it on every page"


def test_only_probes_are_listed(probing: Probes, bench: Workbench) -> None:
    probe = made(probing)
    bench.store.analyses.add(probe["cells"][0]["uid"], "other", {}, viewer=ME.name)
    assert probing.list(ME).total == 1
    assert newest_analyses(bench.store, "other", viewer=ME.name)[1] == 1
    assert newest_analyses(bench.store, "nothing", viewer=ME.name) == ((), 0)


def test_a_deleted_probe_goes_to_the_bin_with_its_answers_and_comes_back_as_it_was(probing, bench) -> None:
    probe, other = made(probing), made(probing, seed=9)
    answers = {cell["uid"] for cell in probe["cells"] if cell["uid"]}
    binned = probing.delete(probe["uid"], ME)
    assert set(binned.runs) == answers and binned.template == FIELDS["template"]
    assert [row.uid for row in probing.list(ME).rows] == [other["uid"]]
    for lost in (lambda: probing.open(probe["uid"], ME), lambda: bench.open_run(binned.runs[0], ME)):
        with pytest.raises(NotFound):
            lost()
    assert json.loads(probing.open(other["uid"], ME))["uid"] == other["uid"], "another probe is not touched"
    probing.restore(list(binned.runs), ME)
    again = json.loads(probing.open(probe["uid"], ME))
    assert {**again, "progress": None} == {**probe, "progress": None} and probing.list(ME).total == 2
    for bad in (None, "abc", [1], {"a": 1}):
        with pytest.raises(BadInput, match="list of run ids"):
            probing.restore(bad, ME)


def test_an_answer_deleted_before_stays_deleted_when_the_probe_comes_back(probing, bench) -> None:
    probe = made(probing)
    gone = probe["cells"][1]["uid"]
    bench.store.runs.delete([gone], viewer=ME.name)
    binned = probing.delete(probe["uid"], ME)
    assert gone not in binned.runs and len(binned.runs) == 3
    probing.restore(binned.runs, ME)
    with pytest.raises(NotFound):
        bench.open_run(gone, ME)


def test_a_probe_at_work_is_listed_as_such_and_neither_deleted_nor_shown_as_stopped(probing: Probes) -> None:
    job = part_of(probing, 7)
    (row,) = probing.list(ME).rows
    assert (row.state, row.done) == ("drawing", 6), "as far as it is stored"
    with pytest.raises(BadInput, match="press Stop, then delete it"):
        probing.delete(row.uid, ME)
    shown = json.loads(probing.open(row.uid, OTHER))
    assert shown["state"] == "drawing" and "being drawn just now: here are its first 6 of 12" in shown["message"]
    with pytest.raises(BadInput, match="press Stop first"):
        probing.check_free(ME)
    probing.check_free(OTHER)
    job.close()  # type: ignore[attr-defined]
    probing.check_free(ME)
    all_saved()
    assert probing.list(ME).rows[0].state == "stopped" and probing.delete(row.uid, ME).runs


def test_a_page_of_the_list_is_read_at_once_whatever_its_length(probing, bench, monkeypatch) -> None:
    first = made(probing)["cells"][0]["uid"]
    real, begun = bench.store.read, []
    monkeypatch.setattr(bench.store, "read", lambda: begun.append(1) or real())
    probing.list(ME)
    one = len(begun)
    for _ in range(9):
        bench.store.analyses.add(
            first, "probe", bench.store.analyses.list(first, viewer=ME.name)[0].settings, viewer=ME.name
        )
    begun.clear()
    assert len(probing.list(ME).rows) == 10 and len(begun) == one == 1


def count_effects(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    asked: list[int] = []
    real = probe_board.effects

    def counted(*given: Any, **more: Any) -> Any:
        asked.append(1)
        return real(*given, **more)

    monkeypatch.setattr(probe_board, "effects", counted)
    return asked


def test_effects_that_were_not_stored_are_computed_at_the_first_opening_only(probing, bench, monkeypatch) -> None:
    uid = crashed(probing, 8, monkeypatch)
    asked = count_effects(monkeypatch)
    first = probing.open(uid, ME)
    assert len(asked) == 1
    assert Probes(bench).open(uid, ME) == first and len(asked) == 1
    # other rules: computed anew, once
    monkeypatch.setattr(probe_record, "VERSION", 99)
    assert probing.open(uid, ME) == first and len(asked) == 2
    assert probing.open(uid, ME) == first and len(asked) == 2


def example_of(bench: Workbench, uid: str) -> str:
    """The uid of the same probe, hung on an example: without its effects."""
    stored = bench.store.analyses.get(uid, viewer=ME.name)
    first = bench.store.runs.get(stored.header.run, viewer=ME.name)
    run = bench.store.runs.add(first.trace, owner="page", status="finished", run_scores={}, example=True)
    example = bench.store.analyses.add(run, "probe", stored.header.settings, viewer="page")
    bench.store.analyses.save(example, viewer="page", arrays={k: v for k, v in stored.arrays.items() if k != "effects"})
    return example


def test_a_reader_who_may_not_save_still_sees_the_effects_of_an_example(probing, bench, monkeypatch) -> None:
    uid = example_of(bench, made(probing)["uid"])
    asked = count_effects(monkeypatch)
    assert json.loads(probing.open(uid, STRANGER))["effects"] and json.loads(probing.open(uid, STRANGER))["effects"]
    assert len(asked) == 2
    assert "effects" not in bench.store.analyses.get(uid, viewer="page").arrays
    for attempt in (lambda: list(probing.resume(uid, STRANGER)), lambda: probing.delete(uid, STRANGER)):
        with pytest.raises(NotFound, match="There is no probe"):
            attempt()


def test_a_probe_kept_before_luck_alone_was_drawn_opens_and_goes_on_as_it_was(probing, bench, monkeypatch) -> None:
    """Its plan says nothing of that baseline: no answer of it is missing then."""
    real = probe_board.plan_settings
    with monkeypatch.context() as patch:
        patch.setattr(
            probe_board,
            "plan_settings",
            lambda plan, key: {k: v for k, v in real(plan, key).items() if k != "baseline"},
        )
        uid = crashed(probing, 5, monkeypatch)
    assert "baseline" not in bench.store.analyses.get(uid, viewer=ME.name).header.settings
    assert probing.list(ME).rows[0].total == 8
    ended = json.loads(list(probing.resume(uid, ME))[-1])
    assert ended["state"] == "finished" and ended["progress"]["total"] == 8 and not ended["plan"]["baseline"]
    assert "direct_chance" not in {effect["kind"] for effect in ended["effects"]}


def test_a_probe_of_a_field_read_otherwise_by_now_is_listed_with_the_reason(probing, bench, monkeypatch) -> None:
    uid = made(probing)["uid"]
    real = probe_record.extractor

    def newer(name: str, parameter: str) -> Any:
        return replace(real(name, parameter), version=99)

    monkeypatch.setattr(probe_record, "extractor", newer)
    (row,) = probing.list(ME).rows
    assert row.uid == uid and "by an older rule" in row.problem and row.template == FIELDS["template"]
    assert not isinstance(probe_tab._arrival(probing, ME, show=True)[1], str), "nothing can be shown"
    assert probing.delete(uid, ME).runs and probing.list(ME).total == 0


def test_the_newest_probe_that_opens_is_the_one_shown_at_first(probing: Probes) -> None:
    assert not isinstance(probe_tab._arrival(probing, ME, show=True)[1], str), "nothing is kept yet"
    made(probing)
    newest = made(probing, seed=8)
    assert json.loads(probe_tab._arrival(probing, ME, show=True)[1])["uid"] == newest["uid"]


def test_the_list_travels_as_strict_json_with_what_undo_needs(probing: Probes) -> None:
    probe = made(probing)
    listed = json.loads(shelf_document(probing.list(ME)))
    assert listed["binned"] is None and listed["total"] == 1
    assert listed["rows"][0]["values"] == ["her", "him"] and listed["rows"][0]["created"].endswith("+00:00")
    binned = probing.delete(probe["uid"], ME)
    empty = json.loads(shelf_document(probing.list(ME), binned=binned))
    assert empty["rows"] == [] and empty["binned"]["uid"] == probe["uid"] and len(empty["binned"]["runs"]) == 4


def test_a_script_lists_and_deletes_as_the_page_does(probing: Probes) -> None:
    named = {
        function.__name__: partial(function, request=request_of())
        for function in (*drawing_endpoints(probing), *keeping_endpoints(probing))
    }
    probe, other = made(probing), made(probing, seed=9)
    listed = json.loads(json.dumps(named["list_probes"](), allow_nan=False))
    assert listed["total"] == 2 and [row["uid"] for row in listed["rows"]] == [other["uid"], probe["uid"]]
    assert named["list_probes"](1, 1)["rows"][0]["uid"] == probe["uid"]
    assert named["list_probes"](0)["rows"] == []
    gone = named["delete_probe"](probe["uid"])
    assert gone["uid"] == probe["uid"] and len(gone["runs"]) == 4 and named["list_probes"]()["total"] == 1
    for limit in (-1, 501, "many", None, 2.5):
        with pytest.raises(Exception, match=r"The limit .*must be a whole number from 0 to 500"):
            named["list_probes"](limit)


def test_a_script_brings_back_runs_of_its_own_and_with_them_the_probe(probing: Probes, bench: Workbench) -> None:
    probe = made(probing)
    with served(bench, "local") as url:
        client = client_of(url)
        gone = list(probing.delete(probe["uid"], ME).runs)
        assert client.predict(gone, api_name="/restore_runs") == 4
        assert json.loads(probing.open(probe["uid"], ME))["cells"] == probe["cells"]
        for bad, words in (("abc", "list of run ids"), ([1], "list of run ids"), (["nothing"], "There is no run")):
            with pytest.raises(AppError, match=words):
                client.predict(bad, api_name="/restore_runs")
    gone = list(probing.delete(probe["uid"], ME).runs)
    with served(bench, "public") as url, pytest.raises(AppError, match="There is no run"):
        client_of(url).predict(gone, api_name="/restore_runs")
    assert probing.list(ME).total == 0, "nobody takes runs out of the bin of somebody else"
