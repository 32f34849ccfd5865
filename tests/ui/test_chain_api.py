"""The endpoints of attention chains, called as a notebook calls them: typed, documented, refusing in sentences."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from tests.support.bench import ME
from tests.support.chains import SPAN
from tests.support.doors import client_of
from ui import chain_api
from ui.actions import Workbench
from ui.chains import Chains

NAMES = {"/trace_attention", "/open_chain", "/list_chains"}


@pytest.fixture
def client(bench: Workbench, chains: Chains) -> Iterator[Client]:
    """A client of a page that has nothing but these endpoints."""
    with gr.Blocks() as page:
        chain_api.register(chains)
    with client_of(page) as client:
        yield client


def test_a_script_traces_an_answer_and_reads_it_again(client: Client, bench: Workbench, run: str, sum_run: str) -> None:
    described = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(described) >= NAMES and all(len(described[name]["description"]) > 40 for name in NAMES)
    job = client.submit(run, **SPAN, settings={"heads": 4, "more": 3}, api_name="/trace_attention")
    whole = job.result()
    assert whole["status"] == "finished" and whole["chain"] and whole["run"] == run and whole["span"] == [30, 32]
    assert {item["status"] for item in job.outputs()[:-1]} == {"waiting", "running", "finished"}
    assert (whole["settings"]["heads"], whole["settings"]["more"], whole["settings"]["language"]) == (4, 3, "en")
    kept = [token for token in whole["tokens"] if token["kept"] is True]
    assert len(kept) == whole["confidence"]["kept"] > 0 and whole["confidence"]["p_uqac"] > 0
    assert all({"position", "score", "hop", "surprisal"} <= set(token) for token in whole["tokens"])
    assert all(arc["source"] > arc["target"] and arc["weight"] > 0 for arc in whole["arcs"])
    assert {variant["position"] for variant in whole["variants"]} <= {token["position"] for token in kept}
    assert all(variant["p_answer"] is not None and variant["ratio"] > 0 for variant in whole["variants"])
    bench.store.runs.update(run, viewer=ME.name, title="two\u2028lines\x85here")
    again = client.predict(whole["chain"], api_name="/open_chain")
    assert {**again, "title": ""} == {**whole, "title": ""} and again["title"] == "two\u2028lines\x85here"
    found = client.predict(sum_run, api_name="/trace_attention")
    assert found["found"][0]["way"] == "answer_is" and found["span"] == [
        found["found"][0]["start"], found["found"][0]["stop"]
    ]  # fmt: skip
    client.predict(run, **SPAN, settings={"language": "de", "start": 3}, api_name="/trace_attention")
    listed = client.predict(run, api_name="/list_chains")
    assert [one["start"] for one in listed] == [30, 30] and listed[1]["uid"] == whole["chain"]
    assert client.predict(listed[0]["uid"], api_name="/open_chain")["settings"]["language"] == "de"


def test_every_refusal_is_a_sentence(client: Client, bench: Workbench, run: str) -> None:
    for endpoint, arguments, words in (
        ("/trace_attention", ["nobody"], "There is no run"),
        ("/trace_attention", [run], "No answer that something stands before was found in this text"),
        ("/trace_attention", [run, 30], "needs both ends"),
        ("/trace_attention", [run, 30, 99], "the response has 40 tokens only"),
        ("/trace_attention", [run, 30, 32, "xx"], "no stop words for 'xx'"),
        ("/trace_attention", [run, 30, 32, "en", {"colour": 1}], "no setting 'colour'"),
        ("/trace_attention", [run, 30, 32, "en", ["heads"]], "must be named values"),
        ("/open_chain", ["nobody"], "no attention chain"),
        ("/list_chains", ["nobody"], "There is no run"),
    ):
        with pytest.raises(AppError, match=words):
            client.predict(*arguments, api_name=endpoint)
    assert not bench.store.analyses.list(run, viewer=ME.name)
