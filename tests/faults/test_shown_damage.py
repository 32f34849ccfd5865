"""A promise for bad disks, as people see it: what is shown of a damaged library was there or is said to be damaged.

Runs with their families, forks, chains, trees and probes, sessions with their results, a team's people. Tried on
damaged copies of a whole library, and on ones with a torn write-ahead log: as it was after one of its writes.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import generate
from engine.errors import NotFound, StoreDamaged
from engine.models import LanguageModel
from engine.types import GenerationRequest
from storage.database import Store
from storage.records import RunQuery
from tests.faults.counts import DAMAGED_SHOWN, TORN_LOGS
from tests.faults.test_store_damage import WAYS
from tests.support.bench import ME, bench_of
from tests.support.jobs import KINDS, SHORT
from tests.support.sessions import OWNER, label, make
from ui.annotating import Annotating
from ui.chains import NONE_READABLE as chains_unreadable
from ui.chains import Chains
from ui.forks import NONE_READABLE as forks_unreadable
from ui.forks import Forks
from ui.people import People
from ui.probes import Probes
from ui.session_results import Results
from ui.shelf import Shelf
from ui.trees import Trees

MADE = ("plain sampling", "branch, fresh luck", "replicates", "tree, likely", "probe", "forks", "chain")
# what a price is reckoned from: measured anew wherever the page is opened
VIEWS_A_COPY = 16
PASSING = {"about", "pace", "speed", "seconds_per_token", "left"}
Views = dict[str, Callable[[], object]]
Shown = dict[str, list[str]]

# what fails once fails again
pytestmark = pytest.mark.usefixtures("same_every_time")


class Library:
    """Where everything stands in the library that the copies are of."""

    def __init__(self, model: LanguageModel, path: Path) -> None:
        self.model, self.path = model, path
        ten = generate.run(model, GenerationRequest(**SHORT))
        with Store(path) as store:
            bench = bench_of(model, store)
            for kind in KINDS:
                if kind.name in MADE:
                    list(kind.begin(bench, ten))
            self.runs = [row.uid for row in store.runs.list(RunQuery(ME.name, limit=500)).rows]
            found = {run: store.analyses.list(run, viewer=ME.name) for run in self.runs}
            self.analyses = {one.uid: one.kind for of_run in found.values() for one in of_run}
            self.analyses_of = {run: [one.uid for one in of_run] for run, of_run in found.items()}
            desk = make(store, self.runs[:4], overlap=2)
            self.session = desk.session
            people = [desk.invite("Ada"), desk.invite("Grace")]
            self.items: list[tuple[str, str]] = []
            for number, person in enumerate(people * 4):
                item = person.next()["item"]
                person.submit("yes" if number % 3 else "no", label(0, 1 + number % 3))
                self.items.append((person.link, item))
            desk.results.adjudicate(self.session, self.items[0][1], None, "so", 4, "A", "", OWNER)
            self.secrets = [store.people.add(name)[1] for name in ("Ada", "Grace")]

    def views(self, store: Store) -> Views:
        """All that people see, each by itself."""
        bench = bench_of(self.model, store)
        forks, chains, results = Forks(bench), Chains(bench), Results(store)
        opening: dict[str, Callable[[str], object]] = {
            "forks": lambda uid: forks.open(uid, ME),
            "chain": lambda uid: chains.open(uid, ME),
            "probe": lambda uid: Probes(bench).open(uid, ME),
        }
        views: Views = {
            f"{kind} {uid}": lambda uid=uid, kind=kind: opening[kind](uid)  # type: ignore[misc]
            for uid, kind in self.analyses.items()
            if kind in opening
        }
        of_run = {
            "forks": lambda run: forks.of_run(run, ME),
            "chain": lambda run: chains.of_run(run, ME),
            "tree": lambda run: Trees(bench).open(run, ME),
        }
        for run in self.runs:
            views[f"run {run}"] = lambda run=run: bench.documents.open(run, ME)  # type: ignore[misc]
            views[f"lists of {run}"] = lambda run=run: [*forks.analyses(run, ME), *chains.analyses(run, ME)]  # type: ignore[misc]
            for kind in {self.analyses[uid] for uid in self.analyses_of[run]} & set(of_run):
                views[f"{kind} of {run}"] = lambda run=run, kind=kind: of_run[kind](run)  # type: ignore[misc]
        views |= {
            "session": lambda: results.overview(self.session, "", OWNER),
            "items": lambda: results.items(self.session, 0, 100, "", OWNER),
            "agreement": lambda: results.agreement(self.session, "question:correct", "", OWNER),
            "scores": lambda: results.scores(self.session, "question:correct", "majority", "no", "", OWNER),
            "disputes": lambda: results.disputes(self.session, "", OWNER),
            "dispute": lambda: results.dispute(self.session, self.items[0][1], "", OWNER),
            "session file": lambda: results.export(self.session, "jsonl", False, "", OWNER),
            "library": lambda: listed(Shelf(store).listing({}, ME)),
            "people": lambda: [(one.uid, one.name, one.revoked) for one in store.people.list()],
        }
        for number, (link, item) in enumerate(self.items):
            views[f"item {number}"] = lambda link=link, item=item: Annotating(store).item("", item, link, OWNER)  # type: ignore[misc]
        for number, secret in enumerate(self.secrets):
            views[f"who {number}"] = lambda secret=secret: [getattr(People(store).known_by(secret), "label", None)]  # type: ignore[misc]
        return views


def listed(document: str) -> str:
    """The rows of the library but for those that are said to be damaged, and how many there are in all."""
    found = json.loads(document)
    rows = [row for row in found["rows"] if not row["damaged"]]
    return "\n".join(json.dumps(line) for line in [{"total": found["total"]}, *rows])


def lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: lasting(part) for name, part in value.items() if name not in PASSING}
    return [lasting(part) for part in value] if isinstance(value, list | tuple) else value


def lines_of(shown: object) -> list[str]:
    """What a view shows, as lines that stand for themselves."""
    values = [json.loads(line) for line in shown.split("\n") if line] if isinstance(shown, str) else [shown]
    return [json.dumps(lasting(value), sort_keys=True) for value in values]


def read(views: Views) -> tuple[Shown, list[str]]:
    """What every view shows, and the names of those that say they are damaged."""
    shown: Shown = {}
    damaged: list[str] = []
    for name, view in views.items():
        try:
            shown[name] = lines_of(view())
        except (StoreDamaged, NotFound) as refused:
            # a row whose name is lost is not found: a sentence all the same, and no number
            assert str(refused).endswith("."), str(refused)
            damaged.append(name)
    return shown, damaged


@pytest.fixture(scope="module")
def library(same_every_time: None, tiny: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(tiny, tmp_path_factory.mktemp("sound") / "library.db")


class Known:
    """Every line that a view may show: of the whole library, and where that is not all, of ones that lack a run or an
    analysis."""

    def __init__(self, library: Library, folder: Path) -> None:
        self._library, self._folder = library, folder
        with Store(library.path) as store:
            self._whole = {name: set(lines_of(view())) for name, view in library.views(store).items()}
        self._lacking: dict[str, set[str]] = {}

    def unknown(self, shown: Shown) -> list[str]:
        """What is shown that no sound library shows."""
        found = []
        for name, lines in shown.items():
            if left := set(lines) - self._whole[name]:
                found += [f"{name}: {line}" for line in left - self._with_less(name)]
        return found

    def _with_less(self, name: str) -> set[str]:
        if name not in self._lacking:
            self._lacking[name] = set()
            for gone in [*self._library.runs, *self._library.analyses]:
                with Store(self._without(gone)) as store, suppress(NotFound):
                    self._lacking[name].update(lines_of(self._library.views(store)[name]()))
                    self._lacking[name].update(self._offered(name, store))
        return self._lacking[name]

    def _without(self, gone: str) -> Path:
        path = self._folder / f"{gone}.db"
        if not path.exists():
            shutil.copy(self._library.path, path)
            with Store(path) as store:
                if gone in self._library.analyses:
                    store.analyses.delete(gone, viewer=ME.name)
                else:
                    store.runs.delete([gone], viewer=ME.name)
        return path

    def _offered(self, name: str, store: Store) -> list[str]:
        """What stands in the place of an analysis that cannot be opened."""
        kind, _, run = name.partition(" of ")
        bench = bench_of(self._library.model, store)
        if kind == "forks":
            return lines_of(Forks(bench).offer(run, ME, forks_unreadable))
        return lines_of(Chains(bench).offer(run, ME, chains_unreadable)) if kind == "chain" else []


@pytest.fixture(scope="module")
def known(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Known:
    return Known(library, tmp_path_factory.mktemp("lacking"))


def test_what_is_shown_of_a_damaged_library_was_there_or_is_said_to_be_damaged(
    library: Library, known: Known, tmp_path: Path
) -> None:
    content = library.path.read_bytes()
    seen: Counter[str] = Counter()
    for copy in range(DAMAGED_SHOWN):
        changed = bytearray(content)
        rng = np.random.default_rng([copy, 7])
        WAYS[copy % len(WAYS)](changed, rng)
        path = tmp_path / f"copy{copy}.db"
        path.write_bytes(changed)
        try:
            store = Store(path)
        except StoreDamaged:
            seen["refused"] += 1
            continue
        with store:
            views = library.views(store)
            chosen = rng.choice(sorted(views), VIEWS_A_COPY, replace=False)
            shown, damaged = read({name: views[name] for name in chosen})
        assert known.unknown(shown) == [], copy
        seen["exact"] += len(shown)
        seen["damaged"] += len(damaged)
    print(dict(seen))
    assert seen["exact"] > seen["damaged"] > DAMAGED_SHOWN / 2 and seen["refused"] > 0, seen


def written_one_by_one(library: Library, path: Path) -> Iterator[None]:
    """Writes of several kinds to the library, each done when this yields."""
    with Store(path) as store:
        yield
        for number in range(4):
            trace = generate.run(library.model, GenerationRequest("Tell me", max_new_tokens=6, seed=number))
            store.runs.add(trace, status="finished", run_scores={"h": 1.0}, title=f"new {number}", uid=f"new-{number}")
            yield
            store.runs.update(library.runs[number], viewer=ME.name, title=f"title {number}", note="n" * 3_000)
            yield
            store.people.remove("Ada") if number % 2 else store.people.renew("Ada")
            yield
            results = Results(store)
            results.adjudicate(library.session, library.items[number][1], None, "", 1 + number, "A", "", OWNER)
            yield


def test_a_torn_log_shows_the_library_as_it_was_after_one_of_its_writes(library: Library, tmp_path: Path) -> None:
    path, torn = tmp_path / "library.db", tmp_path / "torn.db"
    shutil.copy(library.path, path)
    log = path.with_name(path.name + "-wal")

    def state(at: Path) -> tuple[str, ...]:
        with Store(at) as store:
            runs = [(row.uid, row.title, row.note, row.damaged) for row in store.runs.list(RunQuery(ME.name)).rows]
            news = [store.runs.get(uid, viewer=ME.name).trace.text for uid, *_ in runs if uid.startswith("new")]
            people = [*store.people.list(), store.people.by_secret(library.secrets[0])]
            finals = [
                lines_of(Results(store).dispute(library.session, item, "", OWNER)) for _, item in library.items[:4]
            ]
            assert store.check().ok
            return tuple(map(repr, (runs, news, people, finals)))

    states: list[tuple[str, ...]] = []
    for _ in written_one_by_one(library, path):
        for name in ("", "-wal"):
            shutil.copy(f"{path}{name}", f"{torn}{name}") if Path(f"{path}{name}").exists() else None
        states.append(state(torn))
        content = path.read_bytes(), log.read_bytes() if log.exists() else b""
    assert len(set(states)) == len(states)
    seen: Counter[int] = Counter()
    for copy in range(TORN_LOGS):
        changed = bytearray(content[1])
        WAYS[copy % len(WAYS)](changed, np.random.default_rng([copy, 8]))
        for name in ("", "-wal", "-shm"):
            Path(f"{torn}{name}").unlink(missing_ok=True)
        torn.write_bytes(content[0])
        torn.with_name(torn.name + "-wal").write_bytes(changed)
        seen[states.index(state(torn))] += 1
    print(dict(seen))
    assert len(seen) >= TORN_LOGS / 4, "the logs were torn at too few places: the test shows nothing"
