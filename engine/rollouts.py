"""Thousands of continuations of one answer from many of its places, at temperature 1, without truncation.

Draws of one branch are one row until they first differ, finished rows make room at once, and each draw has a stream of
uniform numbers of its own, keyed by seed, position, token and draw: what is drawn depends on nothing else, but for
numbers so close to a boundary that float noise decides (`close` counts them). Does not know texts' meaning.
Source of the setting: Bigelow et al., arXiv 2412.07961; the sharing is ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from engine.errors import BadInput
from engine.out_of_memory import spared
from engine.plain_rows import PlainRows
from engine.shared_prefix import SharedPrefix, rows_within, shareable

if TYPE_CHECKING:
    import torch

    from engine.models import LanguageModel

Ending = Literal["stop", "length", "decided"]
# ids, whole response so far -> whether nothing that follows can change its outcome
Decided = Callable[[tuple[int, ...]], bool]

ROWS = 64
# a draw keeps a place free for the row it may become, while those that agree are one row: places for each fed row
PLACES = 4
MEMORY_BYTES = 2**30
# the vocabulary is summed in blocks first, so that one number a row and block has to be added up exactly
BLOCK = 256
# float noise of one way of batching against another moves a sum of probabilities by about this much at most
CLOSE = 2e-5
CHECK_EVERY = 4
POSITION_BITS, TOKEN_BITS, DRAW_BITS = 20, 24, 20


@dataclass(frozen=True)
class Task:
    """Draws first .. first + count - 1 of branch (position, token_id): the answer's own tokens before `position`, then
    this one, then what the model draws."""

    position: int
    token_id: int
    first: int
    count: int


@dataclass(frozen=True)
class Rollout:
    """One continuation. ids: drawn behind the branch's token, an end token included; close: of its draws, those that
    other rounding might decide otherwise."""

    position: int
    token_id: int
    draw: int
    ids: tuple[int, ...]
    ending: Ending
    close: int


@dataclass(frozen=True)
class Advance:
    """One step: what came to its end; drawn: tokens drawn in it, one a live draw; rows: rows that went through the
    network for them."""

    finished: tuple[Rollout, ...]
    drawn: int
    rows: int


@dataclass
class _Row:
    """Draws that have written the same so far. chances: a uniform number a draw and token [draws, length]."""

    task: Task
    draws: list[int]
    chances: np.ndarray
    close: list[int]
    ids: list[int] = field(default_factory=list)

    @property
    def last(self) -> int:
        return self.ids[-1] if self.ids else self.task.token_id


def uniforms(seed: int, position: int, token_id: int, draw: int, count: int) -> np.ndarray:
    """The first `count` uniform numbers of a draw: float64 [count], in (0, 1); more of them begin with fewer.

    Raises BadInput for numbers too large for the key.
    """
    for value, bits, what in (
        (position, POSITION_BITS, "position"), (token_id, TOKEN_BITS, "token id"), (draw, DRAW_BITS, "draw"),
    ):  # fmt: skip
        if not 0 <= value < 1 << bits:
            raise BadInput(f"The {what} is {value:,}; it must be at least 0 and below {1 << bits:,}.")
    stream = (position << (TOKEN_BITS + DRAW_BITS)) | (token_id << DRAW_BITS) | draw
    # the third word of the counter keeps these apart from the noise rows of runs
    raw = np.random.Philox(key=[seed, stream], counter=[0, 0, 1, 0]).random_raw(count)
    return np.asarray(((raw >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52)


@spared
def roll_out(
    model: LanguageModel,
    prompt_ids: Sequence[int],
    base_ids: Sequence[int],
    tasks: Iterable[Task],
    *,
    seed: int,
    max_tokens: int,
    rows: int = ROWS,
    memory_bytes: int = MEMORY_BYTES,
    decided: Decided | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Advance]:
    """Draw the tasks' continuations; yields after every step of the network, those that read the base among them.

    base_ids: the answer whose tokens precede the branches; max_tokens: longest response, its kept beginning included;
    rows: that go through the network at once, at most, of those that the memory holds.
    What was finished when `cancelled()` turns true has been yielded; the rest is drawn again with the same numbers.
    Raises BadInput for a branch outside the answer or a response that cannot fit, OutOfMemory.
    """
    waiting = deque(_checked(list(tasks), prompt_ids, base_ids, max_tokens, model))
    if not waiting:
        return
    longest = max_tokens - min(task.position for task in waiting)
    base = [*prompt_ids, *base_ids[: max(task.position for task in waiting)]]
    if shareable(model, len(prompt_ids) + max_tokens):
        places = rows_within(model, longest, memory_bytes, PLACES * rows, base=len(base))
        shared: SharedPrefix | PlainRows = SharedPrefix(model, base, places, longest)
    else:
        # each row holds its base too
        places = rows_within(model, len(base) + longest, memory_bytes, rows)
        shared = PlainRows(model, base, places, longest)
    pool = _Pool(shared, places, rows, len(prompt_ids), few_shapes=compiles_shapes(model))
    stopped = cancelled or (lambda: False)
    for _ in shared.read():
        if stopped():
            return
        yield Advance((), 0, 0)
    while not stopped():
        _admit(pool, waiting, seed, max_tokens)
        if not pool.live:
            return
        logits = pool.feed()
        if stopped():
            return
        yield _advance(model, pool, logits, base_ids, max_tokens, decided)


class _Pool:
    """The live rows and their places in the shared prefix; a draw keeps a place free for the row it may become.

    The first `rows` of them are fed; the others wait until one of these comes to its end. few_shapes: a number of rows
    is fed that comes up again and again, the rest waits.
    """

    def __init__(
        self, shared: SharedPrefix | PlainRows, places: int, rows: int, prompt: int, *, few_shapes: bool = False
    ) -> None:
        self.shared, self.places, self.rows, self._prompt = shared, places, rows, prompt
        self._few_shapes = few_shapes
        self.live: list[_Row] = []

    @property
    def free(self) -> int:
        return self.places - sum(len(row.draws) for row in self.live)

    @property
    def fed(self) -> list[_Row]:
        count = min(self.rows, len(self.live))
        return self.live[: round_rows(count) if self._few_shapes else count]

    def add(self, row: _Row) -> None:
        self.shared.begin(len(self.live), self._prompt + row.task.position)
        self.live.append(row)

    def split(self, place: int, row: _Row) -> None:
        """A new row that has written what the row at `place` had."""
        self.shared.copy(place, len(self.live))
        self.live.append(row)

    def drop(self, place: int) -> None:
        """The row that has waited longest takes the place of one that is finished, and the last one that of it."""
        last = len(self.live) - 1
        for target, source in ((place, min(self.rows, last)), (self.rows, last)):
            if target < source:
                self.shared.copy(source, target)
                self.live[target] = self.live[source]
        self.live.pop()
        self.shared.free(last)

    def feed(self) -> torch.Tensor:
        return self.shared.feed([row.last for row in self.fed])


def compiles_shapes(model: LanguageModel) -> bool:
    """Whether each new shape costs this model a compilation, as it does for coarse numbers on a CPU."""
    return bool(model.device.type == "cpu" and model.network.dtype.itemsize < 4)


def round_rows(count: int) -> int:
    """The largest of 1, 2, 3, 4, 6, 8, 12, 16, 24, ... that is at most `count`, which is at least 1."""
    power: int = 1 << (count.bit_length() - 1)
    return power * 3 // 2 if power > 1 and count >= power * 3 // 2 else power


def _checked(
    tasks: list[Task], prompt_ids: Sequence[int], base_ids: Sequence[int], max_tokens: int, model: LanguageModel
) -> list[Task]:
    if len(prompt_ids) + max_tokens > model.context_length:
        raise BadInput(
            f"A prompt of {len(prompt_ids):,} and responses of {max_tokens:,} tokens do not fit into the model's "
            f"context of {model.context_length:,}: allow shorter responses."
        )
    for task in tasks:
        if not 0 <= task.position <= len(base_ids):
            raise BadInput(f"Position {task.position} lies outside the answer, which has {len(base_ids)} tokens.")
        if task.position + 1 >= max_tokens:
            raise BadInput(f"At position {task.position} responses of {max_tokens} tokens leave nothing to draw.")
        if task.token_id in model.end_ids:
            raise BadInput(f"Token id {task.token_id} ends the answer: nothing can be drawn behind it.")
        if task.count < 1:
            raise BadInput(f"{task.count} draws were asked for at position {task.position}; it takes at least 1.")
        uniforms(0, task.position, task.token_id, task.first + task.count - 1, 1)
    return tasks


def _admit(pool: _Pool, waiting: deque[Task], seed: int, max_tokens: int) -> None:
    """Begin branches with a draw for every row that the network is short of, while there are places for all that the
    draws may become; a large one is begun in parts."""
    room = min(pool.free, pool.rows - len(pool.live))
    while waiting and room > 0:
        task = waiting[0]
        count = min(task.count, room)
        if count < task.count and count < min(pool.places, pool.rows) // 4 and pool.live:
            return
        room -= count
        waiting.popleft()
        if count < task.count:
            waiting.appendleft(Task(task.position, task.token_id, task.first + count, task.count - count))
        draws = list(range(task.first, task.first + count))
        length = max_tokens - task.position - 1
        chances = np.stack([uniforms(seed, task.position, task.token_id, draw, length) for draw in draws])
        pool.add(_Row(task, draws, chances, [0] * count))


def _advance(
    model: LanguageModel,
    pool: _Pool,
    logits: torch.Tensor,
    base_ids: Sequence[int],
    max_tokens: int,
    decided: Decided | None,
) -> Advance:
    """Draw one token for every live draw; rows whose draws differ are split, finished ones make room."""
    fed = pool.fed
    owners = np.repeat(np.arange(len(fed)), [len(row.draws) for row in fed])
    chances = np.concatenate([row.chances[:, len(row.ids)] for row in fed])
    tokens, gaps = draw_tokens(logits, owners, chances)
    finished: list[Rollout] = []
    done: list[int] = []
    ends = np.cumsum([len(row.draws) for row in fed]).tolist()
    for place, (row, end) in enumerate(zip(fed, ends, strict=True)):
        part = slice(end - len(row.draws), end)
        row.close = [before + int(gap < CLOSE) for before, gap in zip(row.close, gaps[part], strict=True)]
        groups: list[_Row] = []
        for token_id in dict.fromkeys(tokens[part].tolist()):
            group = _group(row, (tokens[part] == token_id).nonzero()[0], int(token_id))
            ending = _ending(model, group, base_ids, max_tokens, decided)
            if ending is None:
                groups.append(group)
            else:
                finished += _rollouts(group, ending)
        if not groups:
            done.append(place)
            continue
        pool.live[place] = groups[0]
        for group in groups[1:]:
            pool.split(place, group)
    for place in reversed(done):
        pool.drop(place)
    return Advance(tuple(finished), len(owners), len(fed))


def _group(row: _Row, members: np.ndarray, token_id: int) -> _Row:
    """Those draws of a row that go on with this token."""
    return _Row(
        row.task,
        [row.draws[i] for i in members],
        row.chances[members],
        [row.close[i] for i in members],
        [*row.ids, token_id],
    )


def _ending(
    model: LanguageModel, row: _Row, base_ids: Sequence[int], max_tokens: int, decided: Decided | None
) -> Ending | None:
    if row.ids[-1] in model.end_ids:
        return "stop"
    if row.task.position + 1 + len(row.ids) >= max_tokens:
        return "length"
    if decided is not None and len(row.ids) % CHECK_EVERY == 0:
        response = (*base_ids[: row.task.position], row.task.token_id, *row.ids)
        return "decided" if decided(response) else None
    return None


def _rollouts(row: _Row, ending: Ending) -> list[Rollout]:
    ids = tuple(row.ids)
    return [
        Rollout(row.task.position, row.task.token_id, draw, ids, ending, close)
        for draw, close in zip(row.draws, row.close, strict=True)
    ]


def draw_tokens(logits: torch.Tensor, owners: np.ndarray, chances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The token of each draw: the first at which the cumulative probability of its row exceeds its uniform number.

    logits: float32 [r, V]; owners: the row of each of d draws, int [d]; chances: float64 [d]. Returns ids, int64 [d],
    and how far each number lay from a boundary between tokens, as a probability, float64 [d].
    """
    import torch

    # sums in float64 are unknown to some devices
    logits = logits.cpu() if logits.device.type == "mps" else logits
    rows, size = logits.shape
    blocks = -(-size // BLOCK)
    weights = torch.exp(logits - logits.max(dim=1, keepdim=True).values)
    weights = torch.nn.functional.pad(weights, (0, blocks * BLOCK - size)).view(rows, blocks, BLOCK)
    sums = weights.sum(dim=2, dtype=torch.float64).cumsum(dim=1)
    owner = torch.as_tensor(owners, device=logits.device)
    whole = sums[owner, -1]
    target = torch.as_tensor(chances, device=logits.device) * whole
    block = torch.searchsorted(sums[owner], target[:, None], right=True)[:, 0].clamp_(max=blocks - 1)
    below = torch.where(block > 0, sums[owner, (block - 1).clamp(min=0)], 0.0)
    inner = weights[owner, block].double().cumsum(dim=1) + below[:, None]
    place = torch.searchsorted(inner, target[:, None], right=True)[:, 0]
    # rounding between the two sums may leave the number just behind the last token that can be drawn
    last = (weights[owner, block] > 0).long().mul(torch.arange(BLOCK, device=logits.device)).max(dim=1).values
    place = torch.minimum(place, last)
    upper = inner.gather(1, place[:, None])[:, 0]
    lower = torch.where(place > 0, inner.gather(1, (place - 1).clamp(min=0)[:, None])[:, 0], below)
    gap = torch.minimum((target - lower).abs(), (upper - target).abs()) / whole
    return (block * BLOCK + place).cpu().numpy(), gap.cpu().numpy()
