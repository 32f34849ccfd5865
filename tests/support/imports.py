"""Reads which modules a project file imports, without importing anything.

Sees plain, relative, local and type-only imports and importlib.import_module("..."). Does not know which are allowed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOMS = ("engine", "storage", "ui")


def modules(root: Path) -> dict[str, Path]:
    """Dotted name -> file for every module of the rooms and app.py."""
    files = [path for room in ROOMS for path in sorted((root / room).rglob("*.py"))]
    files += [path for path in [root / "app.py"] if path.exists()]
    return {_name(path.relative_to(root)): path for path in files}


def imports(name: str, path: Path) -> set[str]:
    """Dotted names that this file imports; `from a import b` gives both a and a.b, as b may be a module."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        found.update(_named_by(node, package))
    return found


def graph(root: Path) -> dict[str, set[str]]:
    """Dotted name of each project module -> dotted names it loads: its imports, and the packages around both."""
    return {name: set(_with_packages({name, *imports(name, path)})) - {name} for name, path in modules(root).items()}


def reached(start: str, edges: dict[str, set[str]]) -> dict[str, tuple[str, ...]]:
    """Everything that importing `start` may load, through project modules: dotted name -> the chain leading there."""
    chains: dict[str, tuple[str, ...]] = {start: (start,)}
    waiting = [start]
    while waiting:
        here = waiting.pop()
        for target in sorted(edges.get(here, ())):
            if target not in chains:
                chains[target] = (*chains[here], target)
                waiting.append(target)
    return chains


def _name(relative: Path) -> str:
    parts = relative.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _named_by(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, *([base] if base else [])])
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if function in {"import_module", "__import__"} and isinstance(node.args[0].value, str):
            yield node.args[0].value


def _with_packages(names: set[str]) -> Iterator[str]:
    for name in names:
        parts = name.split(".")
        yield from (".".join(parts[: i + 1]) for i in range(len(parts)))
