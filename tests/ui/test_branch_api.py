"""Branches as a notebook asks for them: typed, documented, refusing in sentences."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from engine import generate
from engine.types import GenerationRequest
from tests.support.bench import FIELDS, ME, stored
from tests.support.doors import client_of
from ui import branch_api
from ui.actions import Workbench
from ui.branching import Branching


@pytest.fixture
def client(bench: Workbench) -> Iterator[Client]:
    """A client of a page that has nothing but these endpoints."""
    with gr.Blocks() as page:
        branch_api.register(Branching(bench))
    with client_of(page) as client:
        yield client


def test_a_script_branches_a_run_draws_replicates_and_takes_the_branch_back(client, bench, tiny) -> None:
    uid = bench.keep(generate.run(tiny, GenerationRequest(**FIELDS)), ME)
    described = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    names = {"/branch", "/replicates", "/undo_branch"}
    assert set(described) >= names and all(len(described[name]["description"]) > 60 for name in names)
    edits = [{"start": 2, "stop": 3, "text": "x"}]
    branch = client.predict(uid, edits=edits, api_name="/branch")
    assert branch["parent"]["uid"] == uid and branch["luck"] == "same" and branch["versus"]["first"] == [2, 2]
    assert branch["tokens"][2]["draw"] is None and branch["tokens"][3]["draw"]["noise_row"] == 3
    other = client.predict(uid, edits=edits, luck="fresh", changes={"temperature": 0.5}, api_name="/branch")
    assert other["luck"] == "fresh" and other["settings"]["temperature"] == 0.5
    measured = client.predict(branch["uid"], 3, api_name="/replicates")["replicates"]
    assert len(measured["distances"]) == 3 and 0 <= measured["percentile"] <= 1
    parent = client.predict(branch["uid"], api_name="/undo_branch")
    assert parent["uid"] == uid and [child["uid"] for child in parent["children"]] == [other["uid"]]
    assert len(stored(bench)) == 2


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ([{"start": 900, "stop": 901, "text": "x"}], "outside the answer"),
        ([{"start": 1, "stop": 2, "text": ""}], "empty"),
        ([{"start": 1, "stop": 2}], "either a text or ids"),
        ([7], "An edit names start"),
        ([{"start": "a", "stop": 2, "text": "x"}], "whole number"),
        ([{"start": 1, "stop": 2, "ids": ["x"]}], "token id"),
    ],
)
def test_a_bad_edit_is_a_sentence(client, bench, tiny, edits, words) -> None:
    uid = bench.keep(generate.run(tiny, GenerationRequest(**FIELDS)), ME)
    with pytest.raises(AppError, match=words):
        client.predict(uid, edits=edits, api_name="/branch")
    assert len(stored(bench)) == 1
