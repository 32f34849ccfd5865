"""Puts the parts together and keeps them running: store, examples, model in the background, page.

The only place where settings become objects. Does not know what any of them does.
"""

from __future__ import annotations

import gc
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import gradio as gr
from starlette.middleware import Middleware

from engine.errors import BadInput, UserError
from engine.host import ModelHost
from engine.limits import Limits
from storage.database import Store
from storage.limits import ImportLimits
from ui import assets, examples
from ui.actions import Workbench
from ui.example_session import install_session
from ui.identity import Door, IdentityMiddleware
from ui.page import build_page
from ui.settings import Settings
from ui.shelf import Shelf
from ui.theme import page_theme

# how long a deleted run may still be brought back
DELETED_KEPT = timedelta(days=30)


def serve(settings: Settings) -> int:
    """Serve until interrupted; returns the exit code. Raises UserError when the store cannot be used."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings.database.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"The folder for the database {settings.database} cannot be made: {error.strerror}.") from error
    store = Store(settings.database)
    examples.install(store)
    install_session(store)
    empty_bin(store)
    host = ModelHost(cache_dir=settings.cache_dir)
    limits = replace(Limits.public() if settings.public else Limits(), rollout_megabytes=settings.rollout_memory)
    workbench = Workbench(store, host, limits)
    page = build_page(workbench, Shelf(store, import_limits(settings)), settings)
    open_port(page, settings)
    # only now: importing and loading a model beside the start of the page would slow both
    host.start(settings.model, quantization=settings.quantization, device=settings.device, dtype=settings.dtype)
    shown_host = f"[{settings.host}]" if ":" in settings.host else settings.host
    # what is loaded by now stays: without this every full collection walks it, and stops the tokens meanwhile
    gc.collect()
    gc.freeze()
    print(f"Forklore is at http://{shown_host}:{settings.port}", flush=True)
    page.block_thread()
    store.close()
    return 0


def empty_bin(store: Store) -> None:
    """Remove for good what was deleted long ago; a busy or a full disk is no reason not to start."""
    try:
        store.runs.purge(before=datetime.now(UTC) - DELETED_KEPT)
    except UserError as error:
        logging.getLogger("forklore").warning("deleted runs stay for now: %s", error)


def import_limits(settings: Settings) -> ImportLimits:
    """How much one person may bring in at once."""
    return ImportLimits.public() if settings.public else ImportLimits()


def open_port(page: gr.Blocks, settings: Settings) -> None:
    """Open the port and return; every switch that hardens the page is set here."""
    page.queue(default_concurrency_limit=16, max_size=64)
    head = assets.head()
    try:
        page.launch(
            server_name=settings.host,
            server_port=settings.port,
            show_error=False,
            run_history=False,
            strict_cors=True,
            max_file_size=import_limits(settings).file_bytes,
            ssr_mode=False,
            footer_links=["api"],
            theme=page_theme(),
            head=head,
            favicon_path=str(assets.FOLDER / "favicon.png"),
            quiet=True,
            prevent_thread_lock=True,
            app_kwargs={"middleware": [Middleware(IdentityMiddleware, Door(settings.mode, settings.proxies))]},
        )
    except OSError as error:
        raise BadInput(
            f"Port {settings.port} on {settings.host} cannot be used: choose another with --port."
        ) from error
