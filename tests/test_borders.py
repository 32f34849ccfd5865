"""The borders between the rooms, and the measures that every file keeps.

Each rule is shown to fail on a made-up tree that breaks it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.imports import graph, reached

PAGE = {"gradio", "gradio_client", "plotly"}
ROWS = {"sqlmodel", "sqlalchemy"}
MODELS = {"torch", "transformers", "bitsandbytes", "accelerate"}
# The only files that may touch tensors; everything else works on numpy arrays.
TORCH_FILES = {
    "engine.attention_taps",
    "engine.forward",
    "engine.gguf_files",
    "engine.loading",
    "engine.memory",
    "engine.models",
    "engine.plain_rows",
    "engine.rollouts",
    "engine.sentence_model",
    "engine.shared_prefix",
    "engine.testing",
    "engine.tree_forward",
}
MAX_LINES = 400
MAX_FUNCTION_LINES = 60
# What of ui/ builds the page itself; all else there works without it.
DRAWS = r"ui\.(tabs|components|page|serve|\w*api|theme|errors)\b"
# A browser must never be handed text as markup or as a program.
DANGEROUS_JS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|createContextualFragment|srcdoc|document\.write|\beval\(|new Function\("
)
MACHINE = re.compile(
    r"(?<![\w.])/(?:work|opt|root|home|Users|mnt)/|pypi\.org|[p]ythonhosted|download\.pytorch|npmjs\.|debian\.org"
)


def forbidden(edges: dict[str, set[str]]) -> Iterator[str]:
    """Every broken border as "module -> ... -> what it must not reach"."""
    for name in edges:
        room = name.partition(".")[0]
        banned: set[str] = set()
        if room == "engine":
            banned = PAGE | ROWS | {"storage", "ui"}
        elif room == "storage":
            banned = MODELS | PAGE | {"ui"}
        elif room == "ui" and not re.match(DRAWS, name):
            banned = {"gradio"}
        for target, chain in reached(name, edges).items():
            if target in banned:
                yield " -> ".join(chain)


def torch_users(edges: dict[str, set[str]]) -> set[str]:
    return {name for name, targets in edges.items() if "torch" in targets}


@pytest.fixture(scope="module")
def edges(root: Path) -> dict[str, set[str]]:
    return graph(root)


@pytest.fixture(scope="module")
def files(root: Path) -> list[Path]:
    """Every text file of the project."""
    found = []
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        hidden = [part for part in parts if part.startswith(".") and part not in {".ci", ".gitignore"}]
        if path.is_file() and not hidden and "__pycache__" not in parts and "node_modules" not in parts:
            found.append(path)
    return found


def test_no_room_reaches_what_it_must_not_know(edges: dict[str, set[str]]) -> None:
    assert len(edges) > 20
    assert list(forbidden(edges)) == []


def test_only_the_listed_files_touch_tensors(edges: dict[str, set[str]]) -> None:
    assert torch_users(edges) == TORCH_FILES


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize(
    ("files", "chain"),
    [
        ({"engine/a.py": "import gradio as gr"}, "engine.a -> gradio"),
        ({"engine/a.py": "from plotly.graph_objects import Figure"}, "engine.a -> plotly"),
        ({"engine/a.py": "def f():\n    from sqlalchemy import text"}, "engine.a -> sqlalchemy"),
        (
            {"engine/a.py": "from importlib import import_module\nimport_module('sqlmodel.main')"},
            "engine.a -> sqlmodel",
        ),
        ({"engine/a.py": "from storage.database import Store"}, "engine.a -> storage"),
        ({"engine/a.py": "from ui import views"}, "engine.a -> ui"),
        ({"storage/a.py": "import torch.nn as nn"}, "storage.a -> torch"),
        ({"storage/a.py": "import numpy\nif 1:\n    import transformers"}, "storage.a -> transformers"),
        ({"storage/a.py": "from ui.actions import x"}, "storage.a -> ui"),
        ({"storage/a.py": "from engine.b import c", "engine/b.py": "import torch"}, "storage.a -> engine.b -> torch"),
        (
            {"ui/actions.py": "from .errors import said", "ui/errors.py": "import gradio"},
            "ui.actions -> ui.errors -> gradio",
        ),
        ({"ui/tree_view.py": "from gradio import HTML"}, "ui.tree_view -> gradio"),
        ({"ui/views.py": "from . import x", "ui/x.py": "import gradio"}, "ui.views -> ui.x -> gradio"),
        ({"ui/views.py": "x = 1", "ui/__init__.py": "import gradio"}, "ui.views -> ui -> gradio"),
    ],
)
def test_a_broken_border_is_noticed(tmp_path: Path, files: dict[str, str], chain: str) -> None:
    write(tmp_path, files)
    assert chain in list(forbidden(graph(tmp_path)))


def test_a_tree_within_its_borders_passes(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "engine/a.py": "import torch, numpy\nfrom engine.errors import X",
            "storage/a.py": "import sqlmodel\nfrom engine.types import Trace",
            "engine/types.py": "import numpy",
            "ui/actions.py": "from engine.a import b\nfrom storage.a import c",
            "ui/page.py": "import gradio\nfrom ui.actions import d",
        },
    )
    assert list(forbidden(graph(tmp_path))) == []
    assert torch_users(graph(tmp_path)) == {"engine.a"}


def python(files: list[Path]) -> list[Path]:
    return [path for path in files if path.suffix == ".py"]


def long_functions(text: str) -> list[str]:
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [node.name for node in nodes if (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES]


def test_no_file_is_a_giant(files: list[Path], root: Path) -> None:
    code = [path for path in files if path.suffix in {".py", ".js", ".css"} or path.name in {"Makefile", "run"}]
    assert len(code) > 50
    long = {str(path.relative_to(root)): len(path.read_text().splitlines()) for path in code}
    assert {name: lines for name, lines in long.items() if lines > MAX_LINES} == {}


def test_no_function_is_a_giant(files: list[Path], root: Path) -> None:
    long = {str(path.relative_to(root)): long_functions(path.read_text()) for path in python(files)}
    assert {name: functions for name, functions in long.items() if functions} == {}
    body = "\n".join(["    x = 1"] * MAX_FUNCTION_LINES)
    assert long_functions(f"async def f():\n{body}") == ["f"]
    assert long_functions(f"def f():\n{body[10:]}") == []


def test_every_module_opens_with_a_docstring(files: list[Path], root: Path) -> None:
    bare = [str(path.relative_to(root)) for path in python(files) if not ast.get_docstring(ast.parse(path.read_text()))]
    assert bare == []


def test_scripts_of_the_page_never_make_markup_or_programs_from_text(files: list[Path], root: Path) -> None:
    scripts = [path for path in files if path.suffix == ".js" and path.is_relative_to(root / "assets")]
    hits = {path.name: DANGEROUS_JS.findall(path.read_text()) for path in scripts}
    assert {name: found for name, found in hits.items() if found} == {}
    for line in ("a.innerHTML = t", "eval(t)", "document.write(t)", "new Function('a', t)"):
        assert DANGEROUS_JS.search(line)
    assert not DANGEROUS_JS.search("a.textContent = evaluate(t)")


def test_nothing_names_a_machine_or_a_package_host(files: list[Path], root: Path) -> None:
    hits = {}
    for path in files:
        try:
            found = MACHINE.findall(path.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            continue  # a picture or a database
        if found:
            hits[str(path.relative_to(root))] = found
    assert hits == {}
    assert MACHINE.search("open('/" + "work/x')") and not MACHINE.search("a/work/x")
