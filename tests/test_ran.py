"""The check that every part of the suite ran notices skipped browser tests and missing folders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ran import PARTS, gaps

COMPLETE = [f'<testcase classname="tests.{part}.test_a" name="t"/>' for part in PARTS]


def report(folder: Path, cases: list[str]) -> Path:
    path = folder / "junit.xml"
    path.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    return path


def test_a_complete_run_has_no_gaps(tmp_path: Path) -> None:
    skipped = '<testcase classname="tests.engine.test_b" name="gpu"><skipped/></testcase>'
    assert gaps(report(tmp_path, [*COMPLETE, skipped])) == []


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_did_not_run_or_only_failed_is_a_gap(tmp_path: Path, part: str) -> None:
    without = [case for case in COMPLETE if f"tests.{part}." not in case]
    failed = f'<testcase classname="tests.{part}.test_a" name="t"><failure/></testcase>'
    assert gaps(report(tmp_path, without)) == [f"No test in tests/{part} passed."]
    assert gaps(report(tmp_path, [*without, failed])) == [f"No test in tests/{part} passed."]


def test_a_skipped_browser_test_is_a_gap_and_ends_with_exit_code_1(tmp_path: Path, root: Path) -> None:
    skipped = '<testcase classname="tests.browser.test_b" name="stream"><skipped/></testcase>'
    path = report(tmp_path, [*COMPLETE, skipped])
    assert gaps(path) == ["The browser test stream was skipped."]
    run = subprocess.run([sys.executable, "-m", "tests.support.ran", path], cwd=root, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (1, "The browser test stream was skipped.\n")


def test_the_browser_alone_is_not_the_page(tmp_path: Path) -> None:
    without = [case for case in COMPLETE if "browser" not in case]
    only = '<testcase classname="tests.browser.test_fixtures" name="t"/>'
    assert gaps(report(tmp_path, [*without, only])) == ["No test in tests/browser passed."]
