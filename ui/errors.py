"""The one top handler: what a person may read goes to the page as a sentence, everything else to the log.

Knows gradio's way of refusing a call; does not know what was being done.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import gradio as gr

from engine.errors import UserError

DEFECT = "Something went wrong on our side; it has been logged. What was stored is safe: try again, or reload the page."


def sentence_of(error: Exception) -> str:
    """What to say of an error; defects are logged with their traceback and never shown."""
    if isinstance(error, UserError):
        return str(error)
    logging.getLogger("forklore").error("unexpected error", exc_info=error)
    return DEFECT


@dataclass
class Problem:
    """What came of a guarded piece of work: empty when all went well."""

    sentence: str = ""


@contextmanager
def caught() -> Iterator[Problem]:
    """Run a block; whatever it raises ends up as a sentence in the yielded Problem. The one top handler."""
    problem = Problem()
    try:
        yield problem
    except Exception as error:  # noqa: BLE001
        problem.sentence = sentence_of(error)


@contextmanager
def said() -> Iterator[None]:
    """Let errors leave as a sentence, in the form that gradio hands to API clients."""
    with caught() as problem:
        yield
    if problem.sentence:
        # the toast that shows this text on a page reads it as HTML
        raise gr.Error(html.escape(problem.sentence, quote=False), print_exception=False)
