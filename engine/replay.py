"""Drawing a recorded run again from its noise, and where its draws were so close that this may come out otherwise.

The recorded ids are the truth and replay is a check. Does not know edits or the store.
Source: the Gumbel-Max causal model of arXiv 2409.17027 and 2411.07180.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from engine.counterfactual import check_replayable
from engine.edits import FORCED
from engine.generate import draw_on
from engine.reading import read
from engine.scoring import score_on
from engine.types import Trace

if TYPE_CHECKING:
    from engine.models import LanguageModel

# below this lead another machine, or another way of batching, may draw another token (float32; bfloat16)
FRAGILE_MARGIN = 1e-3
FRAGILE_MARGIN_BFLOAT16 = 0.25


def fragile(trace: Trace) -> list[int]:
    """Positions whose draw was so close that another machine, device or batch may decide it otherwise."""
    threshold = FRAGILE_MARGIN_BFLOAT16 if trace.model.dtype == "bfloat16" else FRAGILE_MARGIN
    return [int(i) for i in (trace.margin < threshold).nonzero()[0]]


def replay(model: LanguageModel, trace: Trace, *, cancelled: Callable[[], bool] | None = None) -> list[int]:
    """The ids that a run's noise gives when it is drawn again: each token with the row it had, forced ones as they are.

    The recorded ids are the truth and this is a check: they may differ only from a token on that `fragile` names.
    """
    request, stopped = check_replayable(trace), cancelled or (lambda: False)
    rows, recorded = trace.noise_rows.tolist(), trace.token_ids.tolist()
    reading = read(model, trace.prompt_ids.tolist(), (), stopped)
    ids: list[int] = []
    while reading is not None and len(ids) < len(rows) and not stopped():
        start = len(ids)
        stop = next((i for i in range(start + 1, len(rows)) if not _goes_on(rows, i)), len(rows))
        if rows[start] == FORCED:
            ids += [step.token_id for step in score_on(reading, recorded[start:stop], start, stopped, ends=False)]
            continue
        drawn = draw_on(model, request, reading, range(start, stop), rows[start], stopped)
        ids += [step.token_id for step in drawn]
        if len(ids) < stop:
            break
        reading.logits = reading.context.feed(ids[-1:])
    return ids


def _goes_on(rows: Sequence[int], i: int) -> bool:
    """Whether token i belongs to the same stretch as the one before: both forced, or drawn with neighbouring rows."""
    return rows[i] == rows[i - 1] == FORCED or (rows[i - 1] != FORCED and rows[i] == rows[i - 1] + 1)
