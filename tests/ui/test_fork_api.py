"""The endpoints of forking analyses, called as a notebook calls them: typed, documented, refusing in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pyarrow.parquet
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from tests.support.bench import ME
from tests.support.doors import client_of
from ui import fork_api
from ui.actions import Workbench
from ui.forks import Forks

NAMES = {"/analyse_forks", "/resume_forks", "/more_fork_draws", "/open_forks", "/fork_texts", "/export_forks"}


@pytest.fixture
def client(bench: Workbench) -> Iterator[Client]:
    """A client of a page that has nothing but these endpoints."""
    with gr.Blocks() as page:
        fork_api.register(Forks(bench))
    with client_of(page) as client:
        yield client


def test_a_script_analyses_a_run_adds_draws_and_reads_them_again(client: Client, bench: Workbench, answer: str) -> None:
    uid = answer
    described = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(described) >= NAMES and all(len(described[name]["description"]) > 40 for name in NAMES)
    job = client.submit(
        uid, field="exact_text", threshold=0.03, draws=4, max_tokens=14, seed="9", api_name="/analyse_forks"
    )
    whole = job.result()
    assert whole["status"] == "finished" and whole["forks"] and whole["seed"] == "9"
    assert {item["status"] for item in job.outputs()[:-1]} <= {"waiting", "running", "finished"}
    assert [row["position"] for row in whole["positions"]] == list(range(10))
    for row in whole["positions"]:
        assert sum(row["outcomes"].values()) == pytest.approx(1, abs=1e-3) and set(row["outcomes"]) == set(
            whole["labels"]
        )
        assert all(row["low"][name] <= row["high"][name] for name in whole["labels"])
    branch = next(each for each in whole["branches"] if each["draws"] and not each["base"])
    place = (whole["forks"], branch["position"], branch["token_id"])
    texts = client.predict(*place, api_name="/fork_texts")
    assert sum(group["count"] for group in texts["groups"]) == branch["draws"] == sum(branch["counts"].values())
    more = client.predict(*place, 5, api_name="/more_fork_draws")
    assert more["draws"] == whole["draws"] + 5
    assert client.predict(whole["forks"], api_name="/open_forks")["branches"] == more["branches"]
    bench.store.runs.update(uid, viewer=ME.name, title="two\u2028lines\x85here")
    assert client.predict(whole["forks"], api_name="/open_forks")["branches"] == more["branches"]
    other = client.predict(whole["forks"], "yes_no", api_name="/open_forks")
    assert set(other["labels"]) <= {"unparsed", "truncated"} and other["draws"] == more["draws"]
    for kind in ("jsonl", "parquet"):
        path = Path(client.predict(more["forks"], kind, api_name="/export_forks"))
        lines, table = path.read_bytes().count(b"\n"), kind == "parquet" and pyarrow.parquet.read_table(path)
        assert (table.num_rows if table else lines - 1) == more["draws"] and path.suffix == f".{kind}"
    (listed,) = client.predict(uid, api_name="/list_forks")
    assert listed["uid"] == whole["forks"] and listed["draws"] == more["draws"] and listed["status"] == "finished"
    with pytest.raises(AppError, match=r"temperature 1 only, not 0\.7"):
        client.predict(uid, temperature=0.7, api_name="/analyse_forks")
    for endpoint, arguments, words in (
        ("/export_forks", ["nobody"], "no forking analysis"),
        ("/export_forks", [whole["forks"], "csv"], "jsonl or parquet"),
        ("/analyse_forks", ["nobody"], "There is no run"),
        ("/analyse_forks", [uid, "magic"], "no field 'magic'"),
        ("/resume_forks", [whole["forks"]], "finished"),
        ("/open_forks", ["nobody"], "no forking analysis"),
        ("/more_fork_draws", [*place, 0], "The number of draws is 0"),
        ("/fork_texts", [whole["forks"], -1, 3], "The position is -1"),
    ):
        with pytest.raises(AppError, match=words):
            client.predict(*arguments, api_name=endpoint)
