"""Promises for what nobody plans for: models whose numbers are none, files that vanish or may not be
written, and a temporary folder that is gone. A sentence each time, and all that was stored is there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.errors import UserError
from engine.models import LanguageModel
from engine.types import Trace
from storage.database import Store
from storage.records import RunQuery
from tests.storage.examples import assert_same_trace, small_trace
from tests.support.bench import ME
from tests.support.jobs import KINDS, SHORT, Kind, essence
from tests.support.small_disk import mounted
from ui.actions import Workbench
from ui.errors import DEFECT, Caught
from ui.forks import Forks
from ui.shelf import Shelf

NUMBERS = {"NaN": float("nan"), "infinity": float("inf")}


def said_of(job: Iterator[str]) -> tuple[str, str]:
    """The last document of a job and the sentence it ended with; what is a defect fails the test."""
    document = ""
    with Caught() as caught:
        for frame in job:
            document = frame
    assert DEFECT not in caught.sentence
    return document, caught.sentence


# by turns: both are caught at the same place
@pytest.mark.parametrize(
    ("kind", "number"), [*zip(KINDS, cycle(NUMBERS), strict=False)], ids=lambda one: getattr(one, "name", one)
)
def test_a_model_whose_numbers_are_none_is_told_and_nothing_is_made_of_them(
    kind: Kind, number: str, bench: Workbench, ten: Trace, tiny: LanguageModel
) -> None:
    job = kind.begin(bench, ten)
    network: Any = tiny.network
    passes = 0

    def spoil(module: torch.nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        nonlocal passes
        passes += 1
        if passes >= 2:
            output[..., 7] = NUMBERS[number]
        return output

    hook = network.lm_head.register_forward_hook(spoil)
    try:
        document, sentence = said_of(job)
    finally:
        hook.remove()
    assert "not finite" in (sentence or document), (sentence, document[-300:])
    for row in bench.store.runs.list(RunQuery(ME.name, limit=100)).rows:
        trace = bench.store.runs.get(row.uid, viewer=ME.name).trace
        assert (
            not np.isposinf(trace.topk_logprobs).any() and not np.isnan(trace.topk_logprobs[trace.topk_ids >= 0]).any()
        )
    whole, sentence = said_of(kind.begin(bench, ten))
    assert not sentence and essence(whole)


def test_a_tokenizer_that_fails_is_a_sentence_and_the_turn_is_given_back(
    bench: Workbench, tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise RuntimeError("the tokenizer's own library broke at /somewhere/private")

    with monkeypatch.context() as patch:
        patch.setattr(type(tiny.tokenizer), "apply_chat_template", fail)
        with Caught() as caught:
            list(bench.generate(SHORT, ME))
    assert caught.sentence and "private" not in caught.sentence and "Traceback" not in caught.sentence
    assert bench.turns.stop(ME) == 0
    assert said_of(bench.generate(SHORT, ME))[1] == ""


def test_a_library_that_vanishes_or_may_not_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    with Store(path) as store:
        uid = store.runs.add(small_trace(), status="finished", run_scores={})
        store.close()
        kept = path.read_bytes()
        # as on a disk that was mounted anew read-only: SQLite is told so, whoever runs the tests
        with store.write() as session:
            raw = session.connection().connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)
        raw.execute("PRAGMA query_only=ON")
        with pytest.raises(UserError, match="cannot be read or written"):
            store.runs.update(uid, viewer="local", title="x")
        raw.execute("PRAGMA query_only=OFF")
        store.runs.update(uid, viewer="local", title="x")
        store.close()
        path.unlink()
        with pytest.raises(UserError) as caught:
            store.runs.get(uid, viewer="local")
        assert str(caught.value).endswith(".") and "no such table" not in str(caught.value)
        path.unlink(missing_ok=True)
        path.write_bytes(kept)
        assert_same_trace(store.runs.get(uid, viewer="local").trace, small_trace())


@pytest.mark.parametrize("folder", ["missing", "full"])
def test_an_export_without_a_temporary_folder_is_told_in_a_sentence(
    folder: str, bench: Workbench, ten: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forks = next(kind for kind in KINDS if kind.name == "forks")
    document, _ = said_of(forks.begin(bench, ten))
    uid = next(line for line in document.split('"') if len(line) == 24)
    run = next(row.uid for row in bench.store.runs.list(RunQuery(ME.name)).rows)
    found = bench.store.analyses.list(run, viewer=ME.name)
    assert uid and found
    with mounted(tmp_path / "disk", 1) as disk:
        disk.leave(0)
        place = disk.folder if folder == "full" else tmp_path / "file" / "none"
        (tmp_path / "file").write_text("a file is where the folder should be")
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(place))
        for kind in ("jsonl", "parquet"):
            with Caught() as caught:
                Forks(bench).export(found[0].uid, kind, ME)
            assert caught.sentence and DEFECT not in caught.sentence, caught.sentence
            assert caught.sentence.endswith(".")
        assert Shelf(bench.store).export_text([run], ME), "what needs no file goes on"
        disk.leave(None)
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(disk.folder))
        assert Forks(bench).export(found[0].uid, "jsonl", ME).stat().st_size > 100
    assert bench.store.check().ok
