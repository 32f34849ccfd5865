"""The attention chains that ship with the project: there in every store, true to the model, theirs who trace anew."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.host import ModelHost
from engine.limits import Limits
from engine.models import LanguageModel
from storage.database import Store
from tests.support.bench import ME, STRANGER, head, last
from tests.support.chains import scores_of, traced
from ui import examples
from ui.actions import Workbench
from ui.chain_shelf import KIND
from ui.chains import Chains
from ui.examples import CHAIN, FORKS, OWNER, example_uid, install, install_analysis, pack_analyses, read_analyses
from ui.forks import Forks

ROLLS, SHEEP, CAPITAL = example_uid(7), example_uid(1), example_uid(2)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "library.db") as store:
        install(store)
        yield store


@pytest.fixture
def bench(store: Store) -> Workbench:
    """The use cases where no model is loaded."""
    return Workbench(store, ModelHost(patience=0.0), Limits())


def uids(store: Store, run: str) -> list[str]:
    return [one.uid for one in store.analyses.list(run, viewer=OWNER, kind=KIND)]


@pytest.mark.parametrize("viewer", [ME, STRANGER], ids=["trusted", "stranger"])
def test_a_fresh_store_opens_the_shipped_chains_without_a_model_and_they_rest_on_the_sums_terms(bench, viewer):
    for run, answer, terms in ((ROLLS, "18", {"6", "4", " ="}), (SHEEP, "32", {"1", "7", " +", "5"})):
        document = Chains(bench).of_run(run, viewer)
        assert last(document, "s") == {"state": "finished", "message": "", "done": 0, "total": 0}
        pieces = head(document)["pieces"]
        assert "".join(pieces[slice(*head(document)["span"])]) == answer == head(document)["others"][0]["text"]
        rows = last(document, "tokens")
        assert terms <= {pieces[row[0]] for row in rows} and len({row[4] for row in rows}) >= 3, "several hops"
        least = min(last(document, "variants"), key=lambda row: row[5])
        assert least[5] < 0.05 and pieces[least[0]].strip().isalnum() | (pieces[least[0]] in terms)
        assert 0 < last(document, "confidence")["p_uqac"] < 1 and not last(document, "warnings")
        assert {"rauq", "attention_weighted_surprisal"} <= set(scores_of(bench.open_run(run, viewer)))
    assert head(Chains(bench).of_run(CAPITAL, viewer))["chain"] == ""


def test_what_ships_is_what_the_model_comes_to_today(bench: Workbench, store: Store, embedded: LanguageModel) -> None:
    bench.host.hold(embedded)
    chains = Chains(bench)
    for run in (ROLLS, SHEEP):
        shipped, today = chains.of_run(run, ME), traced(chains, run, {})
        for name, exact in (("tokens", (0, 3, 4)), ("arcs", (0, 1, 3)), ("variants", (0, 1, 2))):
            one, other = last(shipped, name), last(today, name)
            assert [[row[i] for i in exact] for row in one] == [[row[i] for i in exact] for row in other]
            for row, again in zip(one, other, strict=True):
                numbers = [i for i in range(len(row)) if i not in exact]
                assert [row[i] for i in numbers] == pytest.approx([again[i] for i in numbers], rel=2e-3, abs=1e-6), (
                    "chains are worked out in another way: run make_example_chain"
                )
        assert last(shipped, "confidence") == pytest.approx(last(today, "confidence"), rel=2e-3)
        assert head(shipped)["settings"] == head(today)["settings"] and head(shipped)["span"] == head(today)["span"]


def test_installing_again_changes_nothing_and_the_same_chains_give_the_same_file(store: Store) -> None:
    before = [uids(store, run) for run in (ROLLS, SHEEP)]
    assert [len(each) for each in before] == [1, 1] and install(store) == 0
    assert [uids(store, run) for run in (ROLLS, SHEEP)] == before
    assert pack_analyses(store, [uid for each in before for uid in each]) == CHAIN.read_bytes()
    (forks,) = store.analyses.list(ROLLS, viewer=OWNER, kind="forks")
    assert pack_analyses(store, [forks.uid]) == FORKS.read_bytes()


def test_a_newer_file_takes_the_place_of_an_older_and_what_a_visitor_traced_stays(store: Store) -> None:
    mine = store.analyses.add(ROLLS, KIND, {}, viewer=STRANGER.name)
    (older,) = uids(store, ROLLS)
    for shipped in read_analyses(CHAIN.read_bytes() + b"\0"):
        install_analysis(store, shipped)
    (newer,) = uids(store, ROLLS)
    assert newer != older and store.analyses.get(mine, viewer=STRANGER.name).header.owner == STRANGER.name
    assert len(store.analyses.list(ROLLS, viewer=OWNER, kind="forks")) == 1


def test_a_missing_file_costs_its_own_analyses_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    nothing = tmp_path / "nothing.zip"
    for lost in ("forks", "chain"):
        with Store(tmp_path / f"{lost}.db") as store:
            assert install(store, **{lost: nothing}) == examples.COUNT
            bench = Workbench(store, ModelHost(patience=0.0), Limits())
            assert bool(head(Chains(bench).of_run(ROLLS, ME))["chain"]) == (lost != "chain")
            assert bool(Forks(bench).of_run(ROLLS, ME)) == (lost != "forks")
    assert sum("is left out" in record.message and str(nothing) in record.message for record in caplog.records) == 2


def test_the_file_is_small_and_holds_nothing_that_could_run() -> None:
    assert CHAIN.stat().st_size < 2**15
    with zipfile.ZipFile(CHAIN) as archive:
        names = archive.namelist()
        assert {Path(name).suffix for name in names} == {".npy", ".json"}
        abouts = [json.loads(archive.read(name)) for name in names if name.endswith(examples.ABOUT)]
        assert {info.date_time for info in archive.infolist()} == {(2026, 1, 1, 0, 0, 0)}
    assert [about["run"] for about in abouts] == [ROLLS, SHEEP] and {about["kind"] for about in abouts} == {KIND}
