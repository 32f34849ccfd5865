"""Probes whose page was closed, whose program died or whose bits are damaged: nothing is lost or there twice."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from sqlalchemy import text

from engine.errors import BadInput, Busy, StoreDamaged
from tests.support.bench import ME, OTHER, Held, all_saved, stored
from tests.support.probing import FIELDS, TOTAL, crashed, made, part_of
from ui import probe_board
from ui.actions import Workbench
from ui.probes import Probes
from ui.tabs import probe as probe_tab


@pytest.fixture
def probing(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Probes:
    monkeypatch.setattr(probe_board, "FRAME_SECONDS", 0.0)
    monkeypatch.setattr(probe_board, "LIVE_SHARE", 0.0)
    return Probes(bench)


def test_a_probe_at_work_is_looked_at_without_much_work_and_nothing_is_written(probing, bench, monkeypatch) -> None:
    job = part_of(probing, 10)
    uid = probing.list(ME).rows[0].uid
    asked: list[int] = []
    real = probe_board.effects

    def counted(*given: Any, **more: Any) -> Any:
        asked.append(more["resamples"])
        return real(*given, **more)

    monkeypatch.setattr(probe_board, "effects", counted)
    assert json.loads(probing.open(uid, OTHER))["effects"]
    assert asked == [probe_board.LIVE_RESAMPLES] and probe_board.LIVE_RESAMPLES < probe_board.RESAMPLES
    assert "effects" not in bench.store.analyses.get(uid, viewer=ME.name).arrays
    job.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("done", [1, 5, 6, 8])
def test_a_probe_whose_program_died_says_so_and_goes_on_to_the_same_end(probing, bench, monkeypatch, done) -> None:
    whole = made(probing)
    uid = crashed(probing, done, monkeypatch)
    restarted = Probes(bench)
    (row, _) = restarted.list(ME).rows
    kept = 6 * (done // 6)
    assert (row.uid, row.state, row.done, row.total) == (uid, "stopped", kept, TOTAL)
    opened = json.loads(restarted.open(uid, ME))
    assert opened["state"] == "stopped" and opened["progress"]["done"] == kept == len(opened["cells"])
    ended = json.loads(list(restarted.resume(uid, ME))[-1])
    assert ended["state"] == "finished" and ended["uid"] == uid and ended["effects"] == whole["effects"]
    assert restarted.list(ME).rows[0].state == "finished" and restarted.list(ME).total == 2


def test_answers_of_a_long_run_are_stored_on_the_way(probing, bench, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(probe_board, "SAVE_SECONDS", 0.0)
        uid = crashed(probing, 9, monkeypatch)
    assert json.loads(Probes(bench).open(uid, ME))["progress"]["done"] == 9, "not only the first run number, 6 answers"


@pytest.mark.parametrize("done", [2, 8])
def test_answers_kept_right_before_the_program_died_are_in_the_library_once(probing, bench, monkeypatch, done) -> None:
    uid = crashed(probing, done, monkeypatch)
    before = titles(bench)
    assert len(before) == (2 if done == 2 else 4), "negative control: there are answers that the probe does not name"
    ended = json.loads(list(Probes(bench).resume(uid, ME))[-1])
    kept = titles(bench)
    assert len(kept) == len(set(kept)) == 4 and {cell["uid"] for cell in ended["cells"]} - {""} == uids(bench)


def test_answers_kept_right_before_the_program_died_go_to_the_bin_with_the_probe(probing, bench, monkeypatch) -> None:
    uid = crashed(probing, 8, monkeypatch)
    assert len(Probes(bench).delete(uid, ME).runs) == 4 and not titles(bench)


def titles(bench: Workbench) -> list[str]:
    return [row.title for row in stored(bench)]


def uids(bench: Workbench) -> set[str]:
    return {row.uid for row in stored(bench)}


def test_a_probe_whose_closed_page_still_saves_is_at_work_until_it_has_ended(probing, bench, monkeypatch) -> None:
    job = part_of(probing, 10)
    uid = probing.list(ME).rows[0].uid
    with monkeypatch.context() as patch:
        held = Held(bench, patch)
        began = time.monotonic()
        job.close()  # type: ignore[attr-defined]
        assert time.monotonic() - began < 5 and held.asked.wait(20) and not held.free.is_set()
        assert bench.turns.stop(ME.place) == 0, "the place in the queue is free"
        assert probing.at_work(uid) and probing.list(ME).rows[0].state == "drawing"
        with pytest.raises(Busy, match="still being stored: go on with it in a moment"):
            list(probing.resume(uid, OTHER))
        with pytest.raises(BadInput, match="just now"):
            probing.delete(uid, ME)
        held.free.set()
        all_saved()
    assert probing.list(ME).rows[0].state == "stopped" and probing.list(ME).rows[0].done == 10
    ended = json.loads(list(probing.resume(uid, OTHER))[-1])
    assert ended["state"] == "finished" and len(ended["cells"]) == TOTAL
    assert json.loads(probing.open(uid, ME))["cells"] == ended["cells"]


def test_a_probe_that_calls_itself_finished_without_all_its_answers_goes_on(probing, bench, monkeypatch) -> None:
    whole = made(probing)
    uid = crashed(probing, 8, monkeypatch)
    bench.store.analyses.save(uid, viewer=ME.name, status="finished")
    assert probing.list(ME).rows[0].state == json.loads(probing.open(uid, ME))["state"] == "stopped"
    ended = json.loads(list(probing.resume(uid, ME))[-1])
    assert ended["state"] == "finished" and ended["effects"] == whole["effects"]


DAMAGE = {
    "array": "UPDATE analysis_array SET data = x'0102' WHERE name = 'run-001'",
    "header": "UPDATE analysis SET settings = '{' WHERE uid = :uid",
    "first answer": "UPDATE run SET title = 'other' WHERE uid = :run",
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_probe_is_listed_and_can_be_deleted(probing, bench, what) -> None:
    older, probe = made(probing), made(probing, seed=9)
    first = probe["cells"][0]["uid"]
    damage = DAMAGE[what] + (" AND analysis_id = (SELECT max(id) FROM analysis)" if what == "array" else "")
    with bench.store.write() as session:
        session.execute(text(damage), {"uid": probe["uid"], "run": first})
    with pytest.raises(StoreDamaged):
        probing.open(probe["uid"], ME)
    listed, shown = probe_tab._arrival(probing, ME, show=True)
    row = json.loads(listed)["rows"][0]
    assert row["uid"] == probe["uid"] and bool(row["problem"]) == (what == "header")
    assert json.loads(shown)["uid"] == older["uid"], "the newest that opens"
    binned = probing.delete(probe["uid"], ME)
    assert [row.uid for row in probing.list(ME).rows] == [older["uid"]]
    assert binned.whole == (what != "first answer") and len(binned.runs) == (4 if binned.whole else 3)
    probing.restore(binned.runs, ME)
    assert probing.list(ME).total == (2 if binned.whole else 1)
    assert json.loads(probing.open(older["uid"], ME))["cells"] == older["cells"], "another one is not touched"


def test_a_refused_job_leaves_buttons_and_notice_to_the_one_that_goes_on(probing: Probes) -> None:
    kept = made(probing)["uid"]
    job = probe_tab._shown(lambda: probing.run({**FIELDS, "seed": 9}, ME))
    began = next(job)
    assert [update["interactive"] for update in began[2:]] == [False, True] and began[1] == ""
    for refusal in (lambda: probing.resume(kept, ME), lambda: probing.run(FIELDS, ME)):
        (told,) = list(probe_tab._shown(refusal))
        assert all("interactive" not in update for update in told[2:]), "A is still at work"
        assert "nothing left to draw" in told[1] or "already at work" in told[1]
    *_, last = job
    assert [update["interactive"] for update in last[2:]] == [True, False] and "interactive" not in last[1]
