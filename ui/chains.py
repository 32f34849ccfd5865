"""Attention chains as a person uses them: see which answers a run has, trace one, stop, open what was traced.

Engine and store meet here; a chain is kept with the run it is of and opens without the model. Does not know gradio or
how a chain is drawn.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

from engine import lent_gpu
from engine.answer_span import AnswerSpan, find_answers
from engine.attention_chain import AttentionChain, ChainProgress, steps
from engine.chain_settings import ChainSettings
from engine.errors import BadInput, Busy, NotFound, StoreDamaged, UserError
from engine.models import LanguageModel
from engine.resume import check_same_model
from storage.records import StoredAnalysis, StoredRun
from ui import chain_view
from ui.access import Viewer
from ui.actions import Workbench, patiently
from ui.chain_fields import check_length, settings_of, span_of, to_plain
from ui.chain_record import from_stored, to_arrays, to_result, words_of
from ui.chain_shelf import KIND, finished_chains
from ui.chain_view import Opened, Standing
from ui.turns import Ticket

FRAME_SECONDS = 0.2
POLL_SECONDS = 0.25
LOAD_IT = "load it to trace its answer"
NOTHING_KEPT = "Nothing of this trace was kept."
NO_ANSWER = "No answer was found by itself: select its tokens below."
GIVING_WAY = "Somebody's short job goes first."
OLDER = "A newer chain of this run is damaged and cannot be opened; this is the one before it."
NONE_READABLE = "What was traced in this run is damaged and cannot be opened: trace its answer again."
NO_TOKENS = "This run has no tokens: there is nothing an answer could rest on."
IMPORTED = "This run was imported as log-probabilities: its model is not here, so its attention is unknown."
# chains of one run that a stranger keeps; older ones make room
KEPT_A_RUN = 20


class Chains:
    """The use cases, over one workbench."""

    def __init__(self, workbench: Workbench) -> None:
        self._bench = workbench
        self._store = workbench.store

    def of_run(self, run: str, viewer: Viewer) -> str:
        """The document of a run's newest chain that can be read, else of what could be traced. Raises NotFound,
        StoreDamaged where the run itself is damaged, BadInput where it has no tokens."""
        found, lost = finished_chains(self._store, run, viewer)
        for one in found:
            try:
                return self.open(one.uid, viewer, OLDER if lost else "")
            except StoreDamaged as error:
                lost = True
                logging.getLogger("forklore").warning("an attention chain cannot be opened: %s", error)
        return self.offer(run, viewer, NONE_READABLE if lost else "")

    def offer(self, run: str, viewer: Viewer, note: str = "") -> str:
        """The document of a run that nothing was traced in: the answers that are found. Raises NotFound, BadInput."""
        stored = self._store.runs.get(run, viewer=viewer.name)
        found = find_answers(stored.trace)
        opened = self._opened(stored, viewer, found[0] if found else None, ChainSettings())
        return chain_view.header_line(opened) + chain_view.standing_line(
            Standing("idle", note or ("" if found else NO_ANSWER))
        )

    def open(self, uid: str, viewer: Viewer, note: str = "") -> str:
        """The document of a stored chain, with a note beside it. Raises NotFound, StoreDamaged."""
        stored, run, chain = self._chain(uid, viewer)
        span = AnswerSpan(*chain.span, str(stored.header.result.get("text", "")))
        opened = replace(self._opened(run, viewer, span, chain.settings), uid=uid)
        return self._document(opened, chain, words_of(stored.header.result), Standing("finished", note))

    def trace(self, run: str, fields: Mapping[str, Any], viewer: Viewer) -> Iterator[str]:
        """Trace an answer of a run, yielding documents; the last one is what was stored. fields: as
        `chain_fields.settings_of` takes them, with start and stop of the answer. Raises UserError."""
        stored = self._store.runs.get(run, viewer=viewer.name)
        if stored.trace.kind == "import":
            raise BadInput(IMPORTED)
        if not len(stored.trace):
            raise BadInput(NO_TOKENS)
        settings, span = settings_of(fields, viewer), check_length(span_of(fields, stored.trace), viewer)
        if self._bench.host.state.status == "ready":
            check_same_model(stored.trace.model, self._bench.host.model().card, LOAD_IT)
        opened = self._opened(stored, viewer, span, settings)
        header = chain_view.header_line(opened)
        with self._bench.turns.enter(viewer, long=True) as ticket:
            yield header + chain_view.standing_line(Standing("waiting", "Waiting for the model."))
            model = yield from self._bench.wait_telling(
                ticket, lambda said: header + chain_view.standing_line(Standing("waiting", said))
            )
            if model is None:
                yield self._as_it_was(run, viewer)
                return
            check_same_model(stored.trace.model, model.card, LOAD_IT)
            yield from self._traced(model, opened, span, ticket, viewer)

    def analyses(self, run: str, viewer: Viewer) -> list[dict[str, Any]]:
        """The chains of a run that this person may open, newest first: uid, text, start, stop, created. Raises
        NotFound, StoreDamaged."""
        self._store.runs.header(run, viewer=viewer.name)
        return [dict(one) for one in self._listed(run, viewer)]

    def _traced(
        self, model: LanguageModel, opened: Opened, span: AnswerSpan, ticket: Ticket, viewer: Viewer
    ) -> Iterator[str]:
        trace, run = opened.run.trace, opened.run.header.uid
        progress, shown = ChainProgress("reading", 0, len(trace.prompt_ids) + len(trace)), 0.0
        read = 2 * (len(trace.prompt_ids) + len(trace))
        asked = model, trace, (span.start, span.stop), opened.settings
        work = lent_gpu.steps(steps, *asked, tokens=read, cancelled=ticket.stopped)
        with closing(work):  # type: ignore[type-var]
            for progress in work:
                if time.monotonic() - shown >= FRAME_SECONDS:
                    yield self._document(
                        opened, progress.chain, self._words(model, progress.chain), chain_view.standing_of(progress)
                    )
                    shown = time.monotonic()
                yield from self._give_way(ticket, opened)
        if progress.chain is None:
            if ticket.cut:
                raise Busy(ticket.cut)
            yield self._as_it_was(run, viewer)
            return
        chain = _as_far_as_it_came(progress.chain)
        words = self._words(model, chain)
        try:
            uid = self._keep(run, chain, span.text, words, viewer)
        except UserError as error:
            standing = Standing("failed", f"This chain could not be stored: {error}")
            yield self._document(opened, chain, words, standing)
            return
        now = replace(opened, uid=uid, others=self._listed(run, viewer))
        yield self._document(now, chain, words, Standing("finished", ticket.cut if chain is not progress.chain else ""))

    def _give_way(self, ticket: Ticket, opened: Opened) -> Iterator[str]:
        """Between two steps: let somebody's short job go first."""
        turns = self._bench.turns
        if turns.give_way(ticket):
            yield chain_view.header_line(opened) + chain_view.standing_line(Standing("running", GIVING_WAY))
            while not turns.wait(ticket, POLL_SECONDS) and not ticket.cancelled.is_set():
                pass

    def _keep(self, run: str, chain: AttentionChain, text: str, words: Mapping[int, bytes], viewer: Viewer) -> str:
        analyses, name = self._store.analyses, viewer.name
        uid = patiently(lambda: analyses.add(run, KIND, to_plain(chain.settings), viewer=name))
        patiently(lambda: analyses.save(
            uid, viewer=name, arrays=to_arrays(chain), status="finished", result=to_result(chain, text, words)
        ))  # fmt: skip
        self._forget_same(run, uid, chain, viewer)
        self._make_room(run, viewer)
        return uid

    def _forget_same(self, run: str, uid: str, chain: AttentionChain, viewer: Viewer) -> None:
        """The same question again replaces what was traced before."""
        for one in finished_chains(self._store, run, viewer)[0]:
            same = one.settings == to_plain(chain.settings) and tuple(one.result["span"]) == chain.span
            if same and one.uid != uid and one.owner == viewer.name:
                with suppress(UserError):
                    self._store.analyses.delete(one.uid, viewer=viewer.name)

    def _make_room(self, run: str, viewer: Viewer) -> None:
        """Forget a stranger's oldest chains of a run, beyond the newest KEPT_A_RUN."""
        if viewer.trusted:
            return
        with suppress(UserError):
            found = self._store.analyses.list(run, viewer=viewer.name, kind=KIND)
            for each in [one for one in found if one.owner == viewer.name][:-KEPT_A_RUN]:
                self._store.analyses.delete(each.uid, viewer=viewer.name)

    def _as_it_was(self, run: str, viewer: Viewer) -> str:
        """What is on show when a trace was stopped before there was a chain."""
        document = self.of_run(run, viewer)
        return document[: document.rindex("\n", 0, -1) + 1] + chain_view.standing_line(
            Standing("stopped", NOTHING_KEPT)
        )

    def _opened(self, run: StoredRun, viewer: Viewer, span: AnswerSpan | None, settings: ChainSettings) -> Opened:
        if not len(run.trace):
            raise BadInput(NO_TOKENS)
        return Opened(
            run, find_answers(run.trace), span, settings, others=self._listed(run.header.uid, viewer),
            note=self._note(run),
        )  # fmt: skip

    def _note(self, run: StoredRun) -> str:
        """Why this run cannot be traced now, "" where it can."""
        if run.trace.kind == "import":
            return IMPORTED
        if self._bench.host.state.status != "ready":
            return ""
        with suppress(UserError):
            check_same_model(run.trace.model, self._bench.host.model().card, LOAD_IT)
            return ""
        return f"This run was made by {run.trace.model.name}, which is not loaded: load it to trace its answer."

    def _listed(self, run: str, viewer: Viewer) -> tuple[dict[str, Any], ...]:
        """The finished chains of a run that can be read, for the page's choice, newest first."""
        return chain_view.others_of(finished_chains(self._store, run, viewer)[0])

    def _chain(self, uid: str, viewer: Viewer) -> tuple[StoredAnalysis, StoredRun, AttentionChain]:
        try:
            stored = self._store.analyses.get(uid, viewer=viewer.name)
        except NotFound as error:
            # the store's sentence may name a run that is none of theirs
            raise _no_chain(uid) from error
        if stored.header.kind != KIND:
            raise _no_chain(uid)
        run = self._store.runs.get(stored.header.run, viewer=viewer.name)
        chain = from_stored(stored.header.settings, stored.header.result, stored.arrays, uid)
        return stored, run, chain

    def _words(self, model: LanguageModel, chain: AttentionChain | None) -> dict[int, bytes]:
        return {one.token_id: model.token_bytes(one.token_id) for one in chain.variants} if chain else {}

    def _document(
        self, opened: Opened, chain: AttentionChain | None, words: Mapping[int, bytes], standing: Standing
    ) -> str:
        known = chain_view.chain_lines(opened.run.trace, chain, words) if chain else ""
        return chain_view.header_line(opened) + known + chain_view.standing_line(standing)


def _no_chain(uid: str) -> NotFound:
    return NotFound(f"There is no attention chain {str(uid)[:64]!a} here; open the run to see which there are.")


def _as_far_as_it_came(chain: AttentionChain) -> AttentionChain:
    """The chain with a word on what is missing where its substitutes were not all tried."""
    tried = sum(math.isfinite(one.p_answer) for one in chain.variants)
    if tried == len(chain.variants):
        return chain
    said = (
        f"Stopped after {tried:,} of {len(chain.variants):,} substitutes: the confidence along the chain (UQAC) is the "
        "sum over all of them, so it is not known."
    )
    return replace(chain, warnings=(*chain.warnings, said))
