"""`make run` from nothing: what it installs, when it does not, and what it says when it cannot.

The project's own Makefile, real make, venv and pip, in a folder with spaces, on wheels of a few hundred bytes.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.wheels import make_wheel

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(shutil.which("make") is None, reason="GNU Make is not installed"),
]

APP = """
import sys
from importlib.metadata import version
print("started", *(f"{name}={version(name)}" for name in ("torch", "runtime-part", "model-part")), *sys.argv[1:])
"""


@dataclass
class Project:
    """A copy of what sets the project up. wheels: the folder that pip installs from, and nothing else."""

    folder: Path
    wheels: Path

    def make(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(arguments), env=self._environ(environ), capture_output=True, text=True, timeout=120
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._command(arguments),
            env=self._environ({}),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def require(self, line: str) -> None:
        (self.folder / "requirements.txt").write_text(f"{line}\n")

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        chosen = [] if any(a.startswith("PYTHON=") for a in arguments) else [f"PYTHON={sys.executable}"]
        return [shutil.which("make") or "make", "--no-print-directory", "-C", str(self.folder), *chosen, *arguments]

    def _environ(self, more: dict[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE", "MFLAGS"))}
        pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        return kept | pip | more


@pytest.fixture
def project(tmp_path: Path, root: Path) -> Project:
    folder, wheels = tmp_path / "a folder with spaces", tmp_path / "wheels"
    wheels.mkdir()
    for name in ("Makefile", ".ci/make-venv", ".ci/cuda-hint"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, folder / name)
    (folder / "requirements-embedded.txt").write_text("model-part==1.0\n")
    (folder / "requirements-test.txt").write_text("# nothing\n")
    (folder / "app.py").write_text(APP)
    make_wheel(wheels, "torch", "2.13.0")
    make_wheel(wheels, "runtime-part", "1.0", needs=("torch>=2.8",))
    make_wheel(wheels, "model-part", "1.0", needs=("a-runtime-that-would-have-to-be-compiled",))
    project = Project(folder, wheels)
    project.require("runtime-part==1.0")
    return project


def test_one_command_installs_and_starts_and_the_second_time_only_starts(project: Project) -> None:
    first = project.make("run", "ARGS=--model 'my folder'", "PORT=7861")
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines()[-1] == (
        "started torch=2.13.0 runtime-part=1.0 model-part=1.0 --port 7861 --model my folder"
    )
    assert "Making .venv with Python 3" in first.stdout and "Installing" in first.stdout
    for name in ("requirements.txt", "requirements-embedded.txt", "Makefile"):
        (project.folder / name).touch()
    planned = project.make("-n", "run").stdout.split()
    assert planned == [".venv/bin/python", "app.py"]
    began = time.monotonic()
    second = project.make("run", HOST="the-name-many-shells-export", PORT="1")
    assert second.stdout == "started torch=2.13.0 runtime-part=1.0 model-part=1.0\n"
    assert time.monotonic() - began < 2


def test_a_command_is_reached_whatever_address_the_page_would_have(project: Project) -> None:
    ports = ("PORT=7861", "HOST=0.0.0.0")
    planned = project.make("-n", "run", "ARGS=backup 'my copy.db'", *ports).stdout.splitlines()[-1]
    assert planned.endswith("app.py  backup 'my copy.db'")
    planned = project.make("-n", "run", "ARGS=people add Ada", *ports).stdout.splitlines()[-1]
    assert planned.endswith("app.py --host '0.0.0.0' --port '7861' people add Ada")


def test_a_changed_requirement_installs_again_in_both_directions(project: Project) -> None:
    assert "runtime-part=1.0" in project.make("run").stdout
    make_wheel(project.wheels, "runtime-part", "1.1")
    project.require("runtime-part==1.1")
    assert "runtime-part=1.1" in project.make("run").stdout
    project.require("runtime-part==1.0")
    assert "runtime-part=1.0" in project.make("run").stdout


def test_a_failed_installation_says_so_and_the_same_command_goes_on_from_there(project: Project) -> None:
    project.require("runtime-part==2.0")
    failed = project.make("run")
    assert failed.returncode != 0 and "started" not in failed.stdout
    assert "the same command goes on from here" in failed.stderr
    make_wheel(project.wheels, "runtime-part", "2.0")
    mended = project.make("run")
    assert "runtime-part=2.0" in mended.stdout
    assert "Making .venv" not in mended.stdout


@pytest.mark.parametrize("killed_at", ["Making", "torch", "Installing what"])
def test_an_interrupted_installation_is_taken_up_again(project: Project, killed_at: str) -> None:
    running = project.start("setup")
    assert running.stdout is not None
    for line in running.stdout:
        if killed_at in line:
            break
    else:
        pytest.fail(f"never printed {killed_at!r}")
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate(timeout=20)
    assert not list(project.folder.glob(".venv/.runtime-*"))
    again = project.make("run")
    assert "started torch=2.13.0 runtime-part=1.0 model-part=1.0" in again.stdout, again.stderr


def test_another_torch_can_be_chosen_once_and_stays(project: Project) -> None:
    make_wheel(project.wheels, "torch", "2.11.0")
    assert "torch=2.11.0" in project.make("run", "TORCH=torch==2.11.0").stdout
    assert "torch=2.11.0" in project.make("run").stdout
    assert project.make("-n", "run", "TORCH=torch==2.11.0").stdout.split() == [".venv/bin/python", "app.py"]
    assert "torch=2.13.0" in project.make("run", "TORCH=torch==2.13.0").stdout


def test_an_environment_whose_python_has_gone_is_made_anew(project: Project) -> None:
    assert project.make("setup").returncode == 0
    for link in project.folder.glob(".venv/bin/python*"):
        link.unlink()
        link.symlink_to("/no/such/python")
    again = project.make("run")
    assert "Making .venv" in again.stdout and "started torch=2.13.0" in again.stdout, again.stderr


def test_an_environment_that_somebody_made_is_kept(project: Project) -> None:
    subprocess.run([sys.executable, "-m", "venv", project.folder / ".venv"], check=True, timeout=60)
    (project.folder / ".venv" / "mine").write_text("")
    assert "started" in project.make("run").stdout
    assert (project.folder / ".venv" / "mine").exists()


@pytest.mark.parametrize("script", ["exit 1", "echo 'Python 3.10.2'; case $1 in --version) ;; *) exit 1;; esac"])
def test_without_a_fitting_python_one_sentence_says_what_is_needed(
    project: Project, tmp_path: Path, script: str
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "rm", "touch", "cat", "cksum", "tr", "uname", "printf"):
        (tools / name).symlink_to(shutil.which(name) or name)
    (tools / "python3").write_text(f"#!/bin/sh\n{script}\n")
    (tools / "python3").chmod(0o755)
    failed = project.make("run", "PYTHON=", PATH=f"{tools}")
    assert failed.returncode != 0
    said = failed.stderr.splitlines()
    assert said[0] == (
        "Forklore needs Python 3.11 or newer with its venv module; "
        "not found as: python3.13 python3.12 python3.11 python3."
    )
    assert "make run PYTHON=" in said[1]
    assert not (project.folder / ".venv").exists()


def test_a_python_that_is_named_but_does_not_fit_is_not_replaced_by_another(project: Project) -> None:
    failed = project.make("run", "PYTHON=/no/such/python3")
    assert failed.returncode != 0 and "not found as: /no/such/python3." in failed.stderr


def test_help_names_every_command(project: Project) -> None:
    said = project.make("help").stdout
    assert all(f"make {name} " in said for name in ("run", "setup", "test", "bench", "lint", "format", "clean"))
    assert project.make().stdout == said
