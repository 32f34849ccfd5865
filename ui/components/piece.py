"""The one way a piece drawn in the browser is put on the page: a constant template and one mount call.

Model text and people's words travel as JSON in `value` and never enter a template. Does not know what is drawn.
"""

from __future__ import annotations

from typing import Any, ClassVar

import gradio as gr


class Piece(gr.HTML):
    """A gr.HTML whose content is built by `window.Forklore.<mount>` from the value, with DOM calls only.

    mount: name of the function in assets/; triggers: event names it may trigger, each an event listener here.
    """

    mount: ClassVar[str]
    triggers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, value: str = "", **kwargs: Any) -> None:
        names = ", ".join(f"'{name}'" for name in self.triggers)
        super().__init__(
            value=value,
            html_template='<div class="fl-piece"></div>',
            # an event exists for gradio when its quoted name stands in this text
            js_on_load=f"window.Forklore.{self.mount}({{element, props, watch, trigger, events: [{names}]}});",
            apply_default_css=False,
            **kwargs,
        )

    def postprocess(self, value: str | None) -> str | None:
        """The value as it is: gradio's warning about script elements is for values that become HTML."""
        return value

    def api_info(self) -> dict[str, Any]:
        """Pieces are pictures of endpoints' answers, not endpoints."""
        return {"type": "string"}
