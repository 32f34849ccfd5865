"""What the browser is given: scripts and styles from assets/, in the order they need each other.

Builds the page's head and the document a saved run stands in. Does not know what the scripts do.
"""

from __future__ import annotations

import html
import json
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "assets"

# The instrument alone, as a saved run carries it; each file uses those before it.
INSTRUMENT = (
    "dom", "format", "scale", "state", "trace", "readout", "menu", "toolbar", "heatmap", "rivals", "tip",
    "branch_settings", "branching", "inspector",
    "chart", "curves", "datatable", "summary",
    "whatif_rows", "whatif_text", "whatif_strip", "whatif", "files", "status", "keys", "explorer", "standalone",
)  # fmt: skip
PAGE = (
    "ended", "leaving", "reach", "away", "server", "who", "own_work", "masthead", "shares",
    "library_labels", "library_rows", "library_tools", "library",
    "plot_bridge", "compare_text", "compare_curve", "compare", "methods",
    "probe_plot", "probe", "probe_shelf",
    "tree_data", "tree_shape", "tree_words", "tree_layout", "tree_chips", "icicle", "tree_tools", "tree_grow",
    "tree_detail", "tree_answers", "tree_picture", "tree_keys", "tree_deeds", "branches", "branches_panel",
    "forks_data", "forks_curve", "forks_text", "forks_detail", "forks_ranking", "forks_form", "forks_tools", "forks",
    "forks_panel",
    "chain_data", "chain_arcs", "chain_words", "chain_text", "chain_detail", "chain_tables", "chain_confidence",
    "chain_form", "chain_picture", "chain_tools", "chain_keys", "chain", "chain_panel",
    "annotate_words", "annotate_state", "annotate_outbox", "annotate_clock", "annotate_markdown", "annotate_desk",
    "annotate_lanes", "annotate_text", "annotate_palette", "annotate_questions", "annotate_end", "annotate_beside",
    "annotate_scores", "annotate_keys", "annotate_bar", "annotate_item", "annotate_home", "annotate",
    "results_parts", "results_chart", "results_answers", "results_marks", "results_judgement", "sessions_schema",
    "sessions_settings", "sessions_runs", "sessions_new", "results_list", "results_members", "results_overview",
    "results_agreement", "results_disputes", "results_curves", "results_scores", "results_files", "results_session",
    "results",
)  # fmt: skip
INSTRUMENT_STYLES = ("theme", "explorer", "reading", "inspector", "panels", "whatif")
PAGE_STYLES = (
    "page",
    "library",
    "compare",
    "methods",
    "probe",
    "tree",
    "forks",
    "chain",
    "annotate",
    "results",
    "glance",
    "own_work",
)


def head() -> str:
    """Everything for the page's head: the instrument's style and scripts (which a saved run copies), then the rest."""
    shell = _data(json.dumps((FOLDER / "standalone.html").read_text("utf-8")))
    return "\n".join(
        [
            f'<style id="forklore-style">{_styles(INSTRUMENT_STYLES)}</style>',
            f'<script type="application/json" id="forklore-shell">{shell}</script>',
            *(_script(name, ' data-forklore="{}"') for name in INSTRUMENT),
            *(_script(name, "") for name in PAGE),
            # here and not as gradio's css, which rewrites selectors and loses those inside @media
            f"<style>{_styles(PAGE_STYLES)}</style>",
        ]
    )


def standalone_page(ndjson: str, title: str) -> str:
    """One HTML document with a run inside, for a reader without a network."""
    shell = (FOLDER / "standalone.html").read_text("utf-8")
    parts = {
        "TITLE": html.escape(title),
        "STYLE": _styles(INSTRUMENT_STYLES),
        "SCRIPTS": "\n".join(_script(name, ' data-forklore="{}"') for name in INSTRUMENT),
        "DATA": _data(json.dumps(ndjson)),
        "SHELL": _data(json.dumps(shell)),
    }
    pieces = shell.split("@@")
    return "".join(parts[piece] if odd % 2 else piece for odd, piece in enumerate(pieces))


def _styles(names: tuple[str, ...]) -> str:
    return "\n".join((FOLDER / f"{name}.css").read_text("utf-8") for name in names)


def _script(name: str, mark: str) -> str:
    return f"<script{mark.format(name)}>{(FOLDER / f'{name}.js').read_text('utf-8')}</script>"


def _data(text: str) -> str:
    """JSON that cannot end the script element it stands in."""
    return text.replace("<", "\\u003c")
