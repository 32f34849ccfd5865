"""Fresh stores for every test of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new store in a temporary folder."""
    with Store(tmp_path / "library.db") as opened:
        yield opened


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    """A second store, to import into."""
    with Store(tmp_path / "other.db") as opened:
        yield opened
