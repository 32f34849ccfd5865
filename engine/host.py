"""Holds the one model of the app: loads it in the background, says how far it is, hands it out when it is there.

Knows states and threads; does not know how a model is loaded, nor who asks.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engine import lent_gpu
from engine.catalogue import model_title, read_catalogue
from engine.errors import Busy, ModelUnavailable, UserError
from engine.progress import Progress

if TYPE_CHECKING:
    from engine.models import LanguageModel

PACKAGE_MISSING = "the package {} is missing or broken; install requirements.txt again, then start the app again."
PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.2
LOGGER = logging.getLogger("forklore")
Status = Literal["empty", "loading", "ready", "failed"]


@dataclass(frozen=True)
class HostState:
    """What the host is doing. message: a sentence for people; fraction in [0, 1] or None; seconds since the start.

    trouble: why there is no model, fit for the log: without a name that somebody typed on the page; "" where nothing
    failed.
    """

    status: Status
    name: str
    message: str
    fraction: float | None = None
    seconds: float = 0.0
    trouble: str = ""


class ModelHost:
    """One model at a time, loaded by a thread of its own."""

    def __init__(self, *, cache_dir: Path | None = None, patience: float = PATIENCE_SECONDS) -> None:
        """cache_dir: where converted models are kept; None for the user's cache.

        patience: seconds a new model waits for whoever still uses the one before; then both are in memory for a while.
        """
        self._cache_dir = cache_dir
        self._patience = patience
        self._change = threading.Condition()
        self._state = HostState("empty", "", "No model has been chosen yet.")
        self._started = 0.0
        self._first = ""
        self._attempt = 0
        self._model: LanguageModel | None = None
        self._in_memory: weakref.WeakSet[LanguageModel] = weakref.WeakSet()
        self._one_load = threading.Lock()
        self._listener: Callable[[int], None] | None = None

    @property
    def state(self) -> HostState:
        """What the host is doing now."""
        with self._change:
            running = self._state.status == "loading"
            return replace(self._state, seconds=self._elapsed()) if running else self._state

    def choices(self, current: str = "") -> list[tuple[str, str]]:
        """(title, name) of every model that can be chosen by name, with `current` first when it is none of them."""
        titles = [(entry.title, name) for name, entry in read_catalogue().items()]
        known = not current or any(name == current for _, name in titles)
        return titles if known else [(current, current), *titles]

    def start(
        self, name: str, quantization: str | None = None, device: str | None = None, dtype: str | None = None
    ) -> None:
        """Begin to load a model and return at once; the one before is let go of, and a load under way is overtaken.

        Whoever still uses the old model keeps it until done; its memory is free after that.
        """
        with self._change:
            self._attempt += 1
            self._model = None
            self._first = self._first or name
            self._started = time.monotonic()
            self._state = HostState("loading", name, f"Loading {model_title(name)}")
            self._change.notify_all()
            arguments = (self._attempt, name, quantization, device, dtype)
        threading.Thread(target=self._load, args=arguments, name="model-loader", daemon=True).start()

    def listen(self, listener: Callable[[int], None]) -> None:
        """Tell this listener how many tokens each forward pass of the model reads, of this one and those to come."""
        with self._change:
            self._listener = listener
            if self._model is not None:
                self._model.meter.listener = listener

    def hold(self, model: LanguageModel) -> None:
        """Take over a model that is already loaded, in place of loading one."""
        with self._change:
            self._attempt += 1
            self._model = model
            model.meter.listener = self._listener
            lent_gpu.hold(model)
            self._in_memory.add(model)
            self._state = HostState("ready", model.card.name, "Ready", 1.0)
            self._change.notify_all()

    def model(self) -> LanguageModel:
        """The loaded model. Raises Busy while one is loading, ModelUnavailable when there is none."""
        with self._change:
            if self._model is not None:
                return self._model
            if self._state.status == "loading":
                raise Busy(f"{self._state.message}: try again in a few seconds.")
            raise ModelUnavailable(self._state.message)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is loading, at most `timeout` seconds; True when a model is ready."""
        with self._change:
            self._change.wait_for(lambda: self._state.status != "loading", timeout)
            return self._state.status == "ready"

    def _load(self, attempt: int, name: str, quantization: str | None, device: str | None, dtype: str | None) -> None:
        def progress(message: str, fraction: float | None) -> None:
            self._settle(attempt, HostState("loading", name, message, fraction))

        outcome, model = HostState("failed", name, "The model could not be loaded."), None
        with self._one_load:
            if attempt != self._attempt:
                return
            try:
                self._wait_until_unused(progress)
                from engine.models import load_model

                model = load_model(
                    name,
                    quantization=quantization,
                    device=device,
                    dtype=dtype,
                    progress=progress,
                    cache_dir=self._cache_dir,
                )
                self._in_memory.add(model)
                outcome = HostState("ready", name, "Ready", 1.0)
            except UserError as error:
                outcome = self._failed(name, str(error), error)
            except ImportError as error:
                missing = error.name or "that runs models"
                outcome = self._failed(name, f"{name} cannot be loaded: {PACKAGE_MISSING.format(missing)}", error)
            except BaseException as error:
                # a defect must not leave the page waiting for ever: it is shown as one, and raised for the log
                outcome = self._failed(name, f"{name} could not be loaded because of a defect: see the log.", error)
                raise
            finally:
                self._settle(attempt, outcome, model)

    def _failed(self, name: str, sentence: str, error: BaseException) -> HostState:
        """The state after a failure, with a line in the log. There a model that somebody named on the page, unlike the
        first and those of the catalogue, is not named."""
        kind = error.kind if isinstance(error, UserError) else type(error).__qualname__
        told = isinstance(error, UserError | ImportError) and (name == self._first or name in read_catalogue())
        trouble = sentence if told else kind
        LOGGER.error("model", extra={"kind": kind, "reason": trouble})
        return HostState("failed", name, sentence, trouble=trouble)

    def _wait_until_unused(self, progress: Progress) -> None:
        """Give whoever still uses a model before this one time to finish, so that two need not fit into memory."""
        deadline = time.monotonic() + self._patience
        gc.collect()
        while self._in_memory and time.monotonic() < deadline:
            progress("Waiting until nobody uses the model before", None)
            time.sleep(POLL_SECONDS)
            gc.collect()

    def _settle(self, attempt: int, state: HostState, model: LanguageModel | None = None) -> None:
        """Take a state over unless a later start has overtaken this one."""
        with self._change:
            if attempt != self._attempt:
                return
            if model is not None:
                model.meter.listener = self._listener
                lent_gpu.hold(model)
            self._model = model
            self._state = replace(state, seconds=self._elapsed())
            self._change.notify_all()

    def _elapsed(self) -> float:
        return time.monotonic() - self._started
