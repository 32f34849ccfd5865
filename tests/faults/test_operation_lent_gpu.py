"""Promises for a Space with a lent GPU: the model computes in a forked process only, everything else stays as it is.

The lender is a stand-in (tests/support/lent_gpu) that forks and pickles as the `spaces` package does, without a GPU.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from engine.generate import run
from engine.lent_gpu import NOT_HERE, TAKEN_BACK
from engine.models import LanguageModel
from engine.scoring import score_text
from engine.testing import save_tiny_folder
from engine.types import GenerationRequest
from storage.database import Store
from storage.records import RunQuery
from tests.support.app_server import AppServer

PROMPT = "Tell me about pears"
REQUEST = {"max_new_tokens": 24, "temperature": 1.0, "seed": 5}


def serve(folder: Path, **environ: str) -> AppServer:
    """The app with the tiny model, on what it takes for a Space with a lent GPU."""
    model = folder / "model"
    if not model.exists():
        save_tiny_folder(model)
    package = Path(__file__).resolve().parents[1] / "support" / "lent_gpu"
    # one thread: what forks after it has computed with several may wait for ever for those that were not forked
    known = {"PYTHONPATH": str(package), "SPACES_ZERO_GPU": "true", "OMP_NUM_THREADS": "1"}
    flags = ["--model", str(model), "--device", "cpu", "--dtype", "float32", "--quantization", "none"]
    return AppServer(folder / "forklore.db", arguments=flags, environ=known | environ).start().ready()


@pytest.fixture(scope="module")
def loans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the stand-in writes down what it was asked for."""
    return tmp_path_factory.mktemp("loans") / "loans.txt"


@pytest.fixture(scope="module")
def pause(loans: Path) -> Path:
    """Where the stand-in reads how many seconds it lets pass between two items."""
    return loans.with_name("pause.txt")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, loans: Path, pause: Path) -> Iterator[AppServer]:
    server = serve(tmp_path_factory.mktemp("lent"), LENT_GPU_LOANS=str(loans), LENT_GPU_PAUSE=str(pause))
    yield server
    server.kill()


@pytest.fixture(scope="module")
def client(server: AppServer) -> Client:
    return Client(server.url, verbose=False)


def ids(record: dict[str, Any]) -> list[int]:
    return [token["id"] for token in record["tokens"]]


def test_an_answer_is_the_same_as_at_home_and_can_be_continued(
    client: Client, tiny: LanguageModel, loans: Path, server: AppServer
) -> None:
    whole = run(tiny, GenerationRequest(PROMPT, max_new_tokens=24, temperature=1.0, seed=5))
    answer = client.predict(PROMPT, **REQUEST, api_name="/generate")
    assert answer["text"] == whole.text and len(answer["tokens"]) == len(whole)
    asked = [line.split() for line in loans.read_text().splitlines()]
    assert all(15 <= int(seconds) <= 120 for seconds, _ in asked)


def test_a_text_is_scored_and_a_run_branched(client: Client, tiny: LanguageModel) -> None:
    expected = score_text(tiny, None, "A pear is a fruit.")
    scored = client.predict("A pear is a fruit.", api_name="/score_text")
    found = [token["scores"]["surprisal"] for token in scored["tokens"]]
    assert found[1:] == pytest.approx(expected.scores["surprisal"].tolist()[1:], rel=1e-4)
    answer = client.predict(PROMPT, **REQUEST, api_name="/generate")
    edit = {"start": 3, "stop": 4, "text": "x"}
    branch = client.predict(answer["uid"], edits=[edit], api_name="/branch")
    assert branch["text"] != answer["text"] and branch["versus"]["characters"] > 0


def test_an_analysis_of_forks_and_of_attention_cross_over_too(client: Client) -> None:
    answer = client.predict(PROMPT, max_new_tokens=6, seed=5, api_name="/generate")
    forks = client.predict(
        answer["uid"], field="exact_text", draws=4, threshold=0.2, max_tokens=20, api_name="/analyse_forks"
    )
    assert forks["status"] == "finished" and forks["draws"] > 0
    text = client.predict("How many? 1 and 1 are two. The answer is 2", api_name="/score_text")
    chain = client.predict(text["uid"], api_name="/trace_attention")
    assert chain["tokens"]


def test_stop_ends_the_work_in_the_other_process_and_keeps_what_there_was(
    client: Client, server: AppServer, pause: Path
) -> None:
    # all of it would take minutes
    pause.write_text("0.3")
    job = client.submit(PROMPT, max_new_tokens=400, temperature=1.0, seed=1, api_name="/generate")
    deadline = time.monotonic() + 60
    while len(job.outputs()) < 2:
        assert time.monotonic() < deadline and not job.done()
        time.sleep(0.01)
    job.cancel()
    after = client.predict(PROMPT, **REQUEST | {"max_new_tokens": 4}, api_name="/generate")
    assert len(after["tokens"]) > 0
    pause.write_text("0")
    with Store(server.database) as store:
        stopped = [run for run in store.runs.list(RunQuery("local", examples=False)).rows if run.status == "stopped"]
        assert store.check().ok and len(stopped) == 1 and stopped[0].tokens < 400
    longer = client.predict(stopped[0].uid, api_name="/continue_run")
    assert len(longer["tokens"]) > stopped[0].tokens


def test_what_cannot_be_done_there_is_said_in_one_sentence(client: Client) -> None:
    with pytest.raises(AppError) as refused:
        client.predict("Is a {thing} red?", ["pear", "rose"], n=2, field="yes_no", max_new_tokens=4, api_name="/probe")
    assert str(refused.value) == NOT_HERE
    with pytest.raises(AppError, match="Shorten the prompt"):
        client.predict("long " * 2_000, api_name="/generate")
    assert client.predict(PROMPT, **REQUEST, api_name="/generate")["text"]


def test_tokens_read_there_are_counted_here(client: Client, server: AppServer, tiny: LanguageModel) -> None:
    before = tiny.meter.total
    run(tiny, GenerationRequest(PROMPT, max_new_tokens=24, temperature=1.0, seed=5))
    client.predict(PROMPT, **REQUEST, api_name="/generate")
    jobs = [json.loads(line) for line in server.log(10**6).splitlines() if '"event": "job"' in line]
    assert jobs[-1]["outcome"] == "done" and jobs[-1]["tokens"] > 24
    # what the turn was charged with is what the model reads for the same at home
    assert jobs[-1]["tokens"] == tiny.meter.total - before


def test_a_loan_that_ends_keeps_what_was_written_by_then(tmp_path: Path) -> None:
    server = serve(tmp_path, LENT_GPU_DIES_AFTER="7")
    try:
        client = Client(server.url, verbose=False)
        answer = client.predict(PROMPT, **REQUEST, api_name="/generate")
        assert len(answer["tokens"]) == 7 and TAKEN_BACK in json.dumps(answer, ensure_ascii=False)
        with Store(server.database) as store:
            (kept,) = store.runs.list(RunQuery("local", examples=False)).rows
            assert (kept.status, kept.tokens) == ("failed", 7) and store.check().ok
    finally:
        server.stop()
