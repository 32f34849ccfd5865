"""What a finished look at a forking analysis is kept as, so that opening it again works nothing out anew.

The lines of its document between the first and the last, with what they were worked out from: other draws, settings or
rules make them void. Does not know the store or what the lines say.
"""

from __future__ import annotations

import json

import numpy as np

from engine.fork_plan import ForkSettings
from engine.outcomes import extractor
from ui.fork_fields import to_plain

# the array's name among those of the draws
LOOK = "look"
# Raised with every change of what is worked out from the draws or of how the document says it.
RULES = 5


def pack_look(document: str, settings: ForkSettings, draws: int, done: bool) -> np.ndarray:
    """The middle lines of a whole document: uint8 [bytes]."""
    # not splitlines: a title may hold other ends of lines
    _, *lines, _, _ = document.split("\n")
    kept = {"of": _key(settings, draws, done), "lines": "".join(f"{line}\n" for line in lines)}
    return np.frombuffer(json.dumps(kept).encode("ascii"), dtype=np.uint8)


def unpack_look(array: np.ndarray, settings: ForkSettings, draws: int, done: bool) -> str:
    """Those lines; "" where they are of other draws or settings, or were made by other rules."""
    kept = json.loads(array.tobytes())
    return str(kept["lines"]) if kept["of"] == _key(settings, draws, done) else ""


def _key(settings: ForkSettings, draws: int, done: bool) -> dict[str, object]:
    version = extractor(settings.extractor, settings.parameter).version
    # the settings have a number of draws of their own
    key = {"rules": RULES, "version": version, "draws": draws, "done": done, "settings": to_plain(settings)}
    # through JSON, as it comes back
    return dict(json.loads(json.dumps(key)))
