"""Promises under load: nothing is lost between threads and processes, and who waits too long is told so."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from engine.errors import Busy
from storage.database import Store
from storage.limits import StoreLimits
from storage.records import RunQuery
from tests.storage.examples import assert_same_trace, small_trace

THREADS = 8
INCREMENTS = 40


def count_up(store: Store, uid: str, times: int) -> None:
    """Read a number, add one, write it: what loses updates unless the lock is taken before reading."""
    for _ in range(times):
        with store.write() as session:
            value = session.execute(
                text("SELECT value FROM run_score JOIN run ON id = run_id WHERE uid = :u"), {"u": uid}
            )
            number = {"v": float(value.scalar_one()) + 1, "u": uid}
            session.execute(
                text("UPDATE run_score SET value = :v WHERE run_id = (SELECT id FROM run WHERE uid = :u)"), number
            )


def counter(store: Store, uid: str) -> float:
    with store.read() as session:
        return float(session.execute(text("SELECT value FROM run_score")).scalar_one())


@pytest.fixture
def store(tmp_path: Path):  # type: ignore[no-untyped-def]
    with Store(tmp_path / "library.db") as opened:
        yield opened


def in_threads(work, arguments) -> None:  # type: ignore[no-untyped-def]
    with ThreadPoolExecutor(THREADS) as pool:
        for future in [pool.submit(work, *each) for each in arguments]:
            future.result()


def test_eight_threads_lose_no_update(store: Store) -> None:
    uid = store.runs.add(small_trace(), status="finished", run_scores={"n": 0.0})
    in_threads(count_up, [(store, uid, INCREMENTS)] * THREADS)
    assert counter(store, uid) == THREADS * INCREMENTS


def test_two_processes_lose_no_update(store: Store, root: Path) -> None:
    uid = store.runs.add(small_trace(), status="finished", run_scores={"n": 0.0})
    command = [sys.executable, "-m", "tests.faults.test_store_concurrency", str(store.path), uid]
    with subprocess.Popen(command, cwd=root) as one, subprocess.Popen(command, cwd=root) as two:
        count_up(store, uid, INCREMENTS)
        assert (one.wait(timeout=60), two.wait(timeout=60)) == (0, 0)
    assert counter(store, uid) == (1 + 2 * 4) * INCREMENTS
    assert store.runs.list(RunQuery("local", limit=0)).total == 1 + 2 * 10 and store.check().runs == 21


def test_threads_add_label_and_read_at_once_without_losing_anything(store: Store) -> None:
    def work(worker: int) -> None:
        for step in range(6):
            seed = worker * 100 + step
            uid = store.runs.add(small_trace(seed), status="finished", run_scores={}, title=str(seed))
            store.runs.update(uid, viewer="local", tags=[f"w{worker}", f"s{step}"], note=str(seed))
            assert_same_trace(store.runs.get(uid, viewer="local").trace, small_trace(seed))
            store.runs.list(RunQuery("local", text=str(seed)))

    in_threads(work, [(worker,) for worker in range(THREADS)])
    rows = store.runs.list(RunQuery("local", limit=500)).rows
    assert {row.title for row in rows} == {str(w * 100 + s) for w in range(THREADS) for s in range(6)}
    for row in rows:
        seed = int(row.title)
        assert row.note == row.title and row.tags == (f"s{seed % 100}", f"w{seed // 100}")


def test_different_labels_of_one_run_changed_at_once_are_all_kept(store: Store) -> None:
    uid = store.runs.add(small_trace(), status="finished", run_scores={})
    barrier = threading.Barrier(3)

    def change(**labels: object) -> None:
        barrier.wait()
        for _ in range(15):
            store.runs.update(uid, viewer="local", **labels)  # type: ignore[arg-type]

    with ThreadPoolExecutor(3) as pool:
        changes = [{"title": "t"}, {"note": "n"}, {"tags": ["a"]}]
        for future in [pool.submit(change, **labels) for labels in changes]:
            future.result()
    header = store.runs.header(uid, viewer="local")
    assert (header.title, header.note, header.tags) == ("t", "n", ("a",))


def test_a_reader_sees_one_moment_while_others_write(store: Store) -> None:
    store.runs.add(small_trace(1), status="finished", run_scores={})
    with store.read() as session:
        before = session.execute(text("SELECT count(*) FROM run")).scalar()
        store.runs.add(small_trace(2), status="finished", run_scores={})
        assert session.execute(text("SELECT count(*) FROM run")).scalar() == before == 1
    assert store.runs.list(RunQuery("local")).total == 2


@pytest.mark.parametrize("holder", ["another program", "another thread"])
def test_who_waits_too_long_gets_a_sentence_and_may_try_again(tmp_path: Path, holder: str) -> None:
    with Store(tmp_path / "library.db", limits=StoreLimits(busy_seconds=0.3)) as store:
        released = threading.Event()
        held = threading.Event()

        def hold() -> None:
            if holder == "another thread":
                with store.write():
                    held.set()
                    released.wait(10)
                return
            with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                held.set()
                released.wait(10)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(10)
        started = time.monotonic()
        try:
            with pytest.raises(Busy, match=r"busy with another save.*try again"):
                store.runs.add(small_trace(), status="finished", run_scores={})
            assert 0.2 < time.monotonic() - started < 3
            assert store.runs.list(RunQuery("local")).total == 0, "reading goes on"
        finally:
            released.set()
            thread.join()
        assert store.runs.add(small_trace(), status="finished", run_scores={})


def test_connections_and_files_do_not_grow_over_many_calls(store: Store) -> None:
    uid = store.runs.add(small_trace(), status="finished", run_scores={})

    def handles() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(20):
        store.runs.get(uid, viewer="local")
        store.runs.update(uid, viewer="local", title="x")
    before = handles()
    for _ in range(200):
        store.runs.get(uid, viewer="local")
        store.runs.update(uid, viewer="local", title="x")
    assert handles() <= before
    store.close()
    assert not [p for p in store.path.parent.iterdir() if p.name.endswith(("-wal", "-shm"))]


def main() -> None:
    """The other process of the test above: four threads that count, and ten new runs."""
    with Store(sys.argv[1]) as store:
        threads = [threading.Thread(target=count_up, args=(store, sys.argv[2], INCREMENTS)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for seed in range(10):
            store.runs.add(small_trace(os.getpid() * 100 + seed), status="finished", run_scores={})
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main()
