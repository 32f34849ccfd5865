"""The README holds: its map, commands, flags, links, versions and code are those of the project."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.catalogue import read_catalogue
from engine.limits import Limits
from storage.limits import MEBIBYTE, ImportLimits, StoreLimits
from tests.test_requirements import requirements
from ui.commands import COMMANDS
from ui.quotas import HOURS, QuotaLimits
from ui.settings import OPTIONS
from ui.turns import TurnLimits

# Flags in the README that belong to other programs.
FOREIGN_FLAGS = {"--index-url"}


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    return (root / "README.md").read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """What stands between a heading and the next."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no section {title!r}"
    return found.group(1)


def block(text: str, language: str = "") -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found, f"no block of {language or 'text'}"
    return found.group(1)


def map_paths(layout: str) -> list[str]:
    """Paths of the map: names at a line's start, indented ones below the room above; files named in the remarks too."""
    paths: list[str] = []
    room = ""
    for line in layout.splitlines():
        words = re.split(r" {2,}", line.strip())
        names = [word for word in words if re.fullmatch(r"[\w/.-]+(/|\.\w+)", word)]
        if not line.startswith(" "):
            room = names[0] if names[0].endswith("/") else ""
            paths += names
        else:
            paths += [room + name for name in names]
        paths += [room + name for name in re.findall(r"[\w/]+\.(?:py|toml)\b", " ".join(words[len(names) :]))]
    return paths


def test_every_path_on_the_map_exists_and_every_room_is_on_it(readme: str, root: Path) -> None:
    layout = block(section(readme, "Layout"))
    paths = map_paths(layout)
    assert [path for path in paths if not (root / path).exists()] == []
    rooms = {f"{path.parent.name}/" for path in root.glob("*/__init__.py")} | {"assets/"}
    assert rooms <= set(paths)
    assert len(layout.splitlines()) <= 20


def test_the_map_check_would_notice_a_stale_line() -> None:
    layout = "app.py      starts\nengine/     the mathematics\n  a.py      one; b.py two\n  c/  d/  both\n"
    assert map_paths(layout) == ["app.py", "engine/", "engine/a.py", "engine/b.py", "engine/c/", "engine/d/"]


def test_every_command_is_a_target_of_the_makefile(readme: str, root: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (root / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", readme, re.MULTILINE))
    assert {"run", "test"} <= named <= targets


def test_every_flag_and_variable_exists(readme: str) -> None:
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", readme)) - FOREIGN_FLAGS - {"--help"}
    switches = {switch for command in COMMANDS.values() for switch in command.form.switches}
    assert flags and flags <= {option.flag for option in OPTIONS} | switches
    assert set(re.findall(r"FORKLORE_[A-Z_]+", readme)) <= {option.variable for option in OPTIONS}


def test_every_catalogue_name_in_an_example_exists(readme: str) -> None:
    models = set(re.findall(r"--model ([^\s\"]+)", readme))
    assert {name for name in models if "/" not in name} <= set(read_catalogue())


def test_every_link_and_picture_leads_somewhere(readme: str, root: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", readme)
    local = [target.partition("#")[0] for target in targets if not target.startswith("https://")]
    assert [target for target in local if not (root / target).exists()] == []


def test_the_space_is_described_as_the_project_is(readme: str, root: Path) -> None:
    front = dict(re.findall(r"^(\w+): \"?(.*?)\"?$", readme.split("---")[1], re.MULTILINE))
    wanted = requirements(root / "requirements.txt")
    assert front["sdk"] == "gradio" and wanted["gradio"].specifier.contains(front["sdk_version"])
    assert (root / front["app_file"]).is_file()
    assert front["license"] == "apache-2.0"
    # else the Space has no way to sign in
    assert front["hf_oauth"] == "true"
    assert tuple(map(int, front["python_version"].split("."))) >= (3, 11)
    assert len(front["short_description"]) <= 60


def test_every_endpoint_it_names_exists(readme: str, root: Path) -> None:
    notebook = section(readme, "From a notebook")
    named = set(re.findall(r"`/(\w+)`", notebook)) | set(re.findall(r'api_name="/(\w+)"', notebook))
    trees = [ast.parse(path.read_text()) for path in (root / "ui").glob("*api.py")]
    functions = {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert named and named <= functions


def test_the_notebook_code_is_python(readme: str) -> None:
    assert "Client(" in block(section(readme, "From a notebook"), "python")
    ast.parse(block(section(readme, "From a notebook"), "python"))


LIMITS: dict[str, Callable[[str], Any]] = {
    "TurnLimits": TurnLimits.of,
    "QuotaLimits": QuotaLimits.of,
    "Limits": lambda mode: Limits.public() if mode == "public" else Limits(),
    "StoreLimits": lambda mode: StoreLimits.public() if mode == "public" else StoreLimits(),
    "ImportLimits": lambda mode: ImportLimits.public() if mode == "public" else ImportLimits(),
}
# what a page for others cannot be run without knowing
SAID = {"each_person", "each_address", "short_seconds", "long_seconds", "jobs", "tokens", "runs_each", "tokens_each"}
UNBOUNDED = "–"


def limits(text: str) -> dict[str, dict[str, str]]:
    """The table of what others may have: {"Class.field": {mode: figure}}."""
    lines = [line for line in section(text, "Who may do what").splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    modes = rows[0][1:-1]
    return {row[-1].strip("`"): dict(zip(modes, row[1:-1], strict=True)) for row in rows[1:]}


def bound(name: str, mode: str) -> str:
    """A bound as the table has it; bytes as megabytes."""
    kind, _, field = name.partition(".")
    value = getattr(LIMITS[kind](mode), field)
    if value is None or value == math.inf:
        return UNBOUNDED
    return f"{value / MEBIBYTE if field.endswith('_bytes') else value:,.10g}"


def test_what_others_may_have_is_what_the_app_gives_them(readme: str) -> None:
    table = limits(readme)
    assert {name.partition(".")[2] for name in table} >= SAID
    for name, figures in table.items():
        assert figures == {mode: bound(name, mode) for mode in ("team", "public")}, name
    # as the rows call them
    assert QuotaLimits.of("team").window_seconds == QuotaLimits.of("public").window_seconds == 10 * 60
    assert HOURS == 24


def test_the_check_of_limits_would_notice_another_figure() -> None:
    head = "## Who may do what\n\n| most | team | public | set by |\n|---|---|---|---|\n"
    table = limits(
        head + "| places | 4 | 3 | `TurnLimits.each_person` |\n| file | – | 1,024 | `StoreLimits.file_bytes` |\n"
    )
    assert table["TurnLimits.each_person"] == {"team": "4", "public": "3"}
    assert [bound("TurnLimits.each_person", mode) for mode in ("team", "public")] == ["4", "2"]
    assert [bound("StoreLimits.file_bytes", mode) for mode in ("team", "public")] == [UNBOUNDED, "8,192"]
    assert bound("QuotaLimits.tokens", "team") == "20,000,000"


PROMISES = "What is promised and how it is tested"
NUMBER = re.compile(r"(\d[\d,]*(?:\.\d+)?)( %)?")


def promises(text: str) -> list[tuple[str, str, list[tuple[str, list[str]]]]]:
    """Rows of the table: promise, figure, and the tests as file with the names in it."""
    lines = [line for line in section(text, PROMISES).splitlines() if line.startswith("| ")][1:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert all(len(row) == 3 for row in rows)
    named = [[test.split("::") for test in re.findall(r"`([^`]+)`", row[2])] for row in rows]
    return [(row[0], row[1], [(file, names) for file, *names in tests]) for row, tests in zip(rows, named, strict=True)]


def constants(file: Path) -> dict[str, list[float]]:
    """The numbers that a module's constants are, or hold, in their order."""
    found: dict[str, list[float]] = {}
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                continue
            numbers = list(value.values()) if isinstance(value, dict) else [value]
            if all(isinstance(one, int | float) for one in numbers):
                found[node.targets[0].id] = numbers
    return found


def written(figure: str) -> list[float]:
    """The numbers in a text, shares as such."""
    return [float(one.replace(",", "")) / (100 if share else 1) for one, share in NUMBER.findall(figure)]


def figures(tests: list[tuple[str, list[str]]], root: Path) -> list[float]:
    """The numbers of all constants that a row names."""
    return [number for file, names in tests for name in names if name.isupper()
            for number in constants(root / file)[name]]  # fmt: skip


def test_every_promise_names_tests_that_exist(readme: str, root: Path) -> None:
    rows = promises(readme)
    assert len(rows) >= 15
    for promise, _, tests in rows:
        assert tests, promise
        for file, names in tests:
            tree = ast.parse((root / file).read_text())
            there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert {name for name in names if not name.isupper()} <= there, promise


def test_every_figure_promised_is_the_constant_of_its_test(readme: str, root: Path) -> None:
    for promise, figure, tests in promises(readme):
        assert written(figure) == figures(tests, root), promise


def test_the_figure_check_would_notice_another_number(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text('PROMISED = {"files": 40, "seconds": 2}\nMANY = 1_000\n')
    assert figures([("test_a.py", ["PROMISED", "MANY", "test_x"])], tmp_path) == [40, 2, 1000]
    assert written("1,000 times; 1 %; 0.5 s") == [1000, 0.01, 0.5]
    row = f"## {PROMISES}\n\n| promise | figure | test |\n|---|---|---|\n| a | at least 40; 3 s | `t.py::X::test_y` |\n"
    assert promises(row) == [("a", "at least 40; 3 s", [("t.py", ["X", "test_y"])])]


def test_nothing_is_left_to_fill_in(readme: str) -> None:
    assert re.findall(r"^[A-Z]{3,}$|\bTODO\b|\bTBD\b|\bXXX\b", readme, re.MULTILINE) == []
