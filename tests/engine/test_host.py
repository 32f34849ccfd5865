"""Promises of engine.host: the page never waits blindly, never gets a half-loaded or an overtaken model."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from pathlib import Path

import pytest

from engine.catalogue import read_catalogue
from engine.errors import Busy, ModelUnavailable
from engine.host import HostState, ModelHost
from engine.testing import save_tiny_folder, tiny_model
from tests.support.app_server import wait_until


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, str]:
    """Two model folders, "first" and "second"."""
    for seed, name in enumerate(("first", "second")):
        save_tiny_folder(tmp_path / name, seed=seed)
    return str(tmp_path / "first"), str(tmp_path / "second")


def test_before_any_choice_it_says_so() -> None:
    host = ModelHost()
    assert host.state.status == "empty"
    with pytest.raises(ModelUnavailable, match="No model has been chosen"):
        host.model()
    assert not host.wait(0)


def test_it_loads_in_the_background_and_hands_out_one_and_the_same_model(folders: tuple[str, str]) -> None:
    host = ModelHost()
    host.start(folders[0], device="cpu")
    assert host.wait(60)
    assert (host.state.status, host.state.fraction, host.state.name) == ("ready", 1.0, folders[0])
    assert host.model() is host.model()
    assert host.model().card.name == "first"


def test_while_it_loads_asking_is_busy_and_the_state_tells_how_long(folders: tuple[str, str]) -> None:
    host = ModelHost(patience=60.0)
    host.start(folders[0], device="cpu")
    assert host.wait(60)
    held = host.model()
    # the second one waits for `held`, so that it is loading for as long as this test wants
    before = time.monotonic()
    host.start(folders[1], device="cpu")
    after = time.monotonic()
    wait_until(lambda: host.state.message == "Waiting until nobody uses the model before", 60)
    assert host.state.status == "loading"
    for _ in range(2):
        at_least = time.monotonic() - after
        assert at_least <= host.state.seconds <= time.monotonic() - before
    with pytest.raises(Busy, match="Waiting until nobody uses the model before: try again"):
        host.model()
    assert not host.wait(0.01)
    del held
    assert host.wait(60)
    assert host.model().card.name == "second"


def test_the_old_model_is_let_go_of_once_nobody_uses_it(folders: tuple[str, str]) -> None:
    host = ModelHost(patience=30.0)
    host.start(folders[0], device="cpu")
    assert host.wait(60)
    held = host.model()
    gone = weakref.ref(held)
    host.start(folders[1], device="cpu")
    assert not host.wait(0.5), "it must wait for whoever still uses the old one"
    assert held.encode("a") == [97]
    del held
    assert host.wait(20)
    gc.collect()
    assert gone() is None
    assert host.model().card.name == "second"


def test_someone_who_never_lets_go_delays_the_new_model_only_for_a_while(folders: tuple[str, str]) -> None:
    host = ModelHost(patience=0.3)
    host.start(folders[0], device="cpu")
    assert host.wait(60)
    held = host.model()
    host.start(folders[1], device="cpu")
    assert host.wait(20)
    assert (held.card.name, host.model().card.name) == ("first", "second")


def test_a_load_under_way_is_overtaken_by_the_next(folders: tuple[str, str]) -> None:
    host = ModelHost()
    for _ in range(5):
        host.start(folders[0], device="cpu")
    host.start(folders[1], device="cpu")
    assert host.wait(60)
    time.sleep(0.3)
    assert host.model().card.name == "second"
    assert host.state.name == folders[1]


def test_a_failure_keeps_its_sentence_and_the_next_try_may_succeed(folders: tuple[str, str]) -> None:
    host = ModelHost()
    host.start(folders[0], device="cpu")
    assert host.wait(60)
    host.start("gpt-17")
    assert not host.wait(60)
    assert host.state.status == "failed"
    assert host.state.message.startswith("There is no model 'gpt-17': choose one of embedded,")
    with pytest.raises(ModelUnavailable, match="There is no model 'gpt-17'"):
        host.model()
    host.start(folders[1], device="cpu")
    assert host.wait(60)
    assert host.model().card.name == "second"


def test_a_model_that_is_already_loaded_can_be_held() -> None:
    host = ModelHost()
    model = tiny_model()
    host.hold(model)
    assert host.wait(0) and host.model() is model and host.state.status == "ready"


def test_no_thread_is_left_when_everything_is_loaded(folders: tuple[str, str]) -> None:
    host = ModelHost()
    for name in (*folders, *folders):
        host.start(name, device="cpu")
    assert host.wait(60)
    deadline = time.monotonic() + 5
    while any(t.name == "model-loader" for t in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(thread.name == "model-loader" for thread in threading.enumerate())


def test_the_choices_are_the_catalogue_and_what_was_asked_for() -> None:
    host = ModelHost()
    names = [name for _, name in host.choices("embedded")]
    assert names == list(read_catalogue())
    assert host.choices("owner/own")[0] == ("owner/own", "owner/own")
    assert host.choices()[0][1] == "embedded"


def test_a_state_does_not_change_in_the_hands_of_who_asked() -> None:
    state = ModelHost().state
    with pytest.raises(AttributeError):
        state.status = "ready"  # type: ignore[misc]
    assert isinstance(state, HostState)
