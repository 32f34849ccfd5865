"""A start says what only whoever starts it can mend: a copy lets in whom it did, a new team's page nobody."""

from __future__ import annotations

import io
import logging
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from storage.database import Store
from storage.snapshots import Snapshots
from ui.serve import open_store, say_where
from ui.settings import parse


@pytest.mark.parametrize("team", [True, False])
def test_after_a_lost_disk_it_is_told_whose_links_work(
    team: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "__stdout__", terminal)
    with Store(tmp_path / "before.db") as store:
        for name in ("Ada", "Ben", "Cy") if team else ():
            store.people.add(name)
        if team:
            store.people.remove("Ada")
        Snapshots(store, tmp_path / "copies").take()
    settings = parse(["--database", str(tmp_path / "lost.db"), "--snapshots", str(tmp_path / "copies")], {})
    with caplog.at_level(logging.WARNING, "forklore"), ExitStack() as held:
        open_store(settings, held)
    (event,) = [record for record in caplog.records if record.msg == "library restored"]
    assert vars(event)["count"] == (2 if team else 0)
    said = terminal.getvalue()
    assert ("2 people may come" in said and said.count("\n") == 1) if team else said == ""
    assert "Ada" not in caplog.text and "Ben" not in caplog.text
    with ExitStack() as held:
        open_store(settings, held)
    assert terminal.getvalue() == said, "only a restored library is told of"


@pytest.mark.parametrize(("mode", "told"), [("team", True), ("public", False), ("local", False)])
def test_a_team_s_page_that_lets_nobody_in_says_how_to_add_somebody(
    mode: str, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "__stdout__", terminal)
    settings = parse(
        ["--mode", mode, "--database", str(tmp_path / "new.db"), "--address", "https://lab.example.org"], {}
    )
    with Store(settings.database) as store:
        for act, lines in ((None, 2), (store.people.add, 1), (store.people.remove, 2), (store.people.renew, 1)):
            if act:
                act("Ada")
            terminal.truncate(terminal.seek(0))
            say_where(settings, store)
            said = terminal.getvalue()
            assert said.startswith("Forklore is at") and said.count("\n") == (lines if told else 1)
            call = f"people add NAME --database {settings.database} --address https://lab.example.org"
            assert (f"Nobody is on the list yet: python app.py {call}" in said) == (told and lines == 2)
