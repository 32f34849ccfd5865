"""Fixtures and tiers for every test: fast first, then those with a model, a browser, or broken surroundings.

Fast is what carries no other marker. Nothing here may reach a network: hubs and telemetry are switched off first.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from engine.models import LanguageModel

ROOT = Path(__file__).resolve().parent.parent
TIERS = ("fast", "model", "browser", "faults")
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "TOKENIZERS_PARALLELISM": "false",
}
os.environ.update(OFFLINE)
# A person's own settings of the app must not change what the tests see.
for name in [n for n in os.environ if n.startswith("FORKLORE_")]:
    del os.environ[name]


def tier(item: pytest.Item) -> str:
    """The one tier of a test: its explicit marker, else its folder, else the fixtures it asks for."""
    for name in reversed(TIERS):
        if item.get_closest_marker(name):
            return name
    folders = item.path.relative_to(ROOT / "tests").parts if item.path.is_relative_to(ROOT / "tests") else ()
    for name in ("faults", "browser"):
        if name in folders:
            return name
    return "model" if "embedded" in getattr(item, "fixturenames", ()) else "fast"


# First of all hooks, so that `-m fast` sees the markers that are added here.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        name = tier(item)
        if not item.get_closest_marker(name):
            item.add_marker(name)
    items.sort(key=lambda item: TIERS.index(tier(item)))


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder with published data and expected values beside the project; tests skip where it is not."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("no ../shared folder beside the project: its data are not part of the repository")
    return folder


@pytest.fixture(scope="session")
def embedded() -> LanguageModel:
    """The real embedded model in float32 on the CPU, loaded once for all tests (tier `model`)."""
    from engine.models import load_model

    return load_model("embedded", device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def tiny() -> LanguageModel:
    """A tiny deterministic model with a byte tokenizer; no weights on disk."""
    from engine.testing import tiny_model

    return tiny_model()
