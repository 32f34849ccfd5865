"""The examples that ship with the project: there in every store, once, whole, and readable without a model."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from pathlib import Path

import pytest

from engine.errors import NotFound, StoreDamaged
from engine.host import ModelHost
from engine.limits import Limits
from engine.models import LanguageModel
from storage import transfer
from storage.database import Store
from tests.support.bench import ME, STRANGER, head, last, lines
from ui import examples
from ui.access import Viewer
from ui.actions import Workbench
from ui.examples import FORKS, OWNER, example_uid, install, install_analysis, read_analyses
from ui.fork_record import RULES
from ui.forks import KIND, Forks

FORKED = example_uid(7)


def forks_of(store: Store) -> Forks:
    """The use cases where no model is loaded."""
    return Forks(Workbench(store, ModelHost(patience=0.0), Limits()))


def analyses(store: Store) -> list[str]:
    return [each.uid for each in store.analyses.list(FORKED, viewer=OWNER, kind=KIND)]


def test_a_fresh_store_opens_the_shipped_analysis_without_a_model_and_it_has_real_forks(store: Store) -> None:
    assert install(store) == examples.COUNT
    for viewer in (ME, STRANGER):
        document = forks_of(store).of_run(FORKED, viewer)
        assert last(document, "s")["state"] == "finished" and last(document, "s")["draws"] > 500
        rows = last(document, "b")
        real = [row for row in rows if row[10] == 1]
        assert len(real) >= 3 and max(row[7] for row in real) > 0.6 and max(row[3] for row in real) > 0.1
        assert any(row[10] == 0 for row in rows), "one that cannot be told from noise is there too"
        said = last(document, "said")
        assert len(said["jumps"]["0.2"]) >= 2 and not said["changes"]["flat"] and said["changes"]["odds"] > 9
        assert sum(name.isdigit() for name in last(document, "labels")) >= 3
        row = real[0]
        groups = last(forks_of(store).texts(analyses(store)[0], row[0], row[1], viewer), "texts")["groups"]
        assert sum(group["count"] for group in groups) == row[5]


def test_what_ships_is_what_its_draws_come_to_by_the_rules_of_today(store: Store) -> None:
    install(store)
    (uid,) = analyses(store)
    forks = forks_of(store)
    opened = forks._opened(uid, ME)
    assert opened.look, f"raise RULES ({RULES}) only together with `python -m assets.make_example_forks`"
    shown = lines(opened.look)
    worked_out = lines(forks.read_again(uid, "last_number", "", ME))[1:-1]
    assert [set(line) for line in shown] == [set(line) for line in worked_out]
    for one, other in zip(shown, worked_out, strict=True):
        for name in one:
            assert flat(one[name]) == pytest.approx(flat(other[name]), abs=2e-4), (
                f"{name} is worked out in another way: raise RULES in ui/fork_record.py and run make_example_forks"
            )


def flat(value) -> list:
    """All numbers of a value in order; texts as numbers, so that they can be compared beside them."""
    if isinstance(value, dict):
        return [each for name in sorted(value) for each in flat(value[name])]
    if isinstance(value, list):
        return [each for inner in value for each in flat(inner)]
    return [float(value) if isinstance(value, (int, float)) else float(sum(map(ord, str(value))))]


def test_installing_again_changes_nothing_and_an_older_store_gets_only_what_it_lacks(store: Store) -> None:
    with zipfile.ZipFile(examples.EXAMPLES) as archive:
        manifest, *runs = archive.read(examples.RUNS).decode().rstrip("\n").split("\n")
    transfer.import_runs(store, [manifest, *runs[:-1]], owner=OWNER, example=True)
    before = store.runs.header(example_uid(1), viewer=OWNER)
    assert install(store) == 1 and install(store) == 0
    assert store.runs.header(example_uid(1), viewer=OWNER) == before
    (uid,) = analyses(store)
    assert install(store) == 0 and analyses(store) == [uid] and store.check().ok


def test_an_install_that_was_cut_off_is_done_again_and_a_newer_file_takes_the_place_of_an_older(store: Store) -> None:
    install(store)
    (uid,) = analyses(store)
    store.analyses.save(uid, viewer=OWNER, status="running")
    install(store)
    (whole,) = analyses(store)
    assert whole != uid and store.analyses.get(whole, viewer=ME.name).header.status == "finished"
    newer = install_analysis(store, *read_analyses(FORKS.read_bytes() + b"\0"))
    assert analyses(store) == [newer] and newer != whole


def test_what_a_visitor_made_of_it_stays_when_a_newer_one_comes(store: Store) -> None:
    install(store)
    mine = store.analyses.add(FORKED, KIND, {}, viewer=STRANGER.name)
    install_analysis(store, *read_analyses(FORKS.read_bytes() + b"\0"))
    assert store.analyses.get(mine, viewer=STRANGER.name).header.owner == STRANGER.name


@pytest.mark.parametrize("change", ["UPDATE run SET title = 'x' WHERE uid = ?", "DELETE FROM run WHERE uid = ?"])
def test_a_damaged_or_missing_example_does_no_harm(
    tmp_path: Path, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "library.db"
    with Store(path) as store:
        install(store)
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute(change, (FORKED,))
    with Store(path) as store:
        if change.startswith("DELETE"):
            assert install(store) == 1 and last(forks_of(store).of_run(FORKED, ME), "s")["state"] == "finished"
            return
        assert install(store) == 0
        assert sum("is left out" in record.message for record in caplog.records) == 3
        with pytest.raises(StoreDamaged):
            forks_of(store).of_run(FORKED, ME)
        assert forks_of(store).of_run(example_uid(1), ME) == ""


def test_a_missing_file_costs_the_analysis_only(store: Store, tmp_path: Path) -> None:
    assert install(store, forks=tmp_path / "nothing.zip") == examples.COUNT
    assert forks_of(store).of_run(FORKED, ME) == ""


def test_the_file_is_small_and_holds_nothing_that_could_run() -> None:
    assert FORKS.stat().st_size < 2**20
    with zipfile.ZipFile(FORKS) as archive:
        assert {Path(name).suffix for name in archive.namelist()} == {".npy", ".json"}
        about = json.loads(archive.read(examples.ABOUT))
    assert about["run"] == FORKED and about["kind"] == KIND


def test_a_stranger_adds_draws_to_it_in_a_copy(store: Store, embedded: LanguageModel) -> None:
    install(store)
    host = ModelHost(patience=0.0)
    host.hold(embedded)
    forks = Forks(Workbench(store, host, Limits()))
    (theirs,) = analyses(store)
    before = forks.open(theirs, STRANGER)
    row = max((row for row in last(before, "b") if row[5] and not row[4]), key=lambda row: row[0])
    *_, more = forks.add_draws(theirs, row[0], row[1], 3, STRANGER)
    mine = head(more)["forks"]
    assert mine != theirs and last(more, "s")["draws"] == last(before, "s")["draws"] + 3
    assert forks.open(theirs, STRANGER) == before and head(forks.of_run(FORKED, STRANGER))["forks"] == mine
    assert forks.export(mine, "parquet", STRANGER).stat().st_size > 1000
    with pytest.raises(NotFound):
        forks.open(mine, Viewer("visitor:b", "visitor:b", False))
