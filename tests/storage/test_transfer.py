"""Promises of exchange: exact floats through text, everything checked, caps kept, good lines in and bad ones named."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from sqlalchemy import text as sql

from engine.errors import BadInput, NotFound, UserError
from storage.database import Store
from storage.limits import ImportLimits
from storage.records import RunQuery
from storage.transfer import FORMAT, export_runs, import_runs
from tests.storage.examples import assert_same_trace, continued, small_trace

MANIFEST = json.dumps({"format": FORMAT, "version": 1}) + "\n"


@pytest.fixture
def other(tmp_path: Path) -> Store:
    """A second store to import into."""
    return Store(tmp_path / "other.db")


def add(store: Store, seed: int = 0, **options: Any) -> str:
    return store.runs.add(small_trace(seed), **{"status": "finished", "run_scores": {}, **options})


def exported(store: Store, *uids: str) -> str:
    return "".join(export_runs(store, uids, viewer="local"))


def total(store: Store) -> int:
    return store.runs.list(RunQuery("local")).total


@given(seed=st.integers(0, 10_000), tokens=st.integers(0, 15), alternatives=st.integers(0, 4), scores=st.integers(0, 3))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_run_survives_the_file_bit_for_bit(
    store: Store, other: Store, seed: int, tokens: int, alternatives: int, scores: int
) -> None:
    trace = small_trace(seed, tokens, alternatives, scores)
    uid = store.runs.add(trace, status="finished", run_scores={})
    report = import_runs(other, exported(store, uid), owner="local")
    assert (report.added, report.skipped, report.problems, report.unlinked) == ((uid,), (), (), ())
    assert_same_trace(other.runs.get(uid, viewer="local").trace, trace)


def test_labels_scores_and_times_survive_and_the_owner_is_who_imports(store: Store, other: Store) -> None:
    scores = {"exact": 0.1 + 0.2, "none": float("nan"), "up": float("inf"), "down": float("-inf"), "tiny": 5e-324}
    uid = add(store, title="T\n", tags=("a", "ü"), note="n", status="stopped", run_scores=scores)
    import_runs(other, exported(store, uid).encode(), owner="ann")
    before, after = store.runs.header(uid, viewer="local"), other.runs.header(uid, viewer="ann")
    assert repr(after.run_scores) == repr(before.run_scores)
    same = replace(before, owner="ann", run_scores={}, updated_at=after.updated_at)
    assert replace(after, run_scores={}) == same
    with pytest.raises(NotFound):
        other.runs.get(uid, viewer="local")


def test_every_line_is_strict_json_with_readable_fields_in_front(store: Store) -> None:
    text = exported(store, add(store, run_scores={"h": float("nan")}, title="line\u2028separator \r\n"))
    assert text.endswith("\n") and text.count("\n") == 2 and "NaN" not in text.replace('"NaN"', "")
    manifest, run = (json.loads(line, parse_constant=lambda name: pytest.fail(name)) for line in text.split("\n")[:2])
    assert manifest == {"format": "forklore-runs", "version": 1, "runs": 1}
    trace = small_trace()
    assert run["answer"] == trace.answer and run["prompt"] == trace.prompt and run["run_scores"] == {"h": None}
    luck = run["arrays"]["luck"]
    assert np.frombuffer(base64.b64decode(luck["data"]), luck["dtype"]).tobytes() == trace.luck.tobytes()
    assert zlib.crc32(base64.b64decode(luck["data"])) == luck["crc32"]


def test_exporting_what_is_not_visible_is_not_found(store: Store) -> None:
    uid = add(store, owner="ann")
    with pytest.raises(NotFound):
        exported(store, uid)
    assert exported(store) == json.dumps({"format": FORMAT, "version": 1, "runs": 0}) + "\n"


def test_the_same_run_twice_is_skipped_and_another_one_with_its_uid_gets_a_new_uid(store: Store, other: Store) -> None:
    uid = add(store, 1, uid="shared")
    text = exported(store, uid)
    assert import_runs(other, text + text.split("\n", 1)[1], owner="local").skipped == (uid,)
    assert import_runs(other, text, owner="local").skipped == (uid,) and total(other) == 1
    other.runs.update(uid, viewer="local", title="relabelled")
    assert import_runs(other, text, owner="local").skipped == (uid,)
    assert other.runs.header(uid, viewer="local").title == "relabelled", "a skipped run is left alone"
    with Store(store.path.with_name("third.db")) as third:
        add(third, 2, uid="shared")
        report = import_runs(other, exported(third, "shared"), owner="local")
    (new,) = report.added
    assert new != uid and dict(report.renamed) == {uid: new}
    assert_same_trace(other.runs.get(uid, viewer="local").trace, small_trace(1))
    assert_same_trace(other.runs.get(new, viewer="local").trace, small_trace(2))


def test_importing_somebody_elses_run_reveals_nothing_and_gives_a_new_uid(store: Store, other: Store) -> None:
    uid = add(store)
    text = exported(store, uid)
    import_runs(other, text, owner="ann")
    report = import_runs(other, text, owner="bob")
    assert len(report.added) == 1 and report.added[0] != uid and report.skipped == ()
    assert_same_trace(other.runs.get(report.added[0], viewer="bob").trace, small_trace())


def test_a_deleted_run_can_be_imported_again(store: Store) -> None:
    uid = add(store)
    text = exported(store, uid)
    store.runs.delete([uid], viewer="local")
    (new,) = import_runs(store, text, owner="local").added
    assert_same_trace(store.runs.get(new, viewer="local").trace, small_trace())


def test_examples_are_imported_once_however_often(store: Store, other: Store) -> None:
    text = exported(store, add(store))
    for _ in range(3):
        import_runs(other, text, owner="examples", example=True)
    (row,) = other.runs.list(RunQuery("ann")).rows
    assert row.example


def family(store: Store) -> tuple[list[str], list[Any]]:
    parent = small_trace(1, 20)
    child = continued(parent, 15, 2, 25)
    leaf = continued(child, 20, 3, 25)
    first = store.runs.add(parent, status="finished", run_scores={})
    second = store.runs.add(child, status="finished", run_scores={}, parent=first, fork_position=15)
    third = store.runs.add(leaf, status="finished", run_scores={}, parent=second, fork_position=20)
    return [first, second, third], [parent, child, leaf]


def test_forks_find_their_parents_whatever_the_order_of_lines(store: Store, other: Store) -> None:
    uids, traces = family(store)
    report = import_runs(other, exported(store, uids[2], uids[0], uids[1]), owner="local")
    assert report.added == (uids[2], uids[0], uids[1]) and report.unlinked == ()
    for uid, trace in zip(uids, traces, strict=True):
        assert_same_trace(other.runs.get(uid, viewer="local").trace, trace)
    header = other.runs.header(uids[2], viewer="local")
    assert (header.parent, header.root, header.fork_position) == (uids[1], uids[0], 20)


def test_a_fork_without_its_parent_is_imported_whole_and_said_to_be_unlinked(store: Store, other: Store) -> None:
    uids, traces = family(store)
    report = import_runs(other, exported(store, uids[1]), owner="local")
    assert report.unlinked == report.added == (uids[1],)
    assert_same_trace(other.runs.get(uids[1], viewer="local").trace, traces[1])
    assert other.runs.header(uids[1], viewer="local").parent is None
    later = import_runs(other, exported(store, uids[2]), owner="local")
    assert later.unlinked == () and other.runs.header(uids[2], viewer="local").parent == uids[1]


def test_a_circle_of_parents_and_a_parent_that_does_not_fit_are_imported_unlinked(store: Store, other: Store) -> None:
    uids, traces = family(store)
    manifest, *lines = exported(store, *uids).splitlines()
    runs = [{**json.loads(line), "digest": None} for line in lines]
    runs[0] |= {"parent": uids[2], "fork_position": 3}
    report = import_runs(other, [manifest, *map(json.dumps, runs)], owner="local")
    assert set(report.added) == set(uids) and report.problems == ()
    for uid, trace in zip(uids, traces, strict=True):
        assert_same_trace(other.runs.get(uid, viewer="local").trace, trace)
    other.runs.delete(uids, viewer="local")
    runs[0] |= {"parent": None, "fork_position": None}
    runs[1] |= {"fork_position": 24}
    report = import_runs(other, [manifest, json.dumps(runs[0]), json.dumps(runs[1])], owner="local")
    assert len(report.unlinked) == 1 and len(report.added) == 2


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


def test_brackets_inside_strings_are_no_nesting(store: Store, other: Store) -> None:
    uid = add(store, title='[[[[[[[[[[[["{{{{{{{{{{\\"')
    assert import_runs(other, exported(store, uid), owner="local").added == (uid,)


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


def zipped(**files: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return target.getvalue()


def test_a_zip_with_one_file_of_lines_is_read_and_others_are_refused(store: Store, other: Store) -> None:
    uid = add(store)
    text = exported(store, uid).encode()
    archive = zipped(runs_jsonl=text, readme_txt=b"hello")
    assert import_runs(other, archive, owner="local").added == (uid,)
    bomb = zipped(runs_jsonl=MANIFEST.encode() + b" " * 50_000_000)
    assert len(bomb) < 100_000
    for data, message in (
        (zipped(a_jsonl=text, b_jsonl=text), "exactly one"),
        (zipped(readme_txt=b"hello"), "exactly one"),
        (archive[:-30], "cannot be unpacked"),
        (archive[:60] + b"\xff" * 40 + archive[100:], "cannot be unpacked"),
        (bomb, "unpacks to more than 1,000,000"),
    ):
        with pytest.raises(BadInput, match=message):
            import_runs(other, data, owner="local", limits=ImportLimits(unpacked_bytes=1_000_000))
    assert total(other) == 1


def test_windows_line_ends_blank_lines_and_a_byte_order_mark_are_harmless(store: Store, other: Store) -> None:
    uid = add(store)
    text = exported(store, uid).replace("\n", "\r\n\r\n")
    report = import_runs(other, b"\xef\xbb\xbf" + text.encode(), owner="local")
    assert report.added == (uid,) and report.problems == ()


def test_a_fatal_error_half_way_leaves_nothing(store: Store, other: Store) -> None:
    lines = exported(store, *(store.runs.add(small_trace(i, 300), status="finished", run_scores={}) for i in range(9)))
    with other.write() as session:
        pages = int(session.execute(sql("PRAGMA page_count")).scalar_one())
        session.execute(sql(f"PRAGMA max_page_count={pages + 20}"))
    with pytest.raises(UserError, match="no room left"):
        import_runs(other, lines, owner="local")
    assert total(other) == 0 and other.check().ok


@given(data=st.binary(max_size=300))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arbitrary_bytes_are_refused_or_named(other: Store, data: bytes) -> None:
    with pytest.raises(BadInput):
        import_runs(other, data, owner="local")
    report = import_runs(other, MANIFEST.encode() + data, owner="local")
    assert report.added == () and bool(report.problems) == any(line.strip() for line in data.split(b"\n"))


@given(seed=st.integers(0, 10**9))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_byte_is_never_taken_for_the_run(store: Store, other: Store, seed: int) -> None:
    line = exported(store, add(store, 3)).encode().split(b"\n")[1]  # also labels, times and digits of settings
    rng = np.random.default_rng(seed)
    changed = bytearray(line)
    changed[int(rng.integers(len(line)))] ^= int(rng.integers(1, 256))
    report = import_runs(other, MANIFEST.encode() + bytes(changed), owner="local")
    event(f"refused: {bool(report.problems)}")
    if report.problems:
        assert report.added == ()
    else:  # another way to write the same value, such as 1E-05 for 1e-05
        assert exported(other, *report.added) == exported(store, *report.added)


def test_a_line_without_digest_is_taken_at_its_word(store: Store, other: Store) -> None:
    uid = add(store)
    manifest, line, _ = exported(store, uid).split("\n")
    run = json.loads(line) | {"seed": 5}
    assert "digest does not match" in import_runs(other, [manifest, json.dumps(run)], owner="local").problems[0]
    run["digest"] = None
    import_runs(other, [manifest, json.dumps(run)], owner="local")
    assert_same_trace(other.runs.get(uid, viewer="local").trace, replace(small_trace(), seed=5))
