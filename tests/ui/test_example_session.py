"""The demonstration session that ships: there after the first start, said to be simulated, the same for everybody."""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import BadInput, NotFound
from storage.database import Store
from tests.support.sessions import OWNER, STRANGER
from ui import example_session
from ui.annotating import Annotating
from ui.example_session import FILE, LABELS, RUNS, SESSION, demonstrations, install_session, run_uid
from ui.session_results import Results
from ui.sessions import Sessions


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(tmp_path_factory.mktemp("demonstration") / "library.db") as opened:
        assert install_session(opened)
        yield opened


def test_it_is_installed_once(store: Store) -> None:
    assert not install_session(store)
    assert demonstrations(store) == (SESSION,)
    assert store.check().ok


def test_it_is_finished_and_says_that_it_is_simulated(store: Store) -> None:
    found = Results(store).overview(SESSION, "", STRANGER)
    assert "simulated" in found["title"] and "simulated" in found["guidelines"]
    assert [row["name"] for row in found["members"]] == [
        "Simulated annotator 1", "Simulated annotator 2", "Simulated adjudicator",
    ]  # fmt: skip
    assert found["progress"]["answers"] == found["progress"]["needed"] == 2 * found["counts"]["work"]
    assert (found["example"], found["role"], found["status"]) == (True, "reader", "closed")
    assert found["finals"] > 0 and found["counts"]["check"] > 0 and found["counts"]["training"] > 0


def test_its_labels_are_those_of_real_answers_whose_scores_are_known(store: Store) -> None:
    results = Results(store)
    for target, level in (("question:correct", "run"), ("set:errors", "span")):
        found = results.scores(SESSION, target, "majority", None, "", STRANGER)
        assert found["level"] == level and found["positives"] > 0
        assert len(found["rows"]) > 15 and found["rows"][0]["auroc"][0] is not None
    agreement = results.agreement(SESSION, "question:correct", "", STRANGER)
    values = [row["value"] for row in agreement["measures"] if row["value"] is not None]
    assert values and all(0 < value < 1 for value in values), "two programs that slip agree, but not wholly"


def test_its_runs_open_for_anybody_and_do_not_stand_among_the_examples(store: Store) -> None:
    from storage.records import RunQuery

    assert store.runs.get(run_uid(1), viewer=STRANGER.name).trace.text
    assert store.runs.list(RunQuery(STRANGER.name)).total == 0


def test_nobody_changes_it(store: Store) -> None:
    sessions, results = Sessions(store, Results(store)), Results(store)
    item = results.disputes(SESSION, "", OWNER)[0]["item"]
    for attempt in (
        lambda: sessions.edit(SESSION, {"title": "Mine"}, OWNER),
        lambda: sessions.join(SESSION, OWNER),
        lambda: sessions.add(SESSION, "Eve", "annotator", None, OWNER),
        lambda: sessions.delete(SESSION, OWNER),
        lambda: results.adjudicate(SESSION, item, None, "", None, "A", "", OWNER),
        lambda: Annotating(store).next(SESSION, "", OWNER),
    ):
        with pytest.raises((BadInput, NotFound)):
            attempt()
    assert Annotating(store).mine(OWNER)[0]["example"]


def test_a_copy_of_ones_own_can_be_made_of_it(store: Store) -> None:
    made = Sessions(store, Results(store)).fork(SESSION, "My sums", "", STRANGER)
    assert (made["items"], made["role"], made["answered"]) == (24, "owner", False)


@pytest.mark.parametrize("harm", ["cut", "absent", "other labels", "not a zip"])
def test_a_damaged_file_is_said_in_the_log_and_the_page_works_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: str
) -> None:
    broken = tmp_path / "broken.zip"
    if harm == "cut":
        broken.write_bytes(FILE.read_bytes()[:-2000])
    elif harm == "not a zip":
        broken.write_bytes(b"nothing")
    elif harm == "other labels":
        with zipfile.ZipFile(FILE) as whole, zipfile.ZipFile(broken, "w") as archive:
            lines = whole.read(LABELS).decode().split("\n")
            assert len(lines) > 50
            archive.writestr(RUNS, whole.read(RUNS))
            archive.writestr(LABELS, "\n".join([*lines[:20], *lines[21:]]))
    with Store(tmp_path / "library.db") as store, caplog.at_level(logging.WARNING):
        assert not install_session(store, broken)
        assert demonstrations(store) == ()
    assert "demonstration session is left out" in caplog.text


def test_the_first_page_names_it(store: Store) -> None:
    from ui import views

    assert json.loads(views.example_strip((), "", demonstrations(store)))["sessions"] == [example_session.SESSION]
