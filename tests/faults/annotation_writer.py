"""A process that forks annotators on demand, so that killing many of them does not cost as many imports.

Reads one line per annotator from stdin ("session member number") and answers "pid". Each takes items and saves one
action after another, and prints "item uuid" only after the save returned; the parent kills it whenever it likes. Who is
through with so many items that there would be too few for those who come after it does no more, and waits for its kill.
The ids of its actions begin with the number.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from engine.label_events import LabelEvent
from storage.database import Store
from tests.storage.annotating import answer, event, label

ITEMS_EACH = 20


def actions(number: int, item: int) -> list[LabelEvent]:
    """What an annotator does on an item."""
    made = [label(1, 4), answer("no"), label(5, 7, "vague"), event("comment", text="hm " * 400), event("flag", on=True)]
    made += [answer("yes"), event("submit")]
    return [LabelEvent(f"{number}-{item}-{i}", one.kind, one.payload, 10, 10) for i, one in enumerate(made)]


def annotate_until_killed(path: Path, session: str, member: str, number: int) -> None:
    """Label, then wait to be killed; every printed line is a promise that the action is on disk."""
    with Store(path) as store:
        for count in range(ITEMS_EACH):
            item = store.annotations.take_next(session, member)
            assert item is not None, "there are too few items"
            for one in actions(number, count):
                store.annotations.save(session, member, item.uid, [one])
                os.write(1, f"{item.uid} {one.uuid}\n".encode())
        # says nothing until there is nobody left who could kill it
        os.read(0, 1)


def main() -> None:
    """Serve annotators until stdin closes."""
    path = Path(sys.argv[1])
    for line in sys.stdin:
        session, member, number = line.split()
        pid = os.fork()
        if pid == 0:
            annotate_until_killed(path, session, member, int(number))
            os._exit(0)
        os.write(1, f"pid {pid}\n".encode())
        os.waitpid(pid, 0)
        os.write(1, b"dead\n")


if __name__ == "__main__":
    main()
