"""The tree's endpoints, called as a notebook calls them: typed, documented, refusing in sentences."""

from __future__ import annotations

import json
from collections.abc import Iterator

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from engine import generate
from engine.types import GenerationRequest
from tests.support.bench import FIELDS, ME
from tests.support.doors import client_of
from ui.actions import Workbench
from ui.tree_api import tree_endpoints
from ui.trees import Trees

NAMES = {
    "/tree",
    "/grow_tree",
    "/edit_tree",
    "/remove_from_tree",
    "/restore_in_tree",
    "/mark_tree",
    "/export_tree",
    "/import_tree",
}


@pytest.fixture
def client(bench: Workbench) -> Iterator[Client]:
    """A client of a page that has nothing but these endpoints."""
    with gr.Blocks() as page:
        for endpoint in tree_endpoints(Trees(bench)):
            gr.api(endpoint, api_name=endpoint.__name__)
    with client_of(page) as client:
        yield client


def test_a_script_grows_edits_marks_and_carries_a_tree(client: Client, bench: Workbench, tiny) -> None:
    uid = bench.keep(generate.run(tiny, GenerationRequest(**FIELDS)), ME)
    described = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(described) >= NAMES and all(len(described[name]["description"]) > 40 for name in NAMES)
    first = client.predict(uid, api_name="/tree")
    assert first["run"] == uid and first["tree"] == "" and first["runs"][0]["current"]
    assert first["nodes"][0]["parent"] == -1 and first["nodes"][1].keys() >= {"text", "logprob", "finished", "bytes"}
    job = client.submit(uid, budget=12, depth=3, width=3, api_name="/grow_tree")
    grown = job.result(timeout=60)
    assert grown["evaluated"] == 12 and len(grown["nodes"]) > len(first["nodes"]) and grown["tree"]
    assert {item["state"] for item in job.outputs()[:-1]} <= {"growing", "idle"} and len(job.outputs()) > 1
    edited = client.predict(uid, 1, "ho", api_name="/edit_tree")
    assert edited["nodes"][edited["start"]]["forced"]
    marked = client.predict(uid, 2, True, "look", api_name="/mark_tree")
    assert marked["bookmarks"] == [2] and marked["notes"] == {"2": "look"}
    text = client.predict(uid, api_name="/export_tree")
    assert json.loads(text)["run"] == uid
    back = client.predict(uid, text, api_name="/import_tree")
    assert back["nodes"] == client.predict(uid, api_name="/tree")["nodes"] == marked["nodes"]
    removed = client.predict(uid, edited["start"], api_name="/remove_from_tree")
    assert len(removed["nodes"]) < len(back["nodes"]) and removed["removed"]
    restored = client.predict(uid, removed["removed"], api_name="/restore_in_tree")
    assert restored["nodes"] == back["nodes"] and restored["start"] == edited["start"]
    for endpoint, arguments, words in (
        ("/tree", ["nobody"], "There is no run"),
        ("/grow_tree", [uid, 0, "best"], "choose one of"),
        ("/grow_tree", [uid, 10**6], "node"),
        ("/edit_tree", [uid, 0, "x"], "no place beside"),
        ("/mark_tree", [uid, 10**5], "has no node"),
        ("/restore_in_tree", [uid, "x"], "Nothing that was removed"),
        ("/import_tree", [uid, "{"], "is no tree of Forklore. It cannot be read"),
    ):
        with pytest.raises(AppError, match=words) as refused:
            client.predict(*arguments, api_name=endpoint)
        assert "our side" not in str(refused.value)
