"""The one top handler: what a person may read goes to the page as a sentence, everything else to the log.

Knows gradio's way of refusing a call; does not know what was being done.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr
from gradio.blocks import BlockFunction

from engine.errors import BadInput, ModelUnavailable, NotFound, UserError
from engine.out_of_memory import give_back, is_refusal, refused

DEFECT = "Something went wrong on our side; it has been logged. What was stored is safe: try again, or reload the page."


def sentence_of(error: Exception) -> str:
    """What to say of an error; defects are logged with their traceback and never shown."""
    if isinstance(error, UserError):
        return str(error)
    if is_refusal(error):
        # outside of the model's own steps: a document, a file or an answer that is being put together
        give_back(error)
        logging.getLogger("forklore").warning("out of memory", exc_info=error)
        return str(refused())
    logging.getLogger("forklore").error("unexpected error", exc_info=error)
    return DEFECT


# by this title a page knows that an action may be sent again as it is
AGAIN = "Again"


class Caught:
    """Runs a block and turns whatever it raises into a sentence: the one top handler.

    sentence: empty when all went well. passing: whether the same may go well later, since nothing in it was wrong.
    """

    def __init__(self) -> None:
        self.sentence = ""
        self.passing = False

    def __enter__(self) -> Caught:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        # a closed generator or an interrupt is no problem to tell anybody about
        if not isinstance(error, Exception):
            return False
        self.sentence = sentence_of(error)
        self.passing = not isinstance(error, BadInput | NotFound | ModelUnavailable)
        return True


@contextmanager
def said() -> Iterator[None]:
    """Let errors leave as a sentence, in the form that gradio hands to API clients."""
    with Caught() as problem:
        yield
    if problem.sentence:
        raise gr.Error(problem.sentence, title=AGAIN if problem.passing else "Error", print_exception=False)


TOO_FEW = (
    "This call brought fewer values than it takes: look up the endpoint's arguments with ?view=api behind the address."
)


def says_what_is_missing(page: gr.Blocks) -> None:
    """Have calls with too few values end in a sentence, before anything runs; gradio's own words quote the values."""

    def enough(function: BlockFunction, inputs: list[object]) -> None:
        if len(inputs) < len(function.inputs):
            raise gr.Error(TOO_FEW, print_exception=False)

    page.validate_inputs = enough  # type: ignore[method-assign, assignment]
