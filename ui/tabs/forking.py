"""Forking analyses on the page: connects what the panel asks for to the use cases.

Hands over what was asked and shows documents; what is said beside them goes through a piece of its own. Does not know
what a fork is.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.access import Viewer, viewer_of
from ui.actions import Workbench
from ui.branching import Branching
from ui.errors import Caught
from ui.fork_view import refusal
from ui.forks import Forks
from ui.tabs.explore import ExploreParts
from ui.tabs.frames import JOB, PRIVATE, payload, shown_frames
from ui.tabs.shares import told_after
from ui.wire import wire_line

QUICK: dict[str, Any] = {"queue": False, **PRIVATE}


@dataclass(frozen=True)
class Asked:
    """What the panel asked: its fields, the run on show, and who asks."""

    fields: dict[str, Any]
    run: str
    viewer: Viewer

    def text(self, name: str) -> str:
        """A field as text, "" where there is none."""
        return str(self.fields.get(name) or "")

    def branch(self) -> tuple[int, int]:
        """Position and token id."""
        return _whole(self.fields.get("position")), _whole(self.fields.get("token"))

    def settings(self) -> dict[str, Any]:
        """What is asked of an analysis."""
        fields = self.fields.get("fields")
        return dict(fields) if isinstance(fields, dict) else {}


At = Callable[[gr.EventData, gr.Request], Asked]


def wire_forking(parts: ExploreParts, workbench: Workbench, branching: Branching, forks: Forks) -> None:
    """Connect the panel's events; every answer is a document or one line beside it."""

    def at(event: gr.EventData, request: gr.Request) -> Asked:
        asked = payload(event)
        return Asked(asked, str(asked.get("run", "")), viewer_of(request))

    def stop(request: gr.Request) -> None:
        workbench.stop(viewer_of(request))

    def take(event: gr.EventData, request: gr.Request) -> Iterator[tuple]:
        asked = at(event, request)
        position, token = asked.branch()
        yield from shown_frames(lambda: branching.take(asked.run, position, [token], "same", asked.viewer))

    shown = [parts.explorer, parts.notice, parts.generate, parts.score, parts.stop, parts.stop_scoring]
    told_after([parts.forks.forks_take(take, None, shown, **JOB)], parts.shares, workbench)
    parts.forks.forks_stop(stop, None, None, **QUICK)
    _wire_reading(parts, forks, at)
    _wire_drawing(parts, workbench, forks, at)
    _wire_export(parts, forks, at)


def _wire_reading(parts: ExploreParts, forks: Forks, at: At) -> None:
    """What is answered at once, without the model."""

    def show(event: gr.EventData, request: gr.Request) -> str:
        asked = at(event, request)
        uid = asked.text("uid")
        if not uid:
            return _kept(forks, asked)
        with Caught() as problem:
            return forks.open(uid, asked.viewer)
        return refusal(asked.run, problem.sentence)

    def every(event: gr.EventData, request: gr.Request) -> str:
        asked = at(event, request)
        with Caught():
            return said(asked.run, analyses=forks.analyses(asked.run, asked.viewer))
        return said(asked.run, analyses=[])

    def price(event: gr.EventData, request: gr.Request) -> str:
        asked = at(event, request)
        with Caught() as problem:
            document = forks.price(asked.run, asked.settings(), asked.viewer)
            return said(asked.run, price=json.loads(document.split("\n", 1)[0])["price"])
        return said(asked.run, refused=problem.sentence)

    def texts(event: gr.EventData, request: gr.Request) -> str:
        asked = at(event, request)
        with Caught() as problem:
            line = forks.texts(
                asked.text("uid"), *asked.branch(), asked.viewer, asked.text("field"), asked.text("parameter")
            )
            return said(asked.run, **json.loads(line))
        return said(asked.run, problem=problem.sentence)

    def read(event: gr.EventData, request: gr.Request) -> tuple:
        asked = at(event, request)
        with Caught() as problem:
            uid, field, parameter = (asked.text(name) for name in ("uid", "field", "parameter"))
            return forks.read_again(uid, field, parameter, asked.viewer), gr.skip()
        return gr.skip(), said(asked.run, problem=problem.sentence)

    piece, aside = parts.forks, parts.forks_aside
    # each answered: a second one asked while the first is on its way would be dropped
    piece.forks_open(show, None, piece, trigger_mode="multiple", **QUICK)
    piece.forks_list(every, None, aside, trigger_mode="always_last", **QUICK)
    piece.forks_price(price, None, aside, trigger_mode="always_last", **QUICK)
    piece.forks_texts(texts, None, aside, trigger_mode="always_last", **QUICK)
    piece.forks_read(read, None, [piece, aside], trigger_mode="always_last", **QUICK)


def _wire_drawing(parts: ExploreParts, workbench: Workbench, forks: Forks, at: At) -> None:
    """What draws continuations: documents as they grow."""

    def analyse(event: gr.EventData, request: gr.Request) -> Iterator[tuple]:
        asked = at(event, request)
        yield from drawn(forks, asked, lambda: forks.run(asked.run, asked.settings(), asked.viewer))

    def resume(event: gr.EventData, request: gr.Request) -> Iterator[tuple]:
        asked = at(event, request)
        yield from drawn(forks, asked, lambda: forks.resume(asked.text("uid"), asked.viewer))

    def more(event: gr.EventData, request: gr.Request) -> Iterator[tuple]:
        asked = at(event, request)
        many = _whole(asked.fields.get("more"))
        yield from drawn(forks, asked, lambda: forks.add_draws(asked.text("uid"), *asked.branch(), many, asked.viewer))

    piece = parts.forks
    asked = (piece.forks_run, analyse), (piece.forks_resume, resume), (piece.forks_more, more)
    jobs = [event(handler, None, [piece, parts.forks_aside], **JOB) for event, handler in asked]
    told_after(jobs, parts.shares, workbench)


def _wire_export(parts: ExploreParts, forks: Forks, at: At) -> None:
    def export(event: gr.EventData, request: gr.Request) -> tuple:
        asked = at(event, request)
        with Caught() as problem:
            uid, kind, field, parameter = (asked.text(name) for name in ("uid", "kind", "field", "parameter"))
            return str(forks.export(uid, kind, asked.viewer, field, parameter)), gr.skip()
        # no file rather than the one before, which would be saved once more
        return None, said(asked.run, problem=problem.sentence)

    outputs = [parts.fork_file, parts.forks_aside]
    written = parts.forks.forks_export(export, None, outputs, trigger_mode="always_last", **QUICK)
    handed = {**PRIVATE, "js": "(file) => window.Forklore.saveForks(file)"}
    written.then(None, [parts.fork_file], None, **handed)


def drawn(forks: Forks, asked: Asked, start: Callable[[], Iterator[str]]) -> Iterator[tuple]:
    """Documents as they grow; where it is refused after the first one, what is kept, and why beside it."""
    begun = False
    with Caught() as problem:
        for document in start():
            yield document, gr.skip()
            begun = True
    if problem.sentence:
        # nothing goes on any more, whatever the last document said
        yield _kept(forks, asked) if begun else gr.skip(), said(asked.run, problem=problem.sentence)


def _kept(forks: Forks, asked: Asked) -> str:
    """The newest analysis of the run on show, else what one would take, else why there can be none."""
    with Caught() as problem:
        return forks.of_run(asked.run, asked.viewer) or forks.offer(asked.run, asked.viewer)
    return refusal(asked.run, problem.sentence)


def said(run: str, **what: Any) -> str:
    """A line beside the document; marked, as the same answer twice has to arrive twice."""
    return wire_line({"run": run, "n": secrets.token_hex(4), **what})


def _whole(value: Any) -> int:
    """What the page sent as a number; -1, which is no place, for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else -1
