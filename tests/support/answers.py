"""Every answer of a model with a handful of tokens, listed with its probability. Does not know where rows come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

Path = tuple[int, ...]


def every_answer(shares: Callable[[Path], Iterable[tuple[int, float]]], length: int, end: int) -> dict[Path, float]:
    """Every answer, ended by the token `end` or cut off at `length`, with its probability.

    shares: for the tokens of an answer so far, what may come next with its probability.
    """
    return dict(_below(shares, length, end, (), 1.0))


def _below(
    shares: Callable[[Path], Iterable[tuple[int, float]]], length: int, end: int, path: Path, share: float
) -> Iterator[tuple[Path, float]]:
    if len(path) == length or (path and path[-1] == end):
        yield path, share
        return
    for token, probability in shares(path):
        yield from _below(shares, length, end, (*path, token), share * probability)
