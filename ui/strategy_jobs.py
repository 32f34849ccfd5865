"""Answers by other strategies than plain sampling, as jobs of the workbench: what was asked, drawn, and is kept of it.

A run keeps the answer; its tree keeps what else was tried. Does not know gradio, nor how any strategy works.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from engine import strategies
from engine.errors import BadInput, UserError
from engine.tree import LIMITS, Tree
from engine.tree_json import tree_from_dict, tree_to_dict
from engine.tree_runs import graft, merge, tree_for
from engine.trials import Event, Outcome, Stopped, TokenDrawn, Trial, TrialBegun, TrialEnded, given
from engine.trials_in_tree import into_tree
from engine.types import FinishReason, GenerationRequest, Step, Trace
from ui import views
from ui.access import Viewer
from ui.live import Job, LiveDocument
from ui.tree_fields import bounds_of

if TYPE_CHECKING:
    from engine.models import LanguageModel
    from ui.tree_shelf import TreeShelf

PLAIN = "sample"
# how many times as much as a plain run one may cost on a page for everybody: trials, and tokens of all together
PUBLIC_TRIALS = 16
PUBLIC_CONTEXT = 16_384
COUNTS = ("most", "particles", "trials")
READING = "Reading the prompt…"
_NOTE = re.compile(r"Decoded by .+ \((\w+)(?:: (.+))?\)\.")


@dataclass(frozen=True)
class Asked:
    """A strategy that was asked for, with checked values of its parameters."""

    name: str
    values: Mapping[str, float]

    @property
    def side_by_side(self) -> int:
        """How many trials it draws at once at most."""
        return int(max((self.values[name] for name in COUNTS if name in self.values), default=1))


def asked_strategy(fields: Mapping[str, Any], viewer: Viewer) -> tuple[Asked | None, dict[str, Any]]:
    """The strategy among raw fields, None for plain sampling, and the fields that are left.

    strategy: a name of the registry; strategy_parameters: a mapping, or text like "trials=8". Raises BadInput.
    """
    rest = dict(fields)
    name, raw = rest.pop("strategy", None) or PLAIN, rest.pop("strategy_parameters", None)
    strategy = strategies.strategy_named(name)
    values = strategies.check(name, parameters(raw))
    for parameter in strategy.parameters:
        count = values.get(parameter.name, 0)
        if parameter.name in COUNTS and count > PUBLIC_TRIALS and not viewer.trusted:
            raise BadInput(f"{parameter.label} is {count:g}; on a page for everybody it is at most {PUBLIC_TRIALS}.")
    return (None if name == PLAIN else Asked(name, values)), rest


def parameters(raw: object) -> dict[str, object]:
    """Parameters from a mapping, or from text with name=value, commas or line breaks between. Raises BadInput."""
    if raw is None or isinstance(raw, Mapping):
        return {str(key): value for key, value in (raw or {}).items()}
    parts = [part.strip() for part in re.split(r"[,;\n]", raw)] if isinstance(raw, str) else [""]
    pairs = [part.partition("=") for part in parts if part]
    if not isinstance(raw, str) or not all(key.strip() and sign for key, sign, _ in pairs):
        raise BadInput(
            f"The strategy's parameters are {str(raw)[:40]!r}; write each as name=value, with commas between, such as "
            "trials=8."
        )
    return {key.strip(): value.strip() for key, _, value in pairs}


def parameters_text(name: str, values: Mapping[str, float] | None = None) -> str:
    """A strategy's parameters (by default those it has by itself) as the text that `parameters` reads."""
    return ", ".join(f"{key}={value!r}" for key, value in (values or strategies.check(name)).items())


def named_in(notes: object) -> Asked:
    """The strategy that the notes of a run name; plain sampling when they name none that is known here."""
    for text in notes if isinstance(notes, (list, tuple)) else ():
        found = _NOTE.fullmatch(str(text))
        if found and found[1] in strategies.STRATEGIES:
            try:
                return Asked(found[1], strategies.check(found[1], parameters(found[2])))
            except BadInput:
                continue  # by another version, whose bounds were others
    return Asked(PLAIN, {})


def continued(notes: tuple[str, ...], tokens: int) -> tuple[str, ...]:
    """The notes of a run that goes on behind so many tokens: what follows is drawn by plain sampling."""
    said = f"From token {tokens + 1:,} on by plain sampling."
    plain = named_in(notes).name in (PLAIN, "greedy") or any(text.endswith("on by plain sampling.") for text in notes)
    return notes if plain else (*notes, said)


def listed() -> list[dict[str, Any]]:
    """Every strategy with its parameters, for a script."""
    entries = []
    for strategy in strategies.STRATEGIES.values():
        about = {name: getattr(strategy, name) for name in ("name", "label", "short", "reference")}
        offered = [asdict(parameter) for parameter in strategy.parameters]
        entries.append(about | {"ignores": list(strategy.ignores), "parameters": offered})
    return entries


def check_settings(asked: Asked | None, request: GenerationRequest) -> None:
    """Raises BadInput, before anybody waits, for settings under which the strategy has nothing to choose from."""
    if asked and asked.name == "best_of_n" and request.temperature == 0.0:
        raise BadInput(
            f"At temperature 0 all {asked.side_by_side} answers would be the same: choose one above 0, or greedy "
            "decoding."
        )


def by_strategy(model: LanguageModel, job: Job, asked: Asked | None, shelf: TreeShelf, viewer: Viewer) -> Job:
    """The job of a plain run, decoded by the strategy instead. Raises BadInput where it is too large for a stranger."""
    if asked is None or job.settings is None:
        return job
    length = len(job.prompt_ids) + job.settings.max_new_tokens
    if not viewer.trusted and asked.side_by_side * length > PUBLIC_CONTEXT:
        raise BadInput(
            f"{asked.side_by_side} trials of {length:,} tokens with the prompt are too many on a page for everybody, "
            f"which reads {PUBLIC_CONTEXT:,} at once: ask for fewer trials or tokens, or shorten the prompt."
        )
    most = None if viewer.trusted else PUBLIC_TRIALS * job.settings.max_new_tokens
    decoding = Decoding(asked, job.settings, most)
    tried = TriedTree(shelf, viewer)
    return replace(
        job,
        steps=decoding.steps,
        notes=(strategies.note(asked.name, asked.values), *job.notes),
        shown_by=lambda model, job: StrategyDocument(model, job, decoding, tried),
        stored=lambda uid: tried.keep(uid, model),
    )


class Decoding:
    """A strategy at work: what it has drawn so far, and at last what came of it.

    most: how many tokens all trials together may draw, None for any number.
    """

    def __init__(self, asked: Asked, settings: GenerationRequest, most: int | None) -> None:
        self.asked = asked
        self.begun = 0
        self.drawn = 0
        self.bounded = False
        self._settings = settings
        self._most = most
        self._over = False
        self._answer: list[Step] = []
        self._trials: list[Trial] = []
        self._outcome: Outcome | None = None
        self._events: Iterator[Event] = iter(())

    def steps(self, model: LanguageModel, stopped: Stopped) -> Iterator[Step | None]:
        """The answer's tokens as they become known; None for each token of a trial."""
        name, values = self.asked.name, self.asked.values
        cancelled: Callable[[], bool] = lambda: self._over or stopped()  # noqa: E731
        self._events = strategies.start(model, self._settings, name, values, cancelled=cancelled)
        for event in self._events:
            self._take(event)
            if isinstance(event, TokenDrawn):
                yield event.step if event.trial is None else None

    def outcome(self) -> Outcome:
        """What came of it. One that is still at work ends here, with what it has; it reads nothing more for that."""
        self._over = True
        for event in self._events:
            self._take(event)
        # broken off by an error: what the answer has stands as given
        answer = tuple(given(step) for step in self._answer)
        return self._outcome or Outcome(answer, self._settings, tuple(self._trials), stopped=True)

    def _take(self, event: Event) -> None:
        if isinstance(event, TokenDrawn) and event.trial is None:
            self._answer.append(event.step)
        elif isinstance(event, TokenDrawn):
            self.drawn += 1
            # a round once begun is drawn for all trials
            if self._most is not None and self.drawn > self._most - self.asked.side_by_side:
                self._over = self.bounded = True
        elif isinstance(event, TrialBegun):
            self.begun += 1
        elif isinstance(event, TrialEnded):
            self._trials.append(event.trial)
        elif isinstance(event, Outcome):
            self._outcome = event


class TriedTree:
    """The tree of a run with everything that was tried for it, and where it is kept."""

    def __init__(self, shelf: TreeShelf, viewer: Viewer) -> None:
        self._shelf = shelf
        self._viewer = viewer
        self._tree: Tree | None = None

    def fill(self, model: LanguageModel, trace: Trace, outcome: Outcome) -> str:
        """Hang the trials beside the run; a sentence when the tree cannot hold them, else ""."""
        if not outcome.trials:
            return ""
        bounds = replace(LIMITS, nodes=bounds_of(self._viewer).nodes)
        try:
            tree = tree_for(trace, model.end_ids, tree_limits=bounds)
            tried = tree_for(trace, model.end_ids, tree_limits=bounds)
            graft(tree, trace)
            into_tree(tried, outcome)
            # what two passes of the network say of one token may differ: put together, no node gives away more than 1
            merge(tree, tried)
            tree_from_dict(tree_to_dict(tree))
        except BadInput as error:
            return f"The branches of this run are without its trials: {error}"
        self._tree = tree
        return ""

    def keep(self, uid: str, model: LanguageModel) -> str:
        """Store the tree with the run of this uid; a sentence when that fails, else ""."""
        if self._tree is None:
            return ""
        ids = {node.token_id for node in self._tree if node.token_id >= 0}
        try:
            opened = self._shelf.load(uid, self._viewer, lambda trace: model)
            words = {token_id: model.token_bytes(token_id) for token_id in ids.difference(opened.words)}
            control = opened.control | ids.intersection(model.special_ids)
            grown = replace(opened, tree=self._tree, words={**words, **opened.words}, control=control)
            self._shelf.save(grown, self._viewer)
        except UserError as error:
            return f"The trials of this run could not be kept: {error}"
        return ""


class StrategyDocument(LiveDocument):
    """The growing document of a strategy's answer; before its first token, how much has been tried."""

    def __init__(self, model: LanguageModel, job: Job, decoding: Decoding, tried: TriedTree) -> None:
        super().__init__(model, job)
        self._decoding = decoding
        self._tried = tried
        self._said = (0.0, READING)

    @property
    def text(self) -> str:
        """The document as it is now; a line in its place while the answer has no token."""
        return super().text if self.steps else views.state_line("drawing", self._standing())

    @property
    def reason(self) -> FinishReason:
        """How the answer ends."""
        steps = self._decoding.outcome().steps
        return (steps[-1].finish_reason if steps else None) or "cancelled"

    def settle(self) -> bool:
        """Whether there is an answer to keep, the best so far of a strategy that was broken off included."""
        return bool(self._decoding.outcome().steps)

    def trace(self, reason: FinishReason) -> Trace:
        """The answer as a run, whose notes say how it was decoded."""
        asked, outcome = self._decoding.asked, self._decoding.outcome()
        seconds = time.perf_counter() - self._started
        trace = strategies.record(self._model, outcome, asked.name, asked.values, seconds=seconds)
        notes = [*self._job.notes]
        if self._decoding.bounded and outcome.stopped:
            notes.append(
                f"Ended after {self._decoding.drawn:,} tokens of trials: a page for everybody draws at most "
                f"{PUBLIC_TRIALS} times as many as the answer may have."
            )
        elif outcome.stopped and outcome.trials:
            notes.append("Stopped before all trials had ended; the best of what there was is kept.")
        trace = replace(trace, finish_reason=reason, notes=tuple(notes))
        untold = self._tried.fill(self._model, trace, outcome)
        return replace(trace, notes=(*trace.notes, untold)) if untold else trace

    def _standing(self) -> str:
        """How much has been tried, told anew once a second: it is read aloud, too."""
        when, text = self._said
        if self._decoding.begun and time.monotonic() - when >= 1.0:
            begun, drawn = self._decoding.begun, self._decoding.drawn
            text = f"Drawing: {begun:,} {'trial' if begun == 1 else 'trials'} begun, {drawn:,} tokens so far."
            self._said = (time.monotonic(), text)
        return text
