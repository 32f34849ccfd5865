"""Every token that the model reads is counted once, for whose turn it is; nothing reads outside a turn."""

from __future__ import annotations

import gc
import statistics
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

import pytest

from engine.errors import Busy
from engine.forward import ForwardBatch, ForwardPass
from engine.host import ModelHost
from engine.limits import Limits
from engine.meter import Meter
from engine.models import LanguageModel
from storage.database import Store
from tests.support.bench import FIELDS, last, lines
from tests.support.chains import SUM
from tests.support.probing import FIELDS as FIELDS_OF_PROBE
from ui.access import Viewer
from ui.actions import Workbench
from ui.branching import Branching
from ui.chains import Chains
from ui.forks import Forks
from ui.probes import Probes
from ui.quotas import QuotaLimits, Quotas
from ui.trees import Trees
from ui.turns import TurnLimits, Turnstile

# trusted as to what may be asked, bounded as to how much
ME = Viewer("person:me", "page", True, "203.0.113.5")
FORKS = {"extractor": "last_number", "draws": 2, "max_tokens": 44, "first": 36}


class OutsideATurn(RuntimeError):
    """The model was asked to read by nobody's turn."""


def bench_of(store: Store, tiny: LanguageModel, **limits: float) -> Workbench:
    """A workbench with shares, whose model refuses every pass outside a turn."""
    host = ModelHost(patience=0.0)
    host.hold(tiny)
    quotas = Quotas(QuotaLimits(tokens=int(limits.pop("tokens", 10**9)), jobs=1_000))
    bench = Workbench(store, host, Limits(), turn_limits=replace(TurnLimits.of("team"), **limits), quotas=quotas)
    read = bench.turns.read

    def listen(tokens: int) -> None:
        if not any(bench.turns.ahead(ticket) == 0 for ticket in bench.turns._all()):
            raise OutsideATurn
        read(tokens)

    host.listen(listen)
    return bench


@pytest.fixture
def store(tmp_path: object) -> Iterator[Store]:
    with Store(tmp_path / "forklore.db") as opened:  # type: ignore[operator]
        yield opened


@pytest.fixture
def bench(store: Store, tiny: LanguageModel) -> Iterator[Workbench]:
    yield bench_of(store, tiny)
    tiny.meter.listener = None


def spent(bench: Workbench) -> int:
    shares = bench.quotas.remaining(ME)
    assert shares.tokens is not None and shares.tokens_left is not None
    return shares.tokens - shares.tokens_left


def uid_of(document: str) -> str:
    return str(lines(document)[-1].get("run") or last(document, "run"))


def test_a_pass_reads_its_rows_times_its_positions(tiny: LanguageModel) -> None:
    before = tiny.meter.total
    context = ForwardPass(tiny)
    context.feed([1, 2, 3, 4, 5])
    assert tiny.meter.total - before == 5
    batch = ForwardBatch(context, 7)
    batch.feed([1] * 7)
    assert tiny.meter.total - before == 12


def test_a_prompt_and_every_token_but_the_last_are_read_once(bench: Workbench, tiny: LanguageModel) -> None:
    document = list(bench.generate(FIELDS, ME))[-1]
    head, tokens = lines(document)[0], sum('"t"' in line for line in document.split("\n"))
    assert head["prompt"] == "Tell me"
    prompt = len(tiny.encode_prompt("Tell me"))
    assert spent(bench) in (prompt + tokens - 1, prompt + tokens)


def jobs(bench: Workbench) -> dict[str, Callable[[], list[str]]]:
    """Every kind of job that the page and the endpoints have, each on what it needs."""
    branching, trees, forks = Branching(bench), Trees(bench), Forks(bench)
    chains, probes = Chains(bench), Probes(bench)
    uid = uid_of(list(bench.generate(FIELDS, ME))[-1])
    summed = uid_of(list(bench.score_text("How many?", SUM, ME))[-1])
    short = uid_of(list(bench.generate({**FIELDS, "max_new_tokens": 6, "temperature": 0}, ME))[-1])
    edit = {"edits": [{"start": 2, "stop": 3, "text": "x"}], "luck": "fresh"}
    branch = uid_of(list(branching.branch(uid, edit, ME))[-1])
    grow = {"budget": 6, "policy": "likely"}
    return {
        "generate": lambda: list(bench.generate(FIELDS, ME)),
        "best of n": lambda: list(
            bench.generate({**FIELDS, "strategy": "best_of_n", "strategy_parameters": {"trials": 2}}, ME)
        ),
        "continue": lambda: list(bench.continue_run(short, ME)),
        "score": lambda: list(bench.score_text("", "some text", ME)),
        "branch": lambda: list(branching.branch(uid, {**edit, "luck": "same"}, ME)),
        "branch of a pasted text": lambda: list(branching.branch(summed, {**edit, "luck": "same"}, ME)),
        "replicates": lambda: list(branching.replicates(branch, 3, ME)),
        "score here": lambda: list(branching.score_here(uid, ME)),
        "grow": lambda: list(trees.grow(uid, grow, ME)),
        "edit": lambda: list(trees.edit(uid, 3, "zzz", ME)),
        "forks": lambda: list(forks.run(uid, FORKS, ME)),
        "chain": lambda: list(chains.trace(summed, {}, ME)),
        "probe": lambda: list(probes.run(FIELDS_OF_PROBE, ME)),
    }


def test_every_kind_of_job_reads_within_its_turn_and_is_charged_for_all_of_it(
    bench: Workbench, tiny: LanguageModel
) -> None:
    for name, job in jobs(bench).items():
        before, charged = tiny.meter.total, spent(bench)
        documents = job()
        read = tiny.meter.total - before
        assert documents and read > 0, name
        assert spent(bench) - charged == read, name
    with pytest.raises(OutsideATurn):
        ForwardPass(tiny).feed([1])


def test_every_kind_of_job_ends_with_its_share_and_the_reason_is_told(store: Store, tiny: LanguageModel) -> None:
    """Cut after its first passes, every job says so in its last words or in a refusal, and stops reading."""
    bench = bench_of(store, tiny)
    prepared = jobs(bench)
    names = list(prepared)
    for name in names:
        bench.quotas.limits = bench.quotas._persons.limits = QuotaLimits(tokens=spent(bench) + 12, jobs=10_000)
        before = tiny.meter.total
        said, documents = "", []
        try:
            documents = prepared[name]()
        except Busy as error:
            said = str(error)
        words = said or "".join(documents[-1:])
        if name in ("score", "score here"):
            assert "tokens a day is used up" in words or last(words, "done"), "read in one pass, it may be whole"
        else:
            assert "tokens a day is used up" in words, name
        assert tiny.meter.total - before < 400, name
        assert bench.turns.waiting() == 0
    tiny.meter.listener = None


def test_a_run_that_was_cut_is_kept_and_continued_to_the_very_same_tokens(store: Store, tiny: LanguageModel) -> None:
    whole = list(bench_of(store, tiny).generate(FIELDS, ME))[-1]
    bench, ticks = bench_of(store, tiny, short_seconds=10.0), count()
    bench.turns._clock = lambda: float(next(ticks))
    document = list(bench.generate(FIELDS, ME))[-1]
    done = last(document, "problem")
    assert "Cut after 10 seconds" in done and "go on" in done
    uid = uid_of(document)
    kept = bench.store.runs.get(uid, viewer=ME.name)
    assert kept.header.status == "stopped" and 0 < len(kept.trace) < 40
    bench.turns._clock = lambda: 0.0
    list(bench.continue_run(uid, ME))
    longer = bench.store.runs.get(uid, viewer=ME.name).trace
    first = bench.store.runs.get(uid_of(whole), viewer=ME.name).trace
    assert longer.token_ids.tolist() == first.token_ids.tolist()
    tiny.meter.listener = None


def test_a_pass_that_is_counted_while_its_turn_is_ended_elsewhere_is_charged() -> None:
    counting, ended = threading.Event(), threading.Event()

    def clock() -> float:
        # in the middle of counting the first pass; the turn has this long to end meanwhile
        counting.set()
        ended.wait(0.2)
        return 0.0

    turns = Turnstile(quotas=Quotas(QuotaLimits(tokens=1_000)), clock=clock)
    reader = threading.Thread(target=turns.read, args=(5,))
    with turns.enter(ME):
        reader.start()
        assert counting.wait(60)
    ended.set()
    reader.join(60)
    assert turns.quotas.tokens_left(ME) == 1_000 - 5


def test_another_model_is_counted_too_and_the_one_before_is_let_go_of(store: Store) -> None:
    from engine.testing import tiny_model

    host = ModelHost(patience=0.0)
    read: list[int] = []
    first, second = tiny_model(seed=1), tiny_model(seed=2)
    host.hold(first)
    host.listen(read.append)
    host.hold(second)
    ForwardPass(first).feed([1, 2])
    ForwardPass(second).feed([1, 2, 3])
    assert read == [2, 3]
    gone = weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None, "the hook holds no model"


def test_counting_costs_less_than_a_thousandth_of_a_pass() -> None:
    """A pass of the embedded model takes 57 ms on two cores: 57 microseconds of its thread would be a thousandth."""
    import torch

    class Network(torch.nn.Module):
        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            return input_ids

    ids, calls = torch.zeros((1, 1), dtype=torch.long), 2_000
    plain, counted, meter = Network(), Network(), Meter()
    meter.watch(counted)

    def microseconds(network: Network) -> float:
        began = time.thread_time()
        for _ in range(calls):
            network(input_ids=ids)
        return (time.thread_time() - began) / calls * 1e6

    turns = Turnstile(TurnLimits.of("public"), Quotas(QuotaLimits.of("public")))
    meter.listener = turns.read
    with turns.enter(ME) as ticket:
        found = statistics.median(microseconds(counted) - microseconds(plain) for _ in range(7))
        assert ticket.tokens == 7 * calls
    print(f"counting a pass: {found:.2f} microseconds, {found / 57_000:.5%} of a pass of 57 ms")
    assert found < 57.0
