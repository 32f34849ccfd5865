"""Puts the parts together and keeps them running: store, examples, model in the background, page.

The only place where settings become objects. Does not know what any of them does.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace

import gradio as gr
from starlette.middleware import Middleware

from engine.errors import BadInput
from engine.host import ModelHost
from engine.limits import Limits
from storage.database import Store
from storage.in_use import lock_beside, sole_use
from storage.limits import ImportLimits, StoreLimits
from storage.snapshots import Snapshots, restore_missing, usable
from storage.tidying import remove_leftovers
from ui import assets, chores, examples
from ui.accounts import account_of, offered
from ui.actions import Workbench
from ui.body_limit import BodyBounds, BodyLimit
from ui.copies import Copies
from ui.ending import Ending, end_app
from ui.errors import Caught, says_what_is_missing
from ui.example_session import install_session
from ui.floodgate import Floodgate, FloodLimits
from ui.health import VERSION, Health, Watch
from ui.identity import Door, IdentityMiddleware
from ui.last_word import LastWord
from ui.logs import job_ended, logging_events, take_over_server_log
from ui.other_sites import OwnPagesOnly, outermost
from ui.page import build_page
from ui.people import NoPeople, People, many_people, nobody_yet
from ui.quotas import QuotaLimits, Quotas
from ui.routes import OpenRoutes
from ui.settings import Settings
from ui.shelf import Shelf
from ui.sign_in import TeamDoor
from ui.theme import page_theme
from ui.turns import TurnLimits
from ui.upkeep import Task, Upkeep

# what a program that is killed forgets of what people used
USAGE_SECONDS = 10.0
LOGGER = logging.getLogger("forklore")
IN_USE = "The library is in use by another Forklore (process {pid}): stop that one first, or choose another --database."
COPIED = "Another Forklore (process {pid}) keeps its snapshots in this folder: give each its own with --snapshots."


def serve(settings: Settings) -> int:
    """Serve until asked to end; returns the exit code. Raises UserError when the store cannot be used."""
    ending = Ending()
    with logging_events(), ExitStack() as held:
        store, snapshots = open_store(settings, held)
        examples.install(store)
        install_session(store)
        parts = parts_of(settings, store, snapshots)
        host, turns = parts.workbench.host, parts.workbench.turns
        model, trouble = lambda: host.state.status, lambda: host.state.trouble
        watch = Watch(VERSION, settings.database, model, turns.waiting, parts.copies.state, trouble)
        open_port(parts.page, settings, watch, People(store))
        # only now: importing and loading a model beside the start of the page would slow both
        host.start(settings.model, quantization=settings.quantization, device=settings.device, dtype=settings.dtype)
        turns.ended = job_ended
        parts.upkeep.start()
        # what is loaded by now stays: without this every full collection walks it, and stops the tokens meanwhile
        gc.collect()
        gc.freeze()
        say_where(settings, store)
        ending.wait()
        end_app(ending, turns, parts.upkeep, parts.page.server, snapshots)
    ending.leave()
    return ending.code


@dataclass(frozen=True)
class Parts:
    """An app put together: the use cases, what it does for itself, and the page over both; none of them at work yet."""

    workbench: Workbench
    shelf: Shelf
    upkeep: Upkeep
    copies: Copies
    page: gr.Blocks


def parts_of(settings: Settings, store: Store, snapshots: Snapshots | None) -> Parts:
    """The parts of the app over this store, bounded as the mode of these settings asks."""
    host = ModelHost(cache_dir=settings.cache_dir)
    limits = replace(Limits.public() if settings.public else Limits(), rollout_megabytes=settings.rollout_memory)
    quotas = Quotas(QuotaLimits.of(settings.mode), ledger=store.usage)
    workbench = Workbench(store, host, limits, turn_limits=TurnLimits.of(settings.mode), quotas=quotas)
    shelf = Shelf(store, import_limits(settings), quotas)
    usage = Task("usage", USAGE_SECONDS, quotas.write_down, first=USAGE_SECONDS)
    upkeep = Upkeep([*chores.tasks(store, settings, snapshots), usage])
    copies = Copies(lambda: snapshots.state, lambda: upkeep.soon(chores.SNAPSHOT)) if snapshots else Copies()
    return Parts(workbench, shelf, upkeep, copies, build_page(workbench, shelf, settings, copies))


def open_store(settings: Settings, held: ExitStack) -> tuple[Store, Snapshots | None]:
    """The store for this process alone, out of the newest snapshot where it is missing; closed with `held`."""
    path, folder = settings.database, settings.snapshots
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"The folder for the database {path} cannot be made: {error.strerror}.") from error
    held.enter_context(sole_use(lock_beside(path), IN_USE))
    remove_leftovers(path)
    if folder:
        usable(folder)
        held.enter_context(sole_use(folder / "in-use.lock", COPIED))
        restored = restore_missing(path, folder)
        for name, reason in restored.skipped if restored else ():
            LOGGER.error("snapshot unreadable", extra={"kind": name, "reason": reason})
    store = held.enter_context(Store(path, limits=StoreLimits.public() if settings.public else None))
    if folder and restored:
        say_restored(restored.source, store)
    return store, Snapshots(store, folder) if folder else None


def say_where(settings: Settings, store: Store) -> None:
    """The one line for the person at the terminal, and one more where a team's page would let nobody in."""
    shown_host = f"[{settings.host}]" if ":" in settings.host else settings.host
    shown = settings.address or f"http://{shown_host}:{settings.port}"
    for line in (f"Forklore is at {shown}", nobody_yet(store, settings)):
        if line:
            print(line, file=sys.__stdout__, flush=True)


def say_restored(source: str, store: Store) -> None:
    """Tell the log, and the person at the terminal, that the library is a copy: links work as they did then."""
    allowed = sum(not person.revoked for person in store.people.list())
    LOGGER.warning("library restored", extra={"kind": source, "count": allowed})
    if allowed:
        print(
            f"The library is the snapshot {source}; {many_people(allowed)} may come to a team's page with the links of "
            "that time. Remove, renew or erase (`people`) whom you removed, renewed or erased since.",
            file=sys.__stdout__,
            flush=True,
        )


def import_limits(settings: Settings) -> ImportLimits:
    """How much one person may bring in at once."""
    return ImportLimits.public() if settings.public else ImportLimits()


def door_of(settings: Settings, people: People | None) -> Middleware:
    """What finds out who sends a request; without a list of people nobody comes into a team's page."""
    if settings.mode == "team":
        return Middleware(TeamDoor, people or NoPeople(), settings.proxies)
    account = account_of if settings.public and offered() else None
    return Middleware(IdentityMiddleware, Door(settings.mode, settings.proxies, account))


def open_port(page: gr.Blocks, settings: Settings, watch: Watch | None = None, people: People | None = None) -> None:
    """Open the port and return; every switch that hardens the page is set here."""
    page.queue(default_concurrency_limit=16, max_size=64)
    says_what_is_missing(page)
    head = assets.head()
    # outermost first
    doors = [Middleware(Health, watch)] if watch else []
    doors.append(Middleware(OwnPagesOnly, settings.proxies))
    doors.append(Middleware(BodyLimit, BodyBounds.of_files(import_limits(settings).file_bytes)))
    doors.append(door_of(settings, people))
    doors.append(Middleware(OpenRoutes))
    person, address = FloodLimits.of_person(settings.mode), FloodLimits.of_address(settings.mode)
    doors.append(Middleware(Floodgate, person, address))
    doors.append(Middleware(LastWord, Caught))
    # else the web server itself believes every caller of this machine about addresses, before any door of ours
    os.environ["FORWARDED_ALLOW_IPS"] = ""
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
            enable_monitoring=False,
            prevent_thread_lock=True,
            app_kwargs={"middleware": doors, "lifespan": outermost(settings.proxies)},
        )
    except OSError as error:
        raise BadInput(
            f"Port {settings.port} on {settings.host} cannot be used: choose another with --port."
        ) from error
    take_over_server_log()
