"""Promises of the operator's commands: they say what they did, name what is damaged, never overwrite, and end with 0,
1 for damage or 2 for what cannot be done."""

from __future__ import annotations

import io
import json
import os
import re
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from storage.database import Store
from storage.in_use import sole_use
from storage.records import RunQuery
from storage.transfer import import_runs
from tests.storage.annotating import desk
from tests.storage.examples import assert_same_trace, small_trace
from ui import commands, examples
from ui.commands import COMMANDS
from ui.example_session import install_session

FILES = ("backup", "restore", "export")


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library of two people with a session, named by the environment."""
    path = tmp_path / "data" / "library.db"
    path.parent.mkdir()
    with Store(path) as store:
        for owner in ("local", "visitor:ab"):
            for number in range(2):
                store.runs.add(
                    small_trace(number, 30),
                    owner=owner,
                    status="finished",
                    run_scores={"perplexity": 2.0},
                    uid=f"{owner[:5]}-{number}",
                )
        desk(store, runs=2, members=1)
    monkeypatch.setenv("FORKLORE_DATABASE", str(path))
    return path


def spoil(path: Path, uid: str = "local-0") -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE run_array SET data = zeroblob(length(data)) WHERE name = 'scores' "
            "AND run_id = (SELECT id FROM run WHERE uid = ?)",
            (uid,),
        )


def said(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert err == ""
    return out


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one sentence of a call that cannot be done; its code is 2."""
    try:
        code = commands.run(argv)
    except SystemExit as ended:
        assert isinstance(ended.code, int)
        code = ended.code
    out, err = capsys.readouterr()
    assert (code, out) == (2, "") and err.count("\n") == 1 and err.endswith(".\n"), (code, out, err)
    return err


def test_check_says_that_a_sound_library_is_sound(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["check"]) == 0
    assert "library.db is sound: 6 runs, 1 annotation session," in said(capsys)


def test_check_names_what_is_damaged_and_changes_nothing(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(library)
    before = library.read_bytes()
    assert commands.run(["check", "--database", str(library)]) == 1
    out = said(capsys)
    assert "damaged in 1 place;" in out and "local-0" in out and "local-1" not in out
    assert library.read_bytes() == before
    library.write_bytes(before[:5000])
    assert commands.run(["check"]) == 1
    assert "cut off" in capsys.readouterr().err


def test_check_of_an_older_library_leaves_it_as_old_as_it_is(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old.db"
    old.write_bytes((root / "tests/golden/store_v1.db").read_bytes())
    assert commands.run(["check", "--database", str(old)]) == 0 and "is sound" in said(capsys)
    assert old.read_bytes() == (root / "tests/golden/store_v1.db").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["old.db"]


def test_a_backup_is_whole_verified_and_never_written_over_a_file(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(library) as running:  # the app may run meanwhile
        late = running.runs.add(small_trace(5, 30), status="finished", run_scores={})
        assert commands.run(["backup", str(tmp_path / "copy.db")]) == 0
    assert "copy.db is sound: 7 runs" in said(capsys)
    with Store(tmp_path / "copy.db") as copy:
        assert_same_trace(copy.runs.get(late, viewer="local").trace, small_trace(5, 30))
    before = (tmp_path / "copy.db").read_bytes()
    assert "already exists" in refused(capsys, "backup", str(tmp_path / "copy.db"))
    assert (tmp_path / "copy.db").read_bytes() == before


def test_a_backup_of_a_damaged_library_says_so(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(library)
    assert commands.run(["backup", str(tmp_path / "copy.db")]) == 1
    assert "local-0" in said(capsys)


def test_restore_brings_the_backup_and_keeps_what_was_there(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.run(["backup", str(tmp_path / "copy.db")])
    with Store(library) as store:
        late = store.runs.add(small_trace(5, 30), status="finished", run_scores={})
    capsys.readouterr()
    assert commands.run(["restore", str(tmp_path / "copy.db")]) == 0
    out = said(capsys)
    kept = next(path for path in library.parent.iterdir() if ".before-" in path.name)
    assert "copy.db is the library now" in out and kept.name in out
    with Store(library) as now, Store(kept) as before:
        assert now.check().runs == 6 and before.check().runs == 7
        assert before.runs.get(late, viewer="local").header.uid == late


def test_restore_refuses_a_damaged_backup_and_leaves_the_library(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.run(["backup", str(tmp_path / "copy.db")])
    spoil(tmp_path / "copy.db")
    before = library.read_bytes()
    capsys.readouterr()
    assert commands.run(["restore", str(tmp_path / "copy.db")]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "local-0" in err and "not restored" in err
    assert library.read_bytes() == before


def test_restore_refuses_while_an_app_uses_the_library(library: Path, tmp_path: Path, root: Path) -> None:
    copy = tmp_path / "copy.db"
    with Store(library) as store:
        store.backup(copy)
    with sole_use(library.with_name("library.db.lock"), "{pid}"):
        run = subprocess.run(
            [sys.executable, "app.py", "restore", str(copy), "--database", str(library)],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert run.returncode == 2 and run.stdout == ""
    assert f"process {os.getpid()}" in run.stderr and run.stderr.count("\n") == 1


def test_an_export_holds_every_run_and_session_of_everybody_exactly(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "all.zip"
    assert commands.run(["export", str(target)]) == 0
    assert "6 runs and 1 annotation session written" in said(capsys)
    with zipfile.ZipFile(target) as archive, Store(tmp_path / "other.db") as other:
        names = archive.namelist()
        runs = [name for name in names if "/runs-" in name]
        assert len(runs) == 2 and len([name for name in names if "/session-" in name]) == 1
        for name in runs:
            assert import_runs(other, archive.read(name), owner="local").problems == ()
        assert other.check().runs == 6
        assert_same_trace(other.runs.get("visit-1", viewer="local").trace, small_trace(1, 30))
    assert "already exists" in refused(capsys, "export", str(target))
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.endswith(".part")) == []


def test_an_export_leaves_out_what_is_damaged_and_names_it(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(library)
    assert commands.run(["export", str(tmp_path / "all.zip")]) == 1
    out = said(capsys)
    assert "5 runs" in out and "Left out:" in out and "local-0" in out


def test_an_export_and_what_it_names_as_left_out_are_all_that_a_check_counts(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(library) as store:
        examples.install(store)
        install_session(store)
        store.runs.delete("local-1", viewer="local")
        mine = {run.uid for run in store.runs.list(RunQuery("local", examples=False)).rows}
    assert commands.run(["check"]) == 0
    found = re.search(r"sound: (\d+) runs, (\d+) annotation sessions", said(capsys))
    assert found
    assert commands.run(["export", str(tmp_path / "all.zip")]) == 0
    lines = re.findall(r"(\d+) runs? and (\d+) annotation sessions? (.*)", said(capsys))
    assert [line[:2] for line in lines[:1] + lines[2:]] == [("5", "1"), ("1", "0")]
    assert "every library" in lines[1][2] and "in the bin" in lines[2][2] and int(lines[1][0]) > 20
    assert tuple(sum(int(line[at]) for line in lines) for at in (0, 1)) == tuple(map(int, found.groups()))
    with zipfile.ZipFile(tmp_path / "all.zip") as archive, Store(tmp_path / "other.db") as other:
        for name in archive.namelist():
            if "/runs-" in name:
                import_runs(other, archive.read(name), owner="local")
        written = {run.uid for run in other.runs.list(RunQuery("local")).rows}
    assert len(written) == 5 and mine < written and not any(uid.startswith("demonstration") for uid in written)


def test_an_export_says_whose_each_folder_of_a_team_is(
    ada: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(ada) as store:
        person = next(one for one in store.people.list() if one.name == "Ada")
        store.people.add("Ben, who made nothing")
        store.belongings.hand_over("local", to=person.viewer)
    assert commands.run(["export", str(tmp_path / "all.zip")]) == 0
    out = said(capsys)
    line = re.search(r"^(person-\S+): Ada, 5 runs, 1 annotation session\.$", out, re.MULTILINE)
    assert line and "Ben" not in out
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert json.loads(archive.read("people.json")) == {line[1]: "Ada"}
        assert {f"{line[1]}/runs-1.jsonl"} < set(archive.namelist())


def test_an_export_without_people_has_no_index_and_one_whose_list_is_damaged_says_so(
    ada: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(ada)) as connection, connection:
        connection.execute("UPDATE person SET row_hash = 'x'")
    assert commands.run(["export", str(tmp_path / "damaged.zip")]) == 1
    out = said(capsys)
    assert "7 runs" in out and "Left out: The list of people is damaged" in out
    with closing(sqlite3.connect(ada)) as connection, connection:
        connection.execute("DELETE FROM person")
    assert commands.run(["export", str(tmp_path / "none.zip")]) == 0
    for name in ("damaged.zip", "none.zip"):
        with zipfile.ZipFile(tmp_path / name) as archive:
            assert "people.json" not in archive.namelist()


def test_restore_says_whose_links_work_afterwards(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(library) as store:
        for name in ("Ada", "Ben", "Cy", "Dee"):
            store.people.add(name)
    commands.run(["backup", str(tmp_path / "copy.db")])
    with Store(library) as store:
        store.people.remove("Ada")
        store.people.remove("Ben")
        store.people.renew("Cy")
    capsys.readouterr()
    assert commands.run(["restore", str(tmp_path / "copy.db")]) == 0
    out = said(capsys)
    assert "2 people removed since stay removed: Ada, Ben." in out
    assert "1 person given a new link since keeps that one: Cy." in out
    assert "2 people may come to a team's page: Cy, Dee." in out and "could not be read" not in out
    library.write_bytes(library.read_bytes()[:5000])
    assert commands.run(["restore", str(tmp_path / "copy.db")]) == 0
    out = said(capsys)
    assert "could not be read in full" in out and "4 people may come to a team's page: Ada, Ben, Cy, Dee." in out


def test_a_backup_that_cannot_be_restored_is_not_to_be_mended_with_a_backup(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(library.read_bytes()[:5000])
    assert commands.run(["restore", str(copy)]) == 1
    err = capsys.readouterr().err
    assert "copy.db is cut off" in err and "restore another backup" in err and "from a backup" not in err


@pytest.mark.parametrize("before", [(), ("--database", "check"), ("--yes",), ("--port=7861",), ("--port", "7861")])
def test_a_command_is_found_behind_flags_and_a_value_is_none(before: tuple[str, ...]) -> None:
    assert commands.asked_for([*before, "people", "list"]) == ("people", *before, "list")
    assert commands.asked_for([*before]) is None and commands.asked_for([*before, "--help"]) is None
    assert commands.asked_for([*before, "chekc", "check"]) is None


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_tells_what_a_command_does(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        commands.run([name, "--help"])
    out = " ".join(said(capsys).split())
    assert ended.value.code == 0
    assert COMMANDS[name].form.meaning in out and "--database" in out and "--model" not in out


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_name_and_words_too_many_are_refused(
    name: str, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "needs the name of a file" in refused(capsys, name)
    assert "'b' is one word too many" in refused(capsys, name, "a", "b")
    assert "--model" in refused(capsys, name, "a", "--model", "x")
    assert "'extra' is one word too many" in refused(capsys, "check", "extra")


def test_a_mistyped_flag_or_action_of_a_command_is_answered_with_the_nearest(
    library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "did you mean --yes?" in refused(capsys, "people", "erase", "Ada", "--yess")
    assert "did you mean --database?" in refused(capsys, "check", "--databse", str(library))
    assert "Did you mean erase?" in refused(capsys, "people", "erse", "Ada")


def test_what_cannot_be_done_is_one_sentence_and_makes_no_library(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "none.db"
    at = ("--database", str(nowhere))
    for name in ("check", "backup", "export"):
        words = [] if name == "check" else [str(tmp_path / "x")]
        assert "There is no library" in refused(capsys, name, *words, *at)
    assert "There is no file" in refused(capsys, "restore", str(tmp_path / "x"), *at)
    assert "There is no folder" in refused(capsys, "backup", str(tmp_path / "a" / "b"), *at)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["list"], ["remove", "Ada"], ["renew", "Ada"], ["erase", "Ada"]])
def test_only_adding_somebody_makes_a_library_and_says_which(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "new" / "none.db"
    at = ("--database", str(nowhere))
    assert f"There is no library at {nowhere}" in refused(capsys, "people", *words, *at)
    assert "Say one of" in refused(capsys, "people", *at)
    assert list(tmp_path.iterdir()) == []
    assert commands.run(["people", "add", "Ada", *at]) == 0 and str(nowhere) in said(capsys)
    assert commands.run(["people", "list", *at]) == 0 and "Ada" in said(capsys)


@pytest.fixture
def ada(library: Path) -> Path:
    """The library with a run of Ada's."""
    with Store(library) as store:
        viewer = store.people.add("Ada")[0].viewer
        store.runs.add(small_trace(7, 30), owner=viewer, status="finished", run_scores={})
    return library


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    stdin = io.StringIO(typed)
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", stdin)


def test_erasing_says_what_goes_and_is_refused_where_nobody_can_be_asked(
    ada: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("Ada\n"))
    asked = refused(capsys, "people", "erase", "Ada")
    assert "1 run and 0 annotation sessions for good, and the name" in asked and "--yes" in asked
    assert commands.run(["people", "list"]) == 0 and "has not come yet" in said(capsys)
    assert commands.run(["people", "erase", "Ada", "--yes"]) == 0 and "1 run, " in said(capsys)
    assert commands.run(["people", "list"]) == 0 and "Ada" not in said(capsys)
    assert commands.run(["check"]) == 0 and "6 runs" in said(capsys)


@pytest.mark.parametrize(("typed", "code"), [("Ada\n", 0), ("ada\n", 2), ("\n", 2), ("", 2)])
def test_erasing_at_a_terminal_asks_for_the_name(
    typed: str, code: int, ada: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_a_terminal(monkeypatch, typed)
    assert commands.run(["people", "erase", "Ada"]) == code
    out, err = capsys.readouterr()
    assert "1 run and 0 annotation sessions" in out and ("Nothing was changed" in err) == bool(code)
    commands.run(["people", "list"])
    assert ("Ada" in said(capsys)) == bool(code)


def test_the_program_itself_takes_the_commands(library: Path, root: Path) -> None:
    call = [sys.executable, "app.py", "check", f"--database={library}"]
    run = subprocess.run(call, cwd=root, capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stderr) == (0, "") and "is sound" in run.stdout
