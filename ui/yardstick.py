"""What a branch is held against: the same intervention with fresh noise, many times, and where the branch lies among
them. A branch whose luck was inferred is averaged over as many posterior draws.

Works on opened runs; does not know the store or who is asking.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from engine import distance
from engine.counterfactual import plan
from engine.edits import Held
from engine.errors import BadInput
from engine.hindsight import FEWEST_DRAWS
from engine.models import LanguageModel
from engine.replicates import MOST, Replicate, replicates
from engine.resume import check_same_model
from engine.stickiness import stickiness_along
from engine.types import HINDSIGHT_VERSION, GenerationRequest
from storage.records import StoredRun
from ui.numbers import whole
from ui.origins import REPLICATES, behind, held_tokens, spoken
from ui.wire import number

TEXT_CHARS = 200
# beyond those of fresh branches, so that no branch is its own yardstick
REPLICATE_STREAMS = 500_000


def check_count(value: object, most: int = MOST) -> int:
    """How many replicates were asked for; BadInput unless it is from 1 to `most`."""
    return whole("The number of replicates", value, 1, most, REPLICATES)


class Yardstick:
    """The replicates of one branch of `parent`; raises BadInput for a branch that draws nothing."""

    def __init__(self, run: StoredRun, parent: StoredRun, count: int) -> None:
        trace = run.trace
        self._run, self._parent, self._count = run, parent, count
        self._fork = min(run.header.fork_position or 0, len(trace), len(parent.trace))
        held = held_tokens(trace)
        if trace.settings is None or held >= len(trace):
            raise BadInput(
                "Nothing was drawn in this branch, so there is nothing that chance could have done otherwise."
            )
        if trace.settings.temperature == 0:
            raise BadInput("At temperature 0 nothing is left to chance: every replicate would be this branch itself.")
        rows = trace.noise_rows.tolist()
        ids = trace.token_ids.tolist()
        self._held = Held(tuple(ids[:held]), tuple(rows[:held]), rows[held], 0, self._fork)
        self._request: GenerationRequest = trace.settings
        self._factual = behind(parent.trace, self._fork)
        self._factual_ids = spoken(parent.trace, self._fork)
        self._found: list[Replicate] = []
        self._inferred: list[float] = []
        self._stickiness: list[float] = []
        self.drawn = 0
        self._model: LanguageModel | None = None
        self._texts: dict[int, str] = {}

    @property
    def settings(self) -> dict[str, Any]:
        """What the analysis was made with; tokens and text_hash tell whether the branch has grown since."""
        header = self._run.header
        return {
            "count": self._count,
            "first_stream": REPLICATE_STREAMS,
            "tokens": header.tokens,
            "text_hash": header.text_hash,
        }

    def draw(self, model: LanguageModel, stopped: Callable[[], bool]) -> Iterator[None]:
        """Draw a token of every replicate at a time; `result` says what is known. Raises ModelUnavailable."""
        check_same_model(self._run.trace.model, model.card, "load it to draw replicates")
        self._model = model
        trace = self._run.trace
        for found in replicates(
            model, trace.prompt_ids.tolist(), self._request, self._held, self._count,
            first_stream=REPLICATE_STREAMS, cancelled=stopped,
        ):  # fmt: skip
            self._found = found
            self.drawn += 1
            yield
        for value in stickiness_along(model, self._parent.trace, trace, self._fork, stopped):
            self._stickiness.append(value)
            yield
        if trace.noise_version == HINDSIGHT_VERSION:
            for value in self._posterior(model, stopped):
                self._inferred.append(value)
                yield

    @property
    def ended(self) -> int:
        """How many replicates have come to their end."""
        return sum(1 for one in self._found if one.finish_reason)

    def arrays(self) -> dict[str, np.ndarray]:
        """ids: int32, all replicates one after the other, those stopped half-way among them; sizes: int32 [n]."""
        sizes = np.array([len(one.ids) for one in self._found], dtype=np.int32)
        ids = np.array([i for one in self._found for i in one.ids], dtype=np.int32)
        return {"ids": ids, "sizes": sizes}

    def _posterior(self, model: LanguageModel, stopped: Callable[[], bool]) -> Iterator[float]:
        """Distances of further posterior draws of the same intervention."""
        trace = self._run.trace
        intervention = trace.intervention
        if intervention is None:
            return
        settings = trace.settings if self._parent.trace.settings is not None else None
        for draw in range(1, FEWEST_DRAWS + 1):
            planned = plan(model, self._parent.trace, intervention, settings=settings, draw=draw)
            ids = list(planned.held.ids[: planned.held.untouched])
            ids += [step.token_id for step in planned.steps(model, stopped)]
            if stopped():
                return
            yield distance.text_distance(self._factual, self._suffix(model, ids))

    def result(self, *, finished: bool = False, seconds: float = math.nan) -> dict[str, Any]:
        """What is known so far, as the page and the store have it; only replicates that came to their end count."""
        ended = [one for one in self._found if one.finish_reason]
        texts = [self._text(one) for one in ended]
        distances = [distance.text_distance(self._factual, text) for text in texts]
        own = distance.text_distance(self._factual, behind(self._run.trace, self._fork))
        value = float(np.mean(self._inferred)) if self._inferred else own
        # a mean over draws varies less than a replicate does: each draw is held against them by itself
        percentile = float(np.mean([distance.percentile(d, distances) for d in self._inferred or [own]]))
        inferred = {
            "distances": [number(d) for d in self._inferred],
            "mean": number(value),
            "error": number(_standard_error(self._inferred)),
        }
        stopped = finished and len(ended) < self._count
        return {
            "count": self._count,
            "done": self.drawn,
            "distances": [number(d) for d in distances],
            "tokens": [number(distance.token_distance(self._factual_ids, self._spoken(one.ids))) for one in ended],
            "value": number(value),
            "own": number(own),
            # those that end early come first, so a share of them says nothing before all have ended
            "percentile": number(percentile) if finished or len(ended) == self._count else None,
            "stickiness": number(float(np.mean(self._stickiness))) if self._stickiness and finished else None,
            "inferred": inferred if self._inferred else None,
            "finished": finished,
            "seconds": number(seconds),
            "texts": [text[:TEXT_CHARS] for text in texts],
            "problem": f"Stopped: {len(ended)} of {self._count} had come to their end." if stopped else "",
        }

    def _text(self, one: Replicate) -> str:
        """The text of an ended replicate behind the fork, decoded once."""
        if one.stream not in self._texts and self._model is not None:
            self._texts[one.stream] = self._suffix(self._model, one.ids)
        return self._texts.get(one.stream, "")

    def _spoken(self, ids: Sequence[int]) -> list[int]:
        special = self._model.special_ids if self._model else frozenset()
        return [token_id for token_id in ids[self._fork :] if token_id not in special]

    def _suffix(self, model: LanguageModel, ids: Sequence[int]) -> str:
        pieces = model.pieces(ids)
        pairs = zip(pieces[self._fork :], ids[self._fork :], strict=True)
        return "".join(piece for piece, token_id in pairs if token_id not in model.special_ids)


def _standard_error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan
