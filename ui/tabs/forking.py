"""Forking analyses on the page: connects what the panel asks for to the use cases.

Hands over what was asked and shows documents; what is said beside them goes through a piece of its own. Does not know
what a fork is.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from ui.access import Viewer, viewer_of
from ui.actions import Workbench
from ui.branching import Branching
from ui.errors import Caught
from ui.fork_view import refusal
from ui.forks import Forks
from ui.settings import Settings
from ui.tabs.explore import ExploreParts
from ui.tabs.frames import JOB, PRIVATE, payload, shown_frames
from ui.wire import wire_line


def wire_forking(
    parts: ExploreParts, workbench: Workbench, branching: Branching, forks: Forks, settings: Settings
) -> None:
    """Connect the panel's events; every answer is a document or one line beside it."""
    piece, aside = parts.forks, parts.forks_aside

    def at(event: gr.EventData, request: gr.Request) -> tuple[dict[str, Any], str, Viewer]:
        asked = payload(event)
        return asked, str(asked.get("run", "")), viewer_of(request, public=settings.public)

    def show(event: gr.EventData, request: gr.Request) -> str:
        _, run, viewer = at(event, request)
        with Caught() as problem:
            return forks.of_run(run, viewer) or forks.price(run, {}, viewer)
        return refusal(run, problem.sentence)

    def price(event: gr.EventData, request: gr.Request) -> str:
        asked, run, viewer = at(event, request)
        with Caught() as problem:
            document = forks.price(run, _fields(asked), viewer)
            return said(run, price=json.loads(document.split("\n", 1)[0])["price"])
        return said(run, refused=problem.sentence)

    def texts(event: gr.EventData, request: gr.Request) -> str:
        asked, run, viewer = at(event, request)
        with Caught() as problem:
            line = forks.texts(str(asked.get("uid", "")), *_branch(asked), viewer)
            return said(run, **json.loads(line))
        return said(run, problem=problem.sentence)

    def drawn(start: Callable[[], Iterator[str]], run: str) -> Iterator[tuple]:
        with Caught() as problem:
            for document in start():
                yield document, gr.skip()
        if problem.sentence:
            yield gr.skip(), said(run, problem=problem.sentence)

    def analyse(event: gr.EventData, request: gr.Request) -> Iterator[tuple]:
        asked, run, viewer = at(event, request)
        yield from drawn(lambda: forks.run(run, _fields(asked), viewer), run)

    def resume(event: gr.EventData, request: gr.Request) -> Iterator[tuple]:
        asked, run, viewer = at(event, request)
        yield from drawn(lambda: forks.resume(str(asked.get("uid", "")), viewer), run)

    def more(event: gr.EventData, request: gr.Request) -> Iterator[tuple]:
        asked, run, viewer = at(event, request)
        uid, (position, token) = str(asked.get("uid", "")), _branch(asked)
        yield from drawn(lambda: forks.add_draws(uid, position, token, _whole(asked.get("more")), viewer), run)

    def read(event: gr.EventData, request: gr.Request) -> tuple:
        asked, run, viewer = at(event, request)
        uid, field, parameter = (str(asked.get(name) or "") for name in ("uid", "field", "parameter"))
        with Caught() as problem:
            return forks.read_again(uid, field, parameter, viewer), gr.skip()
        return gr.skip(), said(run, problem=problem.sentence)

    def take(event: gr.EventData, request: gr.Request) -> Iterator[tuple]:
        asked, run, viewer = at(event, request)
        position, token = _branch(asked)
        yield from shown_frames(lambda: branching.take(run, position, [token], "same", viewer))

    def stop(request: gr.Request) -> None:
        workbench.stop(viewer_of(request, public=settings.public))

    def export(event: gr.EventData, request: gr.Request) -> tuple:
        asked, run, viewer = at(event, request)
        with Caught() as problem:
            return str(forks.export(str(asked.get("uid", "")), str(asked.get("kind", "")), viewer)), gr.skip()
        return gr.skip(), said(run, problem=problem.sentence)

    quick: dict[str, Any] = {"queue": False, **PRIVATE}
    piece.forks_open(show, None, piece, trigger_mode="always_last", **quick)
    piece.forks_price(price, None, aside, trigger_mode="always_last", **quick)
    piece.forks_texts(texts, None, aside, trigger_mode="always_last", **quick)
    piece.forks_read(read, None, [piece, aside], **quick)
    for event, handler in ((piece.forks_run, analyse), (piece.forks_resume, resume), (piece.forks_more, more)):
        event(handler, None, [piece, aside], **JOB)
    piece.forks_stop(stop, None, None, **quick)
    shown = [parts.explorer, parts.notice, parts.generate, parts.score, parts.stop, parts.stop_scoring]
    piece.forks_take(take, None, shown, **JOB)
    written = piece.forks_export(export, None, [parts.fork_file, aside], **quick)
    handed = {**PRIVATE, "js": "(file) => window.Forklore.saveForks(file)"}
    written.then(None, [parts.fork_file], None, **handed)


def said(run: str, **what: Any) -> str:
    """A line beside the document; marked, as the same answer twice has to arrive twice."""
    return wire_line({"run": run, "n": secrets.token_hex(4), **what})


def _fields(asked: dict[str, Any]) -> dict[str, Any]:
    fields = asked.get("fields")
    return dict(fields) if isinstance(fields, dict) else {}


def _branch(asked: dict[str, Any]) -> tuple[int, int]:
    return _whole(asked.get("position")), _whole(asked.get("token"))


def _whole(value: Any) -> int:
    """What the page sent as a number; -1, which is no place, for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else -1
