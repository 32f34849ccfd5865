"""Promises of imports from strangers: every wrong field is named, good lines still arrive, caps refuse whole files."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import BadInput
from storage.database import Store
from storage.limits import ImportLimits
from storage.transfer import import_runs
from tests.storage.exchanges import MANIFEST, add, exported, total


def change_array(run: dict[str, Any], name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Replace an array by another with a right checksum, so that only its meaning is wrong."""
    found = run["arrays"][name]
    array = np.frombuffer(base64.b64decode(found["data"]), found["dtype"]).reshape(found["shape"])
    new = change(array.copy())
    raw = new.tobytes()
    found |= {"shape": list(new.shape), "crc32": zlib.crc32(raw), "data": base64.b64encode(raw).decode()}


def put(index: Any, value: Any) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array[index] = value
        return array

    return change


BAD_RUNS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "missing field": (lambda r: r.pop("seed"), "'seed' is missing"),
    "unknown field": (lambda r: r.update(extra=1), "'extra' that runs do not have"),
    "text as number": (lambda r: r.update(prompt=7), "'prompt' has the wrong type"),
    "number as text": (lambda r: r.update(seed="7"), "'seed' has the wrong type"),
    "boolean as number": (lambda r: r.update(seed=True), "'seed' has the wrong type"),
    "float as whole number": (lambda r: r.update(seed=1.0), "'seed' has the wrong type"),
    "seed too large": (lambda r: r.update(seed=2**63), "The seed is"),
    "seed beyond any type": (lambda r: r.update(seed=10**400), "The seed is"),
    "lone surrogate": (lambda r: r.update(title="\ud83d"), "lone surrogate"),
    "title too long": (lambda r: r.update(title="x" * 301), "at most 300"),
    "unknown kind": (lambda r: r.update(kind="dream"), "kind 'dream' is unknown"),
    "unknown status": (lambda r: r.update(status="dream"), "status 'dream' is unknown"),
    "bad uid": (lambda r: r.update(uid="../../etc"), "uid must be"),
    "bad time": (lambda r: r.update(created="yesterday"), "not an ISO time"),
    "time before any calendar": (lambda r: r.update(created="0001-01-01T00:00:00+23:59"), "years that can be shown"),
    "time after any calendar": (lambda r: r.update(created="9999-12-31T23:59:59-23:59"), "years that can be shown"),
    "endless temperature": (lambda r: r["settings"].update(temperature="inf"), "not finite"),
    "time without zone": (lambda r: r.update(created="2026-01-01T00:00:00"), "time zone"),
    "other answer": (lambda r: r.update(answer="something nicer"), "its answer is not"),
    "other text": (lambda r: r.update(text=r["text"] + "!"), "do not add up"),
    "score as text": (lambda r: r.update(run_scores={"h": "high"}), "must be a number"),
    "score too large": (lambda r: r.update(run_scores={"h": 10**400}), "must be a number"),
    "negative seconds": (lambda r: r.update(seconds=-1), "cannot take"),
    "half a fork": (lambda r: r.update(parent="abc"), "belong together"),
    "negative fork": (lambda r: r.update(parent="abc", fork_position=-1), "fork_position is -1"),
    "model field missing": (lambda r: r["model"].pop("repo"), "model lacks its field 'repo'"),
    "model field unknown": (lambda r: r["model"].update(x=1), "'x' that this version does not know"),
    "settings field": (lambda r: r["settings"].update(temperature="hot"), "settings.temperature"),
    "settings stop": (lambda r: r["settings"].update(stop="\n"), "settings.stop"),
    "array missing": (lambda r: r["arrays"].pop("luck"), "arrays differ from the known ones: luck"),
    "array unknown": (lambda r: r["arrays"].update(x=r["arrays"]["luck"]), "arrays differ from the known ones: x"),
    "array no object": (lambda r: r["arrays"].update(luck=[1, 2]), "'luck' needs exactly"),
    "array dtype": (lambda r: r["arrays"]["luck"].update(dtype="<f8"), "'luck' must be <f4"),
    "array object dtype": (lambda r: r["arrays"]["luck"].update(dtype="|O"), "'luck' must be <f4"),
    "array shape": (lambda r: r["arrays"]["luck"].update(shape=[13]), "do not fit its shape"),
    "array shape huge": (lambda r: r["arrays"]["topk_ids"].update(shape=[2**30, 2**30]), "do not fit its shape"),
    "array shape negative": (lambda r: r["arrays"]["luck"].update(shape=[-12]), "'luck' must be"),
    "array shape true": (lambda r: r["arrays"]["luck"].update(shape=[True]), "'luck' must be"),
    "array data": (lambda r: r["arrays"]["luck"].update(data="$$$$"), "'luck' is not base64"),
    "array data umlaut": (lambda r: r["arrays"]["luck"].update(data="ä" * 64), "'luck' is not base64"),
    "array checksum": (lambda r: r["arrays"]["luck"].update(crc32=1), "does not match its checksum"),
    "array length": (lambda r: change_array(r, "luck", lambda a: a[:-1]), "luck must be float32 of shape"),
    "id outside vocabulary": (lambda r: change_array(r, "token_ids", put(3, 49152)), "outside the model's vocabulary"),
    "negative id": (lambda r: change_array(r, "topk_ids", put((0, 0), -2)), "outside the model's vocabulary"),
    "NaN probability": (lambda r: change_array(r, "topk_logprobs", put((0, 0), np.nan)), "logarithms of probabilities"),
    "probability over 1": (lambda r: change_array(r, "topk_logprobs", put((0, 0), 0.5)), "logarithms of probabilities"),
    "unsorted": (lambda r: change_array(r, "topk_logprobs", lambda a: a[:, ::-1]), "sorted|no id is known"),
    "tail mass": (lambda r: change_array(r, "tail_mass", put(0, 2.0)), "tail_mass"),
    "piece cuts a character": (lambda r: change_array(r, "piece_sizes", _shift_at_the_euro), "cuts a character"),
    "negative piece": (lambda r: change_array(r, "piece_sizes", put(1, -1)), "do not add up"),
    "vocabulary order": (lambda r: change_array(r, "vocabulary_index", put((0, 2), 0)), "ascending order"),
    "vocabulary sizes": (lambda r: change_array(r, "vocabulary_index", put((1, 0), 99)), "do not add up"),
    "vocabulary incomplete": (lambda r: _forget_last_word(r), "lacks the bytes"),
    "score names": (lambda r: r.update(score_names=["a"]), "score_names do not match"),
    "score names twice": (lambda r: r.update(score_names=["a", "a", "b"]), "score_names do not match"),
}


def _shift_at_the_euro(sizes: np.ndarray) -> np.ndarray:
    sizes[1] += 1  # pieces: "<|end|>", "", "€"
    sizes[2] -= 1
    return sizes


def _forget_last_word(run: dict[str, Any]) -> None:
    sizes: list[int] = []
    change_array(run, "vocabulary_index", lambda a: (sizes.append(int(a[1, -1])), a[:, :-1])[1])
    change_array(run, "vocabulary_bytes", lambda a: a[: len(a) - sizes[0]])


@pytest.mark.parametrize("name", BAD_RUNS)
def test_a_bad_line_is_named_and_the_good_ones_around_it_are_stored(store: Store, other: Store, name: str) -> None:
    spoil, message = BAD_RUNS[name]
    uids = [add(store, seed) for seed in range(3)]
    lines = exported(store, *uids).split("\n")
    run = json.loads(lines[2])
    run["digest"] = None
    spoil(run)
    lines[2] = json.dumps(run)
    report = import_runs(other, "\n".join(lines), owner="local")
    assert report.added == (uids[0], uids[2]) and total(other) == 2
    (problem,) = report.problems
    assert problem.startswith("line 3: ") and problem.endswith(".")
    _match(message, problem)


def _match(pattern: str, text: str) -> None:
    assert re.search(pattern, text), text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ('{"uid": 1, "uid": 2}', "names a field twice"),
        ('{"seconds": NaN}', "holds NaN"),
        ('{"seconds": -Infinity}', "holds -Infinity"),
        ('{"a":' * 9 + "1" + "}" * 9, "more than 8 levels"),
        ("[" * 100_000, "more than 8 levels"),
        ('{"seed": ' + "9" * 5000 + "}", "cannot|can be read"),
        ("\ud800", "not UTF-8"),
    ],
)
def test_what_is_no_line_at_all_is_named(other: Store, line: str, message: str) -> None:
    (problem,) = import_runs(other, MANIFEST + line, owner="local").problems
    assert problem.startswith("line 2: ")
    _match(message, problem)
    assert total(other) == 0


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("", "no file of runs"),
        ("hello", "no file of runs"),
        ("{}", "no file of runs"),
        ('{"format": "forklore-runs"}', "no file of runs"),
        ('{"format": "forklore-runs", "version": true}', "no file of runs"),
        ('{"format": "other", "version": 1}', "no file of runs"),
        ('{"format": "forklore-runs", "version": 2}', "version 2, this program reads 1"),
        ("\x80\x04\x95 a pickle", "no file of runs"),
    ],
)
def test_a_file_without_our_first_line_is_refused_whole(store: Store, other: Store, first: str, message: str) -> None:
    rest = exported(store, add(store)).split("\n", 1)[1]
    with pytest.raises(BadInput, match=message):
        import_runs(other, first + "\n" + rest, owner="local")
    assert total(other) == 0


def test_caps_refuse_the_whole_file_before_anything_is_stored(store: Store, other: Store) -> None:
    text = exported(store, *(add(store, seed) for seed in range(3)))
    size, longest = len(text.encode()), max(len(line.encode()) for line in text.split("\n"))
    for limits, message in (
        (ImportLimits(runs=2), "more than 2 runs"),
        (ImportLimits(file_bytes=size - 1), "split it into files"),
        (ImportLimits(unpacked_bytes=size - 1), "holds more than"),
        (ImportLimits(line_bytes=longest - 1), "a line of more than"),
    ):
        with pytest.raises(BadInput, match=message):
            import_runs(other, text, owner="local", limits=limits)
        assert total(other) == 0
    exact = ImportLimits(runs=3, file_bytes=size, unpacked_bytes=size, line_bytes=longest + 1, json_depth=4)
    assert len(import_runs(other, text, owner="local", limits=exact).added) == 3


def test_only_so_many_problems_are_told(other: Store) -> None:
    report = import_runs(other, MANIFEST + "{\n" * 7, owner="local", limits=ImportLimits(problems=5))
    assert len(report.problems) == 6 and report.problems[-1] == "2 more lines have problems."


@given(data=st.binary(max_size=300))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arbitrary_bytes_are_refused_or_named(other: Store, data: bytes) -> None:
    with pytest.raises(BadInput):
        import_runs(other, data, owner="local")
    report = import_runs(other, MANIFEST.encode() + data, owner="local")
    assert report.added == () and bool(report.problems) == any(line.strip() for line in data.split(b"\n"))
