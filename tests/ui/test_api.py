"""The named endpoints, called as a notebook calls them: over HTTP, by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from tests.support.app_server import free_port
from tests.support.bench import FIELDS, ME, lines
from ui import api
from ui.actions import Workbench
from ui.shelf import Shelf


@pytest.fixture
def client(bench: Workbench) -> Iterator[Client]:
    """A client of a page that has nothing but the endpoints."""
    with gr.Blocks() as page:
        api.register(bench, Shelf(bench.store), public=False)
    _, url, _ = page.launch(
        server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, quiet=True, ssr_mode=False
    )
    yield Client(url, verbose=False, analytics_enabled=False)
    page.close()


def ids(run: dict[str, Any]) -> list[int]:
    return [token["id"] for token in run["tokens"]]


def test_a_run_is_continued_by_its_uid_and_comes_back_whole(client: Client, bench: Workbench) -> None:
    whole = client.predict(**FIELDS, api_name="/generate")
    half = client.predict(**{**FIELDS, "max_new_tokens": 20}, api_name="/generate")
    job = client.submit(half["uid"], api_name="/continue_run")
    last = job.result(timeout=30)
    assert ids(last) == ids(whole) and ids(half) == ids(whole)[:20]
    assert (
        last["uid"] == half["uid"]
        and last["status"] == "finished"
        and last["figures"].keys() == whole["figures"].keys()
    )
    assert {item["status"] for item in job.outputs()[:-1]} == {"running"}
    assert client.predict(half["uid"], api_name="/open_run") == last
    assert len(lines(bench.open_run(half["uid"], ME))) == 42


def test_what_cannot_be_continued_is_refused_in_a_sentence(client: Client) -> None:
    scored = client.predict("hello", api_name="/score_text")
    with pytest.raises(AppError, match="given and scored"):
        client.predict(scored["uid"], api_name="/continue_run")
    with pytest.raises(AppError, match="There is no run"):
        client.predict("nobody-knows-this", api_name="/continue_run")
    assert client.predict(scored["uid"], api_name="/open_run") == scored


def test_the_endpoint_says_what_it_does(client: Client) -> None:
    described = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/continue_run"]
    assert [p["parameter_name"] for p in described["parameters"]] == ["uid"]
    assert "same noise" in described["description"]
