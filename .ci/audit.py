"""Asks whether a pinned package has a known vulnerability; part of `make lint`.

Fails only when one is found. Where the source of the advisories cannot be reached, or does not know the packages, one
line says so and that is all: style and types must be checkable without a network.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FILES = ("requirements.txt", "requirements-embedded.txt")
SECONDS = 45
# What cannot be mended yet: advisory -> (the last day on which that is accepted, why).
ACCEPTED: Mapping[str, tuple[date, str]] = {}
NOTICE = "audit: skipped, the source of known vulnerabilities {}."


def pinned(root: Path = ROOT) -> list[str]:
    """Every exact pin, and torch as `make setup` installs it: what is a range cannot be looked up."""
    lines = [line.strip() for name in FILES for line in (root / name).read_text().splitlines()]
    torch = re.search(r"^DEFAULT_TORCH := (torch==\S+)$", (root / "Makefile").read_text(), re.MULTILINE)
    return [line for line in lines if re.fullmatch(r"[\w.-]+==[\w.]+", line)] + ([torch[1]] if torch else [])


def asked(pins: Sequence[str]) -> str:
    """What pip-audit prints, "" where it cannot be reached in time."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "pins.txt")
        listed.write_text("\n".join(pins) + "\n")
        command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "-r", str(listed),
                   "--format", "json", "--progress-spinner", "off", "--timeout", "5"]  # fmt: skip
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS).stdout
        except subprocess.TimeoutExpired:
            return ""


def judged(printed: str, today: date, accepted: Mapping[str, tuple[date, str]] = ACCEPTED) -> tuple[int, list[str]]:
    """Exit code and what to say of pip-audit's JSON."""
    try:
        found: list[dict[str, Any]] = json.loads(printed)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return 0, [NOTICE.format("cannot be reached")]
    known = [one for one in found if "vulns" in one and "skip_reason" not in one]
    if not known:
        return 0, [NOTICE.format("does not know these packages")]
    said, code = [], 0
    for one in known:
        for advisory in one["vulns"]:
            names = {advisory["id"], *advisory.get("aliases", ())}
            until, why = next((accepted[name] for name in names if name in accepted), (date.min, ""))
            if today <= until:
                said.append(f"audit: {one['name']} {one['version']}: {advisory['id']} is accepted until {until}: {why}")
                continue
            fixed = ", ".join(advisory.get("fix_versions", ())) or "no version yet"
            said.append(
                f"audit: {one['name']} {one['version']} has {advisory['id']}; mended in {fixed}. Raise the pin."
            )
            code = 1
    return code, [*said, f"audit: {len(known)} of {len(found)} packages looked up."]


def main(ask: Callable[[Sequence[str]], str] = asked) -> int:
    code, said = judged(ask(pinned()), datetime.now(UTC).date())
    print("\n".join(said))
    return code


if __name__ == "__main__":
    sys.exit(main())
