"""One library has one lock, whatever name leads to it; a file with a second name is refused before it can split."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.errors import BadInput
from storage.in_use import lock_beside


def test_every_name_of_a_library_leads_to_one_lock(tmp_path: Path) -> None:
    library = tmp_path / "library.db"
    library.touch()
    (tmp_path / "alias.db").symlink_to(library)
    (tmp_path / "folder").symlink_to(tmp_path)
    names = (library, tmp_path / "alias.db", tmp_path / "folder" / "library.db", tmp_path / "folder" / "alias.db")
    assert {lock_beside(name) for name in names} == {tmp_path.resolve() / "library.db.lock"}
    assert lock_beside(tmp_path / "new.db").name == "new.db.lock"


def test_a_library_with_a_hard_link_is_refused(tmp_path: Path) -> None:
    library = tmp_path / "library.db"
    library.touch()
    os.link(library, tmp_path / "other.db")
    for name in (library, tmp_path / "other.db"):
        with pytest.raises(BadInput, match="second name"):
            lock_beside(name)
