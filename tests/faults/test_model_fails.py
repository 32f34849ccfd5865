"""A promise for broken models: the page and what is stored work without one, and a sentence says why there is none.

The first two cases are the whole app as a process of its own; the others are told over HTTP by the app's endpoints.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from gradio_client import Client
from gradio_client.exceptions import AppError
from safetensors.torch import load_file, save_file

from engine.host import ModelHost
from engine.limits import Limits
from engine.testing import save_tiny_folder
from storage.database import Store
from tests.faults.test_out_of_memory import REFUSALS
from tests.support.app_server import AppServer
from tests.support.refusals import only_pickle
from tests.ui.test_api import client_of, served
from ui import examples
from ui.actions import Workbench
from ui.errors import DEFECT

PATIENCE = 90.0
# stands in for a package that is gone; nothing else of that name can be imported then
BROKEN_PACKAGE = "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n"


def refusal_of(client: Client) -> str:
    """What an endpoint that needs the model says, once nothing is being loaded any more."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with pytest.raises(AppError) as caught:
            client.predict("Tell me", api_name="/generate")
        said = str(caught.value)
        if "try again in a few seconds" not in said or time.monotonic() > deadline:
            return said
        time.sleep(0.5)


def works_on_what_is_stored(client: Client) -> None:
    """Runs are listed, opened, exported and scored by the people who look at them, all without a model."""
    rows = client.predict(api_name="/list_runs")["rows"]
    assert len(rows) >= 3, "the examples are there"
    for row in rows:
        run = client.predict(row["uid"], api_name="/open_run")
        assert run["uid"] == row["uid"] and run["tokens"]
    assert client.predict(api_name="/scores")


def is_one_sentence(said: str) -> None:
    assert said.endswith(".") and "\n" not in said and "Traceback" not in said and DEFECT not in said, said


@pytest.mark.parametrize(
    ("package", "model", "expected"),
    [(False, "gone", "There is no folder"), (True, "embedded", "the package torch is missing")],
    ids=["no such folder", "a package is missing"],
)
def test_the_app_without_its_model_shows_what_is_stored_and_says_why(
    package: bool, model: str, expected: str, tmp_path: Path
) -> None:
    environ = {}
    if package:
        (tmp_path / "torch.py").write_text(BROKEN_PACKAGE)
        environ["PYTHONPATH"] = str(tmp_path)
    name = str(tmp_path / model) if model == "gone" else model
    server = AppServer(tmp_path / "forklore.db", arguments=("--model", name), environ=environ).start()
    try:
        client = client_of(server.url)
        said = refusal_of(client)
        is_one_sentence(said)
        assert expected in said, said
        works_on_what_is_stored(client)
        example = client.predict(api_name="/list_runs")["rows"][0]["uid"]
        assert client.predict(example, api_name="/tree"), "what was made of the examples opens, too"
    finally:
        server.stop()


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    os.truncate(path, path.stat().st_size // 2)


def scribbled_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[20:60] = b"\xff" * 40
    path.write_bytes(content)


def some_weights_gone(folder: Path) -> None:
    path = folder / "model.safetensors"
    arrays = load_file(path)
    arrays.pop(next(name for name in arrays if "mlp" in name))
    save_file(arrays, path, metadata={"format": "pt"})


def weights_of_no_number(folder: Path) -> None:
    path = folder / "model.safetensors"
    arrays = load_file(path)
    name = next(name for name in arrays if "mlp" in name)
    arrays[name] = torch.full_like(arrays[name], torch.nan)
    save_file(arrays, path, metadata={"format": "pt"})


def wrong_architecture(folder: Path) -> None:
    _configure(folder, architectures=["BertForMaskedLM"], model_type="bert")


def unknown_architecture(folder: Path) -> None:
    _configure(folder, architectures=["Nobody"], model_type="nobody")


def other_sizes(folder: Path) -> None:
    _configure(folder, hidden_size=64)


def no_configuration(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"version": 1')


def empty_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _configure(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


WAYS: list[tuple[Callable[[Path], None], str]] = [
    (cut_weights, "weights|safetensors"),
    (scribbled_weights, "weights|safetensors"),
    (some_weights_gone, "lack 1 of the network's arrays"),
    (weights_of_no_number, "not finite"),
    (only_pickle, "safetensors"),
    (wrong_architecture, "no causal language model"),
    (unknown_architecture, "no causal language model"),
    (other_sizes, "lack|do not fit"),
    (no_configuration, "configuration"),
    (no_tokenizer, "tokenizer"),
    (empty_folder, "holds no config.json"),
]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ModelHost, Client]]:
    """A host that has no model, and endpoints over a store with the examples."""
    host = ModelHost(patience=0.0)
    with Store(tmp_path_factory.mktemp("stored") / "library.db") as store:
        examples.install(store)
        with served(Workbench(store, host, Limits()), "local") as url:
            yield host, client_of(url)


@pytest.mark.parametrize(("damage", "expected"), WAYS, ids=[way.__name__ for way, _ in WAYS])
def test_a_model_that_cannot_be_loaded_is_told_in_a_sentence(
    damage: Callable[[Path], None], expected: str, stored: tuple[ModelHost, Client], tmp_path: Path
) -> None:
    host, client = stored
    folder = tmp_path / "model"
    save_tiny_folder(folder)
    damage(folder)
    host.start(str(folder), device="cpu")
    assert not host.wait(PATIENCE)
    said = refusal_of(client)
    is_one_sentence(said)
    assert any(word in said for word in expected.split("|")), said
    works_on_what_is_stored(client)


@pytest.mark.parametrize("part", ["AutoModelForCausalLM", "AutoTokenizer"])
def test_a_model_for_which_there_is_no_memory_is_told_and_a_smaller_one_loads_after_it(
    part: str, stored: tuple[ModelHost, Client], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, client = stored
    save_tiny_folder(tmp_path / "model")
    for refusal in REFUSALS:

        def refuse(*_: object, fail: Callable[[], Exception] = refusal, **__: object) -> None:
            raise fail()

        with monkeypatch.context() as patch:
            patch.setattr(getattr(transformers, part), "from_pretrained", refuse)
            host.start(str(tmp_path / "model"), device="cpu")
            assert not host.wait(PATIENCE)
        said = refusal_of(client)
        is_one_sentence(said)
        assert "There was not enough memory to load" in said and "smaller model" in said
    works_on_what_is_stored(client)
    host.start(str(tmp_path / "model"), device="cpu")
    assert host.wait(PATIENCE), host.state
    assert client.predict("Tell me", max_new_tokens=3, api_name="/generate")["tokens"]
