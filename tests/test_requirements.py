"""What is installed: pinned, complete, nothing superfluous, and under licences that go with Apache-2.0."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.imports import imports, modules

TORCH_RANGE = "<=2.13.0,>=2.8"
# Never imported by name here, but transformers needs them: GGUF files, and weights of 4 and 8 bits.
NEEDED_BY_TRANSFORMERS = {"accelerate", "bitsandbytes", "gguf"}
# Nor these, but gradio does where people sign in with an account.
NEEDED_BY_SIGN_IN = {"authlib", "itsdangerous"}
# Never required: taken where a hosted Space offers it, or where the operator installed it (requirements-extras.txt).
OPTIONAL = {"spaces", "pygamma_agreement", "pyannote"}
COPYLEFT = re.compile(r"\b[AL]?GPL|GNU (Affero |Lesser |Library )?General Public", re.IGNORECASE)


def lines(path: Path) -> list[str]:
    text = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in text if line]


def requirements(path: Path) -> dict[str, Requirement]:
    return {canonicalize_name(r.name): r for r in map(Requirement, lines(path))}


def closure(roots: list[str]) -> set[str]:
    """Names of everything that installing these brings along on this machine."""
    seen: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(name), "") for name in roots]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for needed in map(Requirement, metadata.requires(name) or []):
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(needed.name), wanted) for wanted in ("", *needed.extras)]
    return {name for name, _ in seen}


def licences(name: str) -> list[str]:
    """What a package says of its licence: expression, name, classifiers; long texts are left out, names are short."""
    fields = metadata.metadata(name)
    said = [*fields.get_all("License-Expression", []), *fields.get_all("License", [])]
    said += [text for text in fields.get_all("Classifier", []) if text.startswith("License ::")]
    return [text for text in said if text and len(text) < 300]


@pytest.fixture(scope="module")
def wanted(root: Path) -> dict[str, Requirement]:
    return requirements(root / "requirements.txt")


@pytest.mark.parametrize(
    "name", ["requirements.txt", "requirements-embedded.txt", "requirements-test.txt", "requirements-extras.txt"]
)
def test_every_requirement_is_pinned_exactly_but_torch(root: Path, name: str) -> None:
    for package, requirement in requirements(root / name).items():
        if package == "torch":
            assert str(requirement.specifier) == TORCH_RANGE
        else:
            assert re.fullmatch(r"==[0-9]+(\.[0-9]+)*", str(requirement.specifier)), requirement


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-embedded.txt", "requirements-test.txt"])
def test_these_tests_run_on_the_pinned_versions(root: Path, name: str) -> None:
    installed = {p: metadata.version(p) for p in requirements(root / name)}
    assert {p: v for p, v in installed.items() if not requirements(root / name)[p].specifier.contains(v)} == {}


def third_party(root: Path) -> set[str]:
    """Top-level names that the app's own modules import from elsewhere."""
    own = {name.partition(".")[0] for name in modules(root)}
    found = {target.partition(".")[0] for name, path in modules(root).items() for target in imports(name, path)}
    return found - own - set(sys.stdlib_module_names) - {"__future__", ""}


def test_everything_imported_is_required_and_everything_required_is_used(
    root: Path, wanted: dict[str, Requirement]
) -> None:
    embedded = set(requirements(root / "requirements-embedded.txt"))
    packages = metadata.packages_distributions()
    used = {canonicalize_name(packages[name][0] if name in packages else name) for name in third_party(root) - OPTIONAL}
    assert used - set(wanted) - embedded == set()
    assert set(wanted) - used - NEEDED_BY_TRANSFORMERS - NEEDED_BY_SIGN_IN == set()


def test_no_package_at_run_time_is_under_a_gnu_licence(root: Path, wanted: dict[str, Requirement]) -> None:
    names = closure(list(wanted)) | set(requirements(root / "requirements-embedded.txt"))
    assert len(names) > 40
    assert [name for name in names if not licences(name)] == []
    assert {name: licences(name) for name in names if any(COPYLEFT.search(text) for text in licences(name))} == {}


def test_the_licence_rule_would_notice_one() -> None:
    for text in ("GPL-3.0-or-later", "License :: OSI Approved :: GNU General Public License v3 (GPLv3)", "AGPLv3"):
        assert COPYLEFT.search(text)
    assert not COPYLEFT.search("Apache-2.0 AND MIT")


def test_the_project_is_under_the_apache_licence(root: Path) -> None:
    text = (root / "LICENSE").read_text()
    assert "Apache License" in text and "Version 2.0, January 2004" in text and "END OF TERMS AND CONDITIONS" in text
