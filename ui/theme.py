"""Gradio's own widgets in the project's calm: type, one accent, contrast that passes in light and dark.

Only widgets; what the browser pieces look like stands in assets/theme.css.
"""

from __future__ import annotations

import gradio as gr

# quoted as in CSS: one name that is no identifier ("3" begins with a digit) voids the whole list
SANS = ("Inter", '"Source Sans 3"', "system-ui", '"DejaVu Sans"', "sans-serif")
MONO = ("ui-monospace", '"SF Mono"', '"DejaVu Sans Mono"', "monospace")

ACCENT = gr.themes.Color(
    c50="#fdf4ee", c100="#fae5d7", c200="#f5cbb0", c300="#f0a36b", c400="#dd7b3c", c500="#c25d22",
    c600="#ab4416", c700="#9a3412", c800="#7c2a10", c900="#65240f", c950="#371006", name="ember",
)  # fmt: skip
STONE = gr.themes.Color(
    c50="#fcfbf9", c100="#f4f1eb", c200="#e6e2da", c300="#d2cdc3", c400="#a8a298", c500="#7b766d",
    c600="#605c55", c700="#47443f", c800="#2c2f33", c900="#1a1c1f", c950="#131416", name="paper",
)  # fmt: skip


def page_theme() -> gr.themes.Base:
    """The theme handed to launch."""
    return gr.themes.Base(
        primary_hue=ACCENT, secondary_hue=ACCENT, neutral_hue=STONE, font=list(SANS), font_mono=list(MONO),
        radius_size="md", text_size="md", spacing_size="md",
    ).set(
        body_background_fill="#fcfbf9", body_background_fill_dark="#131416",
        body_text_color="#1d1c1a", body_text_color_dark="#e9e6e1",
        body_text_color_subdued="#605c55", body_text_color_subdued_dark="#a8a298",
        background_fill_primary="#ffffff", background_fill_primary_dark="#1a1c1f",
        background_fill_secondary="#f4f1eb", background_fill_secondary_dark="#202327",
        border_color_primary="#e6e2da", border_color_primary_dark="#2c2f33",
        block_background_fill="#ffffff", block_background_fill_dark="#1a1c1f",
        block_label_text_color="#605c55", block_label_text_color_dark="#a8a298",
        block_title_text_color="#605c55", block_title_text_color_dark="#a8a298",
        block_title_text_weight="400", block_info_text_color="#605c55", block_info_text_color_dark="#a8a298",
        block_shadow="none", block_shadow_dark="none", block_border_width="1px",
        input_background_fill="#ffffff", input_background_fill_dark="#1a1c1f",
        input_border_color="#e6e2da", input_border_color_dark="#2c2f33",
        input_border_color_focus="#9a3412", input_border_color_focus_dark="#f0a36b",
        input_placeholder_color="#6b6760", input_placeholder_color_dark="#9b968d",
        button_primary_background_fill="#9a3412", button_primary_background_fill_dark="#f0a36b",
        button_primary_background_fill_hover="#7c2a10", button_primary_background_fill_hover_dark="#f5b98c",
        button_primary_text_color="#ffffff", button_primary_text_color_dark="#131416",
        button_secondary_background_fill="#ffffff", button_secondary_background_fill_dark="#1a1c1f",
        button_secondary_background_fill_hover="#f4f1eb", button_secondary_background_fill_hover_dark="#202327",
        button_secondary_text_color="#1d1c1a", button_secondary_text_color_dark="#e9e6e1",
        button_secondary_border_color="#e6e2da", button_secondary_border_color_dark="#2c2f33",
        slider_color="#9a3412", slider_color_dark="#f0a36b",
        checkbox_background_color_selected="#9a3412", checkbox_background_color_selected_dark="#f0a36b",
        link_text_color="#9a3412", link_text_color_dark="#f0a36b",
    )  # fmt: skip
