"""The audit of the pins: a known vulnerability fails and is named, a missing network is one line and no failure."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TODAY = date(2026, 11, 22)
CLEAN = {"name": "numpy", "version": "2.4.6", "vulns": []}
HOLED = {"name": "jinja2", "version": "3.0.0",
         "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-2024-1"], "fix_versions": ["3.1.6"]}]}  # fmt: skip
UNKNOWN = {"name": "torch", "skip_reason": "Dependency not found on PyPI and could not be audited"}


@pytest.fixture(scope="module")
def audit(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", root / ".ci" / "audit.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def printed(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


def test_a_known_vulnerability_fails_and_says_which_and_what_mends_it(audit: ModuleType) -> None:
    code, said = audit.judged(printed(CLEAN, HOLED, UNKNOWN), TODAY)
    assert code == 1
    assert said == ["audit: jinja2 3.0.0 has PYSEC-1; mended in 3.1.6. Raise the pin.",
                    "audit: 2 of 3 packages looked up."]  # fmt: skip


def test_one_that_is_accepted_passes_until_its_day_and_no_longer(audit: ModuleType) -> None:
    accepted = {"CVE-2024-1": (TODAY, "nothing here renders templates of strangers")}
    assert audit.judged(printed(HOLED), TODAY, accepted)[0] == 0
    assert audit.judged(printed(HOLED), date(2026, 11, 23), accepted)[0] == 1


@pytest.mark.parametrize("nothing", ["", "<html>", "[]", "{}", printed(UNKNOWN), printed()])
def test_without_its_source_it_says_so_in_one_line_and_passes(audit: ModuleType, nothing: str) -> None:
    code, said = audit.judged(nothing, TODAY)
    assert code == 0 and len(said) == 1 and said[0].startswith("audit: skipped")


def test_no_vulnerability_passes(audit: ModuleType) -> None:
    assert audit.judged(printed(CLEAN), TODAY) == (0, ["audit: 1 of 1 packages looked up."])


def test_every_pin_is_looked_up(audit: ModuleType, root: Path) -> None:
    pins = audit.pinned()
    wanted = [line for name in ("requirements.txt", "requirements-embedded.txt")
              for line in (root / name).read_text().splitlines()
              if "==" in line and not line.startswith("#")]  # fmt: skip
    assert set(wanted) < set(pins) and any(pin.startswith("torch==") for pin in pins)


def test_it_ends_well_where_no_network_is(audit: ModuleType, root: Path) -> None:
    """As `make lint` runs it, with every way out closed."""
    environ = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    run = subprocess.run([sys.executable, ".ci/audit.py"], cwd=root, env={"PATH": "/usr/bin:/bin", **environ},
                         capture_output=True, text=True, timeout=audit.SECONDS + 60)  # fmt: skip
    assert run.returncode == 0 and run.stdout.startswith("audit: skipped"), run.stdout + run.stderr
