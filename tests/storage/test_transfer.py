"""Promises of exchange: exact floats through text, everything checked, caps kept, good lines in and bad ones named."""

from __future__ import annotations

import base64
import io
import json
import zipfile
import zlib
from dataclasses import replace
from datetime import UTC, datetime
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
from storage.transfer import FORMAT, import_runs
from tests.storage.examples import assert_same_trace, continued, small_trace
from tests.storage.exchanges import MANIFEST, add, exported, total


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


def test_a_deleted_run_comes_back_as_it_was_exported(store: Store) -> None:
    uid = add(store, title="as exported", tags=("a",), note="n", run_scores={"h": 0.1})
    text = exported(store, uid)
    store.runs.update(uid, viewer="local", title="later", tags=["b"], note="")
    store.runs.delete([uid], viewer="local")
    assert import_runs(store, text, owner="local").added == (uid,)
    assert exported(store, uid) == text
    assert store.runs.list(RunQuery("local", text="as exported")).total == 1 and store.check().ok
    assert import_runs(store, text, owner="local").skipped == (uid,) and total(store) == 1


def test_somebody_elses_deleted_run_does_not_come_back(store: Store) -> None:
    uid = add(store)
    text = exported(store, uid)
    store.runs.delete([uid], viewer="local")
    (new,) = import_runs(store, text, owner="ann").added
    assert new != uid and total(store) == 0
    assert import_runs(store, text, owner="ann").skipped == (new,)


def test_everything_exported_and_imported_again_and_again_adds_nothing(store: Store, other: Store) -> None:
    for each in (store, other):  # two machines with the same examples
        add(each, 7, uid="example-1-1", owner="examples", example=True, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    uid = add(store, 1)
    text = exported(store, uid, "example-1-1")
    assert import_runs(other, text, owner="local").added == (uid,)
    for target in (store, other):
        for _ in range(2):
            report = import_runs(target, text, owner="local")
            assert (report.added, report.skipped, dict(report.renamed)) == ((), (uid, "example-1-1"), {})
        assert total(target) == 2


@pytest.mark.parametrize("number", ["a score of a run", "a token's score"])
@pytest.mark.parametrize("example", [True, False])
def test_a_run_that_differs_in_one_number_is_another_run(
    store: Store, other: Store, example: bool, number: str
) -> None:
    owner = "examples" if example else "local"
    trace, scores = small_trace(4), {"h": 0.1}
    changed = replace(trace, scores={**trace.scores, "score 1 ü": trace.scores["score 1 ü"].copy()})
    changed.scores["score 1 ü"][5] = np.nextafter(np.float32(1.5), np.float32(2))
    ours: dict[str, Any] = {"uid": "same", "owner": owner, "example": example, "status": "finished"}
    store.runs.add(trace, run_scores=scores, **ours)
    different = (changed, scores) if number == "a token's score" else (trace, {"h": 0.1 + 2**-56})
    assert different[1] != scores or number == "a token's score"
    other.runs.add(different[0], run_scores=different[1], uid="same", status="finished")
    text = exported(other, "same")
    (new,) = import_runs(store, text, owner="local").added
    assert new != "same" and total(store) == 2
    assert_same_trace(store.runs.get("same", viewer="local").trace, trace)
    assert_same_trace(store.runs.get(new, viewer="local").trace, different[0])
    assert dict(store.runs.header(new, viewer="local").run_scores) == different[1]
    again = import_runs(store, text, owner="local")
    assert (again.skipped, dict(again.renamed)) == ((new,), {"same": new}), "its copy is known by what it holds"


def test_a_damaged_run_is_mended_by_its_export(store: Store) -> None:
    uid = add(store, 3)
    text = exported(store, uid)
    with store.write() as session:
        session.execute(sql("UPDATE run_array SET crc32 = 0 WHERE name = 'luck'"))
    (new,) = import_runs(store, text, owner="local").added
    assert new != uid
    assert_same_trace(store.runs.get(new, viewer="local").trace, small_trace(3))
    assert import_runs(store, text, owner="local").skipped == (new,)


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
    other.runs.purge(before=datetime.now(UTC))
    runs[0] |= {"parent": None, "fork_position": None}
    runs[1] |= {"fork_position": 24}
    report = import_runs(other, [manifest, json.dumps(runs[0]), json.dumps(runs[1])], owner="local")
    assert len(report.unlinked) == 1 and len(report.added) == 2


def test_brackets_inside_strings_are_no_nesting(store: Store, other: Store) -> None:
    uid = add(store, title='[[[[[[[[[[[["{{{{{{{{{{\\"')
    assert import_runs(other, exported(store, uid), owner="local").added == (uid,)


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
