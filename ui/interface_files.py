"""Loads gradio without the interface files that it writes for editors, a third of its loading time.

For each component class gradio parses the source, renders a template and writes NAME.pyi beside the module, ours too.
It passes over classes whose source has no file, and that is what it is told here. Does not import gradio.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# by name, since the classes do not exist before gradio is loaded
COMPONENT_METACLASS = "ComponentMeta"


@contextmanager
def without_interface_files() -> Iterator[None]:
    """While this holds, component classes are defined without a file being written; everything else is as ever."""
    located = inspect.getfile

    def getfile(of: Any) -> str:
        if type(of).__name__ == COMPONENT_METACLASS:
            raise OSError("no interface file is wanted")
        return located(of)

    inspect.getfile = getfile  # type: ignore[assignment]
    try:
        yield
    finally:
        inspect.getfile = located
