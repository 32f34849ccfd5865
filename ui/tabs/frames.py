"""What the tabs share: how a job's documents become updates of the page, and how a refusal becomes a sentence.

Does not know which use case runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from ui import views
from ui.errors import Caught

PRIVATE: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
JOB: dict[str, Any] = {"concurrency_limit": 16, **PRIVATE}


def payload(event: gr.EventData) -> dict[str, Any]:
    """What the browser sent along; it comes from outside and is checked by whoever uses it."""
    data = getattr(event, "_data", None)
    return dict(data) if isinstance(data, dict) else {}


def at_rest() -> tuple:
    """Generate and Score can be pressed, neither Stop can."""
    go, halt = gr.update(interactive=True), gr.update(interactive=False)
    return go, go, halt, halt


def shown_frames(start: Callable[[], Iterator[str]]) -> Iterator[tuple]:
    """Frames of a job as updates of instrument, notice and the four buttons of `at_rest`; a refusal becomes a sentence
    and leaves the run on show as it was."""
    halt, go = gr.update(interactive=True), gr.update(interactive=False)
    yield gr.skip(), "", go, go, halt, halt
    document = ""
    with Caught() as problem:
        for document in start():
            yield document, *(gr.skip() for _ in range(5))
    if problem.sentence:
        ended = views.broken_off(document, problem.sentence) or gr.skip()
        yield ended, problem.sentence, *(gr.skip() for _ in range(4))


def opened(start: Callable[[], str]) -> tuple:
    """A document and no notice, or no change and a notice."""
    with Caught() as problem:
        return start(), ""
    return gr.skip(), problem.sentence
