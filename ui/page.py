"""The page: masthead, six views, and the wiring between what a person does and the use cases.

Holds no logic of its own: handlers hand values to `actions` and `shelf` and put their JSON into components.
"""

from __future__ import annotations

import gradio as gr

from ui import accounts, api, branch_api, chain_api, fork_api, own_work_api, probe_api, session_api, tree_api
from ui.actions import Workbench
from ui.annotating import Annotating
from ui.branching import Branching
from ui.chains import Chains
from ui.components.masthead import Masthead
from ui.copies import Copies
from ui.forks import Forks
from ui.own_work import OwnWork
from ui.probes import Probes
from ui.session_results import Results
from ui.sessions import Sessions
from ui.settings import Settings
from ui.shelf import Shelf
from ui.tabs import annotate, explore, library, methods, probe
from ui.tabs.branching import wire_branching, wire_trees
from ui.tabs.chain import wire_chain
from ui.tabs.forking import wire_forking
from ui.tabs.masthead import wire_masthead
from ui.trees import Trees

# uploads and exports that pass through gradio: how often it looks, and how old they may become
CACHE_SECONDS = (3600, 24 * 3600)
# what one stranger's bias probe may cost at most
PUBLIC_PROBE_TOKENS = 20_000


def build_page(workbench: Workbench, shelf: Shelf, settings: Settings, copies: Copies | None = None) -> gr.Blocks:
    """Build the whole page over these use cases; nothing is read from the environment here."""
    copies = copies or Copies()
    branching, trees, forks = Branching(workbench), Trees(workbench), Forks(workbench)
    chains = Chains(workbench)
    probes = Probes(workbench, most_tokens=PUBLIC_PROBE_TOKENS) if settings.public else Probes(workbench)
    with gr.Blocks(title="Forklore", analytics_enabled=False, fill_width=True, delete_cache=CACHE_SECONDS) as page:
        masthead = Masthead(elem_id="masthead")
        if settings.public and accounts.offered():
            # never seen: with it gradio adds the ways in and out, which the masthead leads to
            gr.LoginButton(visible=False)
        with gr.Tabs(elem_id="views", selected="explore") as views:
            with gr.Tab("Explore", id="explore"):
                explored = explore.build(workbench, settings)
            with gr.Tab("Library", id="library") as library_tab:
                listed = library.build()
            with gr.Tab("Probe", id="probe") as probe_tab:
                probed = probe.build(workbench, settings)
            with gr.Tab("Annotate", id="annotate"):
                labelling = annotate.build_annotate()
            with gr.Tab("Results", id="results"):
                evaluating = annotate.build_results()
            with gr.Tab("Methods", id="methods"):
                methods.build()
        # first, so that the endpoints' names are theirs and no handler of the page takes them
        api.register(workbench, shelf)
        own_work_api.register(OwnWork(workbench, settings.keep_days if settings.public else None))
        branch_api.register(branching)
        tree_api.register(trees)
        probe_api.register(probes)
        fork_api.register(forks)
        chain_api.register(chains)
        results = Results(workbench.store)
        sessions = Sessions(workbench.store, results, shelf.imports, copies.soon, workbench.quotas)
        session_api.register(Annotating(workbench.store, copies.soon), sessions, results)
        wire_masthead(page, masthead, workbench, copies, explored.shares)
        explore.wire(page, explored, workbench, shelf)
        wire_branching(explored, workbench, branching)
        wire_trees(explored, workbench, branching, trees)
        wire_forking(explored, workbench, branching, forks)
        wire_chain(explored, workbench, chains)
        probe.wire(probed, page, probe_tab, views, explored, workbench, probes)
        pieces = annotate.AnnotationParts(labelling, evaluating)
        annotate.wire(page, pieces, views, explored, workbench, results)
        library.wire(listed, library_tab, views, explored, workbench, shelf)
    return page
