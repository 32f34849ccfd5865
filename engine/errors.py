"""The one family of errors that a person may see, each with a sentence that says what to do.

Everything else that is raised is a defect: it goes to the log, never to the page.
"""


class UserError(Exception):
    """A problem a person can act on; `str(error)` is one sentence fit for the page."""

    kind = "error"


class BadInput(UserError):
    """A field holds a value the project cannot work with; the message names field, value and remedy."""

    kind = "bad-input"


class ModelUnavailable(UserError):
    """The model is missing, gated, broken or does not fit; the message names cause and remedy."""

    kind = "model-unavailable"


class Busy(UserError):
    """Somebody else holds what is needed; trying again a little later is the remedy."""

    kind = "busy"


class OutOfMemory(UserError):
    """The device ran out of memory; the message says what to shorten."""

    kind = "out-of-memory"


class NotFound(UserError):
    """The run, model or position asked for does not exist (or is not this person's)."""

    kind = "not-found"


class StoreDamaged(UserError):
    """The database or one of its runs is damaged, foreign or newer than this project; nothing was overwritten."""

    kind = "store-damaged"
