"""Files that are good and far longer than a page's own: with them nobody holds others up, nor fills the library.

On a public page with a small model; several strangers of one address against somebody else who uses it meanwhile.
"""

from __future__ import annotations

import json
import random
import secrets
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.errors import Busy
from engine.testing import save_tiny_folder
from engine.types import Trace
from storage.database import Store
from storage.limits import ImportLimits, StoreLimits
from storage.records import RunQuery
from storage.transfer import export_runs, import_runs
from tests.storage.examples import small_trace
from tests.support.app_server import AppServer
from tests.support.sessions import SCHEMA
from ui.access import Viewer
from ui.quotas import BYTES_A_TOKEN, QuotaLimits, Quotas
from ui.shelf import Shelf

PROMISED = {"seconds": 10}
LIMITS = ImportLimits.public()
CROWD = 12
# its place among the two runs of a file
BRANCH = 1


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    folder = tmp_path_factory.mktemp("long")
    save_tiny_folder(folder / "model")
    server = AppServer(
        folder / "forklore.db",
        arguments=["--mode", "public", "--proxies", "1"],
        environ={"FORKLORE_MODEL": str(folder / "model")},
    ).start()
    yield server.ready()
    server.stop()


class Stranger:
    """A visitor with a cookie of their own, at an address."""

    def __init__(self, server: AppServer, address: str) -> None:
        headers = {"X-Forwarded-For": address, "cookie": f"forklore_visitor={secrets.token_urlsafe(32)}"}
        self._client = httpx.Client(base_url=server.url, timeout=60, headers=headers)

    def call(self, name: str, *values: Any) -> tuple[Any, str, float]:
        """What came back, the sentence of a refusal, and the seconds until then."""
        began = time.monotonic()
        answer = self._client.post(f"/gradio_api/call/{name}", json={"data": list(values)})
        if answer.status_code != 200:
            return None, answer.text, time.monotonic() - began
        said = self._client.get(f"/gradio_api/call/{name}/{answer.json()['event_id']}").text
        kind, data = said.split("event: ")[-1].split("\ndata: ", 1)
        found, seconds = json.loads(data), time.monotonic() - began
        return (found[0], "", seconds) if kind == "complete" else (None, str(found["error"]), seconds)


def long(trace: Trace, chars: int, seed: int = 0) -> Trace:
    """The same number of tokens with so many characters, all but those of the first token by chance."""
    each, rest = divmod(chars, len(trace))
    letters = random.Random(seed)
    sizes = [each + (t > 0 and t <= rest) for t in range(len(trace))]
    pieces = ("a" * each, *("".join(letters.choices("abcdefgh ", k=size)) for size in sizes[1:]))
    return replace(trace, pieces=pieces, text="".join(pieces))


def file_of(path: Path, *traces: Trace) -> str:
    """A file in which each run but the first is a branch of the first, made by somebody who has no such bounds."""
    with Store(path / f"{secrets.token_hex(4)}.db") as store:
        for number, trace in enumerate(traces):
            store.runs.add(trace, uid=secrets.token_hex(12), owner="local", status="finished", run_scores={},
                           title=f"{number}")  # fmt: skip
        header, *rows = (json.loads(line) for line in export_runs(store, _uids(store), viewer="local"))
    first, *others = sorted(rows, key=lambda row: int(row["title"]))
    for row in others:
        row |= {"parent": first["uid"], "fork_position": 1, "kind": "branch"}
    return "".join(json.dumps(row) + "\n" for row in (header, *({**row, "digest": None} for row in (first, *others))))


def _uids(store: Store) -> list[str]:
    return [row.uid for row in store.runs.list(RunQuery("local")).rows]


def test_a_run_that_no_page_could_make_is_refused_with_what_it_may_have(tmp_path: Path) -> None:
    plain = small_trace(1, 8, alternatives=2)
    with Store(tmp_path / "public.db", limits=StoreLimits.public()) as store:
        for trace, word in (
            (long(plain, LIMITS.run_chars), "characters"),
            (replace(plain, prompt="x" * LIMITS.run_chars), "characters"),
            (replace(plain, system="x" * LIMITS.run_chars), "characters"),
            (small_trace(1, LIMITS.run_tokens + 1, alternatives=2), "tokens"),
        ):
            report = import_runs(store, file_of(tmp_path, trace), owner="visitor:a", limits=LIMITS)
            assert not report.added and f"{word} with prompt and answer; at most" in report.problems[0]
        most = len(plain.prompt) + len(plain.system or "")
        fits = file_of(tmp_path, long(plain, LIMITS.run_chars - most))
        assert len(import_runs(store, fits, owner="visitor:a", limits=LIMITS).added) == 1
    with Store(tmp_path / "local.db") as store:
        mine = file_of(tmp_path, long(plain, 10 * LIMITS.run_chars))
        assert len(import_runs(store, mine, owner="local").added) == 1, "one's own machine has no such bounds"


def test_the_longest_runs_of_one_address_hold_nobody_up(house: AppServer, tmp_path: Path) -> None:
    """Opened by many cookies of one address at once, while somebody else opens an example."""
    tokens = LIMITS.run_tokens
    trace, chars = small_trace(1, tokens), LIMITS.run_chars - 100
    file = file_of(tmp_path, *(long(trace, chars, seed) for seed in (1, 2)))
    strangers = [Stranger(house, "203.0.113.9") for _ in range(CROWD)]
    uids = []
    for stranger in strangers[:4]:
        report, refusal, seconds = stranger.call("import_runs", file)
        assert refusal == "" and len(report["added"]) == 2 and seconds < PROMISED["seconds"]
        uids.append(report["added"])
    bystander, waited, over = Stranger(house, "198.51.100.3"), [], threading.Event()

    def look() -> None:
        while not over.is_set():
            found, refusal, seconds = bystander.call("open_run", "example-1-1")
            assert refusal == "" and found["tokens"]
            began = time.monotonic()
            assert httpx.get(f"{house.url}/healthz", timeout=60).status_code == 200
            waited.append(max(seconds, time.monotonic() - began))

    with ThreadPoolExecutor(9) as pool:
        looking = pool.submit(look)
        answers = list(pool.map(lambda pair: strangers[pair % 4].call("open_run", uids[pair % 4][pair % 2]), range(8)))
        over.set()
        looking.result()
    opened = [answer for answer, _, _ in answers if answer]
    assert opened and all(len(answer["tokens"]) == tokens for answer in opened)
    # whether a branch is among the few of a crowd that are let in is chance
    branch, refusal, _ = strangers[0].call("open_run", uids[0][BRANCH])
    assert refusal == "" and branch["parent"] and len(branch["tokens"]) == tokens
    compared = [answer["versus"] for answer in (*opened, branch) if answer["parent"]]
    assert all(one["characters"] is None and one["tokens"] == 0 for one in compared), "too long to compare"
    refused = [said for _, said, _ in answers if said]
    assert all("Too much is being worked out" in said for said in refused) and len(opened) + len(refused) == 8
    assert max(seconds for _, _, seconds in answers) < PROMISED["seconds"]
    assert max(waited) < PROMISED["seconds"]


def test_what_a_stranger_brings_in_counts_on_the_page_that_is_served(house: AppServer, tmp_path: Path) -> None:
    file = file_of(tmp_path, *(long(small_trace(seed, 8, alternatives=2), 50_000) for seed in range(6)))
    stranger = Stranger(house, "203.0.113.77")
    before, _, _ = stranger.call("my_limits")
    report, refusal, _ = stranger.call("import_runs", file)
    assert refusal == "" and len(report["added"]) == 6
    spent = before["tokens_left"] - stranger.call("my_limits")[0]["tokens_left"]
    assert spent == -(-len(file) // BYTES_A_TOKEN)
    made, refusal, _ = stranger.call("create_session", "Long", report["added"], SCHEMA, "", {})
    assert refusal == ""
    again = before["tokens_left"] - stranger.call("my_limits")[0]["tokens_left"] - spent
    assert again >= 6 * 50_000 // BYTES_A_TOKEN, "its copies of the texts count as well"
    assert stranger.call("fork_session", made["session"], "Again", "")[1] == ""
    assert before["tokens_left"] - stranger.call("my_limits")[0]["tokens_left"] >= spent + 2 * again - 1


def test_one_address_cannot_fill_the_library_however_many_cookies_it_has(tmp_path: Path) -> None:
    most, room = QuotaLimits.of("public"), StoreLimits.public().file_bytes
    assert most.address_tokens and room and most.address_tokens * BYTES_A_TOKEN * 10 < room, "ten of them, a day long"
    file = file_of(tmp_path, *(long(small_trace(seed, 8, alternatives=2), 50_000) for seed in range(4)))
    cost = -(-len(file) // BYTES_A_TOKEN)
    quotas = Quotas(replace(most, tokens=3 * cost, address_tokens=10 * cost))
    with Store(tmp_path / "public.db", limits=StoreLimits.public()) as store:
        shelf, kept = Shelf(store, LIMITS, quotas), []
        for number in range(20):
            viewer = Viewer(f"visitor:{number}", "page", False, "203.0.113.5", anonymous=True)
            with suppress(Busy):
                kept += shelf.import_text(file, viewer)["added"]
        assert len(kept) == 10 * 4, "each of them with a new cookie"
        zipped = tmp_path / "file.zip"
        with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("runs.jsonl", file)
        viewer = Viewer("visitor:far", "page", False, "198.51.100.4", anonymous=True)
        for _ in range(3):
            shelf.import_file(zipped, viewer)
        with pytest.raises(Busy, match="are left to you today"):
            shelf.import_file(zipped, viewer)
        assert store.check().ok
