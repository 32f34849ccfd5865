"""The named endpoints, called as a notebook calls them: over HTTP, by name."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from tests.support.bench import FIELDS, ME, lines, stored
from tests.support.doors import address_of
from ui import api
from ui.actions import Workbench
from ui.shelf import Shelf


@contextmanager
def served(bench: Workbench, mode: str) -> Iterator[str]:
    """A page that has nothing but the endpoints; gives its address."""
    with gr.Blocks() as page:
        api.register(bench, Shelf(bench.store))
    with address_of(page, mode) as url:
        yield url


def client_of(url: str) -> Client:
    return Client(url, verbose=False, analytics_enabled=False)


@pytest.fixture
def client(bench: Workbench) -> Iterator[Client]:
    with served(bench, "local") as url:
        yield client_of(url)


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


def test_progress_counts_tokens_and_nothing_else(client: Client) -> None:
    job = client.submit(**FIELDS, api_name="/generate")
    tokens = len(job.result(timeout=30)["tokens"])
    counts = [item["tokens"] for item in job.outputs()[:-1]]
    assert counts == sorted(counts) and set(counts) >= set(range(1, tokens + 1)) and max(counts) == tokens


@pytest.mark.parametrize(
    ("endpoint", "fields", "words"),
    [
        ("/generate", {"prompt": " "}, "prompt is empty"),
        ("/generate", {"prompt": "x", "temperature": "NaN"}, "temperature"),
        ("/generate", {"prompt": "x", "max_new_tokens": -3}, "-3"),
        ("/generate", {"prompt": "x", "seed": "9" * 30}, "seed"),
        ("/score_text", {"text": ""}, "text is empty"),
        ("/score_text", {"text": "a" * 20_000}, "shorten it"),
        ("/import_runs", {"data": 5}, "not int"),
        ("/import_logprobs", {"data": {"a": "<b>1</b>"}}, "log"),
        ("/import_logprobs", {"data": "[1, 2"}, "JSON"),
        ("/list_runs", {"sort": "nonsense"}, "use one of created, tokens, title, perplexity"),
        ("/list_runs", {"descending": "no"}, "use one of True, False"),
        ("/open_run", {"uid": "../../etc/passwd"}, "There is no run"),
        ("/export_runs", {"uids": []}, "at least one"),
        ("/import_runs", {"data": "nonsense"}, "first line"),
    ],
)
def test_bad_input_is_one_sentence_and_keeps_nothing(
    client: Client, bench: Workbench, endpoint: str, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(AppError) as refused:
        client.predict(**fields, api_name=endpoint)
    assert words in str(refused.value) and "our side" not in str(refused.value)
    assert stored(bench) == ()


def test_a_response_may_be_given_as_an_object_or_as_its_text(client: Client) -> None:
    token = {"token": "Yes", "logprob": -0.2, "top_logprobs": [{"token": "Yes", "logprob": -0.2}]}
    response = {"choices": [{"message": {"content": "Yes"}, "logprobs": {"content": [token]}}]}
    uids = [*client.predict(response, api_name="/import_logprobs")]
    uids += client.predict(json.dumps(response), api_name="/import_logprobs")
    first, second = (client.predict(uid, api_name="/open_run") for uid in uids)
    assert first["text"] == second["text"] == "Yes" and first["tokens"] == second["tokens"]


def test_strangers_share_nothing_and_nobody_names_another(bench: Workbench) -> None:
    with served(bench, "public") as url:
        mine, other = client_of(url), client_of(url)
        run = mine.predict(**FIELDS, api_name="/generate")
        assert mine.predict(run["uid"], api_name="/open_run") == run
        assert [row["uid"] for row in mine.predict(api_name="/list_runs")["rows"]] == [run["uid"]]
        assert other.predict(api_name="/list_runs")["rows"] == []
        for endpoint, given in (
            ("/open_run", run["uid"]),
            ("/continue_run", run["uid"]),
            ("/export_runs", [run["uid"]]),
        ):
            with pytest.raises(AppError, match="no run"):
                other.predict(given, api_name=endpoint)
        taken = other.predict(mine.predict([run["uid"]], api_name="/export_runs"), api_name="/import_runs")
        assert taken["added"] and taken["added"] != [run["uid"]], "a copy, under an id of its own"


def test_calls_without_a_session_belong_to_nobody(bench: Workbench) -> None:
    def call(endpoint: str, *data: Any) -> Any:
        request = urllib.request.Request(
            f"{url}gradio_api/run/{endpoint}",
            json.dumps({"data": list(data)}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)["data"][0]

    with served(bench, "public") as url:
        token = {"token": "Yes", "logprob": -0.2, "top_logprobs": [{"token": "Yes", "logprob": -0.2}]}
        response = {"choices": [{"message": {"content": "Yes"}, "logprobs": {"content": [token]}}]}
        assert call("import_logprobs", response)
        assert call("list_runs", "", "created", True, 50, 0)["rows"] == []


def test_a_script_lists_the_strategies_and_decodes_by_one(client: Client, bench: Workbench) -> None:
    listed = {entry["name"]: entry for entry in client.predict(api_name="/strategies")}
    assert (
        listed["best_of_n"]["parameters"][0] | {"name": "trials", "default": 8, "low": 2}
        == (listed["best_of_n"]["parameters"][0])
    )
    job = client.submit(**FIELDS, strategy="best_of_n", strategy_parameters={"trials": 3}, api_name="/generate")
    found = job.result(timeout=60)
    assert found["notes"] == ["Decoded by best of n (best_of_n: trials = 3)."]
    assert found == client.predict(found["uid"], api_name="/open_run")
    plain = client.predict(**FIELDS, api_name="/generate")
    assert plain["notes"] == [] and ids(plain) == ids(client.predict(**FIELDS, strategy="sample", api_name="/generate"))
    for given, words in (
        ({"strategy": "beam"}, "There is no strategy"),
        ({"strategy": "typical", "strategy_parameters": {"mass": 2}}, "at most 1"),
    ):
        with pytest.raises(AppError, match=words):
            client.predict(**FIELDS, **given, api_name="/generate")
