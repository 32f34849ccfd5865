"""What the tabs share: how a job's documents become updates of the page, and how a refusal becomes a sentence.

Does not know which use case runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from engine.errors import BadInput
from ui import views
from ui.errors import Caught

PRIVATE: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
JOB: dict[str, Any] = {"concurrency_limit": 16, **PRIVATE}


def payload(event: gr.EventData) -> dict[str, Any]:
    """What the browser sent along; it comes from outside and is checked by whoever uses it."""
    data = getattr(event, "_data", None)
    return dict(data) if isinstance(data, dict) else {}


def named(event: gr.EventData, field: str = "uid") -> str:
    """The id that an event is about. Raises BadInput when it names none."""
    uid = payload(event).get(field)
    if not isinstance(uid, str) or not uid:
        raise BadInput("Say which one: the call came without the id of what it is about.")
    return uid


def brought(file: object) -> Path:
    """The file that was uploaded. Raises BadInput when there is none, not one, or none any more."""
    if not isinstance(file, str) or not Path(file).is_file():
        raise BadInput("No file came along; choose one file and try again.")
    return Path(file)


def at_rest(pairs: int = 2) -> tuple:
    """Buttons when nothing is drawn: all that start something can be pressed, none that stop it can.

    pairs: how many of each there are, those that start first. `shown_frames` ends with it by itself.
    """
    return _buttons(True, pairs)


def shown_frames(
    start: Callable[[], Iterator[str]], *, pairs: int = 2, ending: Callable[[str, str], tuple[Any, str]] | None = None
) -> Iterator[tuple]:
    """Frames of a job as updates of instrument, notice and the buttons of `at_rest`.

    A job refused before its first document changes neither buttons nor what is shown: another one of this page may be
    at work, and the buttons are about that one. Every job therefore tells with a first document that it has begun.
    ending: from the last document ("" for none) and the sentence of a refusal ("" for none), what is shown at last and
    with which sentence. By default a refusal leaves the run on show as it was.
    """
    same = [gr.skip()] * (2 * pairs)
    document, begun = "", False
    with Caught() as problem:
        for document in start():
            # what was said before is over only once something new has begun
            yield (document, gr.skip(), *same) if begun else (document, "", *_buttons(False, pairs))
            begun = True
    shown, sentence = (ending or _broken_off)(document, problem.sentence)
    if begun or sentence:
        yield shown, sentence or gr.skip(), *(at_rest(pairs) if begun else same)


def _buttons(rest: bool, pairs: int) -> tuple:
    return (gr.update(interactive=rest),) * pairs + (gr.update(interactive=not rest),) * pairs


def _broken_off(document: str, sentence: str) -> tuple[Any, str]:
    return (views.broken_off(document, sentence) if sentence else "") or gr.skip(), sentence


def opened(start: Callable[[], str]) -> tuple:
    """A document and no notice, or no change and a notice."""
    with Caught() as problem:
        return start(), ""
    return gr.skip(), problem.sentence
