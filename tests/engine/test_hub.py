"""Promises of engine.hub, kept by the real client against a hub on this machine: right files, words and times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.hub import wanted
from engine.testing import save_tiny_folder
from tests.support.hub_server import COMMIT, HubServer, serve_hub
from tests.support.refusals import only_pickle

# Asks for each model in turn and prints one JSON line each: what came, or why not, and how long it took.
SCRIPT = """
import json, sys, time
from engine.errors import ModelUnavailable
from engine.models import load_model
for name in sys.argv[1:]:
    told, started = [], time.monotonic()
    try:
        model = load_model(name, device="cpu", progress=lambda message, fraction: told.append((message, fraction)))
        answer = {"card": [model.card.name, model.card.repo, model.card.revision], "ids": model.encode("ab")}
    except ModelUnavailable as error:
        answer = {"error": str(error)}
    print(json.dumps({**answer, "told": told, "seconds": time.monotonic() - started}), flush=True)
"""
JUNK = ("pytorch_model.bin", "onnx/model.safetensors", "consolidated.safetensors", "modeling_x.py", "README.md")


@dataclass
class Hub:
    """A served hub, the client's cache, and a way to ask."""

    root: Path
    server: HubServer
    cache: Path

    def ask(self, *names: str, **environment: str) -> list[dict]:
        variables = {**os.environ, "HF_ENDPOINT": self.server.url, "HF_HOME": str(self.cache), "HF_HUB_OFFLINE": "0"}
        # the client would otherwise look for its own accelerated downloads
        variables |= {"PYTHONPATH": str(self.root), "HF_HUB_DISABLE_XET": "1", **environment}
        variables.pop("HF_TOKEN", None)
        command = [sys.executable, "-c", SCRIPT, *names]
        result = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
        assert result.returncode == 0, result.stderr[-2000:]
        return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, root: Path):
    folder = tmp_path_factory.mktemp("hub")
    save_tiny_folder(folder / "good" / "tiny")
    for name in JUNK:
        path = folder / "good" / "tiny" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"junk")
    save_tiny_folder(folder / "trouble" / "gated")
    save_tiny_folder(folder / "old" / "pickled")
    only_pickle(folder / "old" / "pickled")
    with serve_hub(folder) as server:
        yield Hub(root, server, tmp_path_factory.mktemp("cache"))


@pytest.mark.faults
def test_a_hub_model_comes_once_and_is_there_without_the_hub_afterwards(hub: Hub) -> None:
    (first,) = hub.ask("good/tiny")
    assert first["card"] == ["good/tiny", "good/tiny", COMMIT]
    assert first["ids"] == [97, 98]
    messages = [message for message, _ in first["told"]]
    assert messages[0] == "Asking the hub for good/tiny"
    assert any(message.startswith("Downloading good/tiny (0.0 GB)") for message in messages)
    fractions = [fraction for message, fraction in first["told"] if message.startswith("Downloading")]
    assert fractions[-1] == 1.0 and fractions == sorted(fractions)

    fetched = {path.split(COMMIT + "/")[1] for path in hub.server.asked if "/resolve/" in path}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= fetched
    assert not fetched & set(JUNK)

    before = len(hub.server.asked)
    (offline,) = hub.ask("good/tiny", HF_HUB_OFFLINE="1")
    assert offline["card"] == first["card"] and len(hub.server.asked) == before
    (unreachable,) = hub.ask("good/tiny", HF_ENDPOINT="http://127.0.0.1:1")
    assert unreachable["card"] == first["card"]


@pytest.mark.faults
def test_each_trouble_with_the_hub_has_its_own_sentence_within_seconds(hub: Hub) -> None:
    expected = {
        "trouble/gated": "The owner of trouble/gated asks for a sign-up: accept the terms",
        "trouble/down": "trouble/down is not on this machine and the hub answered 503",
        "trouble/silent": "trouble/silent is not on this machine and the hub cannot be reached",
        "no/such": "The hub has no model no/such, or it is private: check the spelling",
        "old/pickled": "old/pickled holds no safetensors weights",
        "bad--id/x": "'bad--id/x' is no hub id",
    }
    answers = dict(zip(expected, hub.ask(*expected), strict=True))
    for name, words in expected.items():
        assert words in answers[name]["error"]
        assert answers[name]["error"].endswith(".")
        assert answers[name]["seconds"] < 20, name
    assert not any("pytorch_model.bin" in path for path in hub.server.asked)


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("config.json", True),
        ("model-00001-of-00002.safetensors", True),
        ("tokenizer.model", True),
        ("chat_template.jinja", True),
        ("merges.txt", True),
        ("pytorch_model.bin", False),
        ("modeling_custom.py", False),
        ("consolidated.safetensors", False),
        ("onnx/config.json", False),
        ("training_args.bin", False),
        ("model.gguf", False),
    ],
)
def test_only_what_is_needed_is_fetched(name: str, taken: bool) -> None:
    assert wanted(name) is taken
