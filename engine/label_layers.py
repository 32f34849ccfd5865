"""The labels that stand on an item while one action after another is applied to them.

Work for a label does not grow with how many there are: labels of sets with overlap are found by their place, those of
sets without it lie sorted and are cut where the new one lies. Pure; does not know events or who labels.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from operator import attrgetter

from engine.label_types import LabelSchema

_Place = tuple[int, int, int, str, str]


@dataclass(frozen=True, slots=True)
class AppliedLabel:
    """A label as it stands: on the tokens `start` to `stop` - 1 of run `run`. uuid: the event that set it.

    Where a later label has cut one in two, both pieces have the uuid.
    """

    uuid: str
    set: str
    label: str
    run: int
    start: int
    stop: int


class Layers:
    """Labels by the rules of their sets; changed in place by the one who made it."""

    def __init__(self, schema: LabelSchema) -> None:
        self._overlap = {one.name: one.overlap for one in schema.label_sets}
        self._free: dict[_Place, AppliedLabel] = {}
        # by set and run, from left to right, no two on one token
        self._cut: dict[tuple[str, int], list[AppliedLabel]] = {}
        self._given: dict[str, AppliedLabel] = {}

    def add(self, new: AppliedLabel) -> None:
        """Set a label; the same label on the same tokens again is the one that is there."""
        if self._overlap.get(new.set, True):
            if self._free.setdefault(place(new), new) is new:
                self._given[new.uuid] = new
            return
        row = self._cut.setdefault((new.set, new.run), [])
        first, last = _touched(row, new)
        old = row[first:last]
        if any(place(label) == place(new) for label in old):
            return
        left = [replace(label, stop=new.start) for label in old if label.start < new.start]
        right = [replace(label, start=new.stop) for label in old if label.stop > new.stop]
        row[first:last] = [*left, new, *right]
        self._given[new.uuid] = new

    def remove(self, uuid: str) -> None:
        """Take away what the event of this id has set, all pieces of it; nothing where it set nothing."""
        given = self._given.pop(uuid, None)
        if given is None:
            return
        if self._overlap.get(given.set, True):
            del self._free[place(given)]
            return
        row = self._cut[given.set, given.run]
        first, last = _touched(row, given)
        row[first:last] = [label for label in row[first:last] if label.uuid != uuid]

    def standing(self) -> tuple[AppliedLabel, ...]:
        """All labels from left to right."""
        labels = [*self._free.values(), *(label for row in self._cut.values() for label in row)]
        return tuple(sorted(labels, key=place))


def place(label: AppliedLabel) -> _Place:
    """Where a label stands, and which it is; what labels are sorted by."""
    return label.run, label.start, label.stop, label.set, label.label


def _touched(row: list[AppliedLabel], new: AppliedLabel) -> tuple[int, int]:
    """From which to before which label of a sorted row tokens are shared with another label."""
    first = bisect_right(row, new.start, key=attrgetter("stop"))
    return first, max(first, bisect_left(row, new.stop, key=attrgetter("start")))
