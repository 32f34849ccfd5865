"""Methods: every score with its definition, generated from the registries.

Only lays the piece out; the text comes from methods_view.
"""

from __future__ import annotations

from ui import methods_view
from ui.components.methods import Methods


def build() -> Methods:
    """One piece, filled once."""
    return Methods(methods_view.methods(), elem_id="methods-piece")
