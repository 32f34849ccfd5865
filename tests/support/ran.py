"""Says from pytest's JUnit file whether every part of the suite really ran; `.ci/run` fails where one did not.

A run in which the browser tests were skipped, or a whole folder was not collected, is green without proving anything.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

PARTS = ("engine", "storage", "ui", "browser", "faults")
# These prove that the browser works, not that the page does.
NOT_THE_PAGE = "tests.browser.test_fixtures"


def gaps(report: Path) -> list[str]:
    """One sentence for each part of the suite that did not run; empty when all did."""
    passed: Counter[str] = Counter()
    found: list[str] = []
    for case in ElementTree.parse(report).iter("testcase"):
        module = case.get("classname", "")
        part = module.removeprefix("tests.").partition(".")[0]
        if case.find("skipped") is not None:
            if part == "browser":
                found.append(f"The browser test {case.get('name')} was skipped.")
        elif case.find("failure") is None and case.find("error") is None and module != NOT_THE_PAGE:
            passed[part] += 1
    return found + [f"No test in tests/{part} passed." for part in PARTS if not passed[part]]


def main(argv: list[str]) -> int:
    found = gaps(Path(argv[0]))
    print("\n".join(found[:10]), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
