"""`make bench`: runs every measurement and prints one table. BENCH_QUICK=1 shortens them.

Each bench_*.py has measure(folder, quick) -> rows. A ratio compares two ways of doing the same within one run.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import tempfile
from pathlib import Path

from tests import benchmarks
from tests.benchmarks.rows import Row


def main(names: list[str]) -> int:
    quick = bool(os.environ.get("BENCH_QUICK"))
    rows: list[Row] = []
    for module in sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name.startswith("bench_")):
        if names and not any(name in module for name in names):
            continue
        print(f"{module} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            rows += importlib.import_module(f"tests.benchmarks.{module}").measure(Path(folder), quick)
    print(as_table(rows))
    missed = [row for row in rows if row.kept is False]
    if missed:
        print(f"{len(missed)} of {len(rows)} figures miss their promise.", file=sys.stderr)
    return 0


def as_table(rows: list[Row]) -> str:
    """A Markdown table, ready for the README."""
    lines = ["| what | measured | promised |", "|---|---|---|"]
    for row in rows:
        mark = {None: "", True: " ✓", False: " ✗"}[row.kept]
        lines.append(f"| {row.what} | {row.value:.4g} {row.unit} | {row.promise}{mark} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
