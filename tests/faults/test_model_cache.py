"""Promises of the converted-model cache: never half a model, whoever is killed, late, or finds damage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import conversion
from engine.errors import ModelUnavailable
from engine.models import load_model
from engine.testing import save_tiny_folder, tiny_model

WEIGHTS = "model.safetensors"
REAL = """
import sys
from pathlib import Path
from engine.models import load_model
model = load_model("embedded", device="cpu", cache_dir=Path(sys.argv[1]), progress=lambda m, f: print(m, flush=True))
print("LOADED", model.card.revision, model.encode("Hello"), flush=True)
"""
# Converts like the real thing, but stops for ever after the first file.
STUCK = """
import sys, time
from pathlib import Path
from engine import conversion
def convert(source, target):
    (target / "config.json").write_text("{}")
    print("HALF", flush=True)
    time.sleep(600)
conversion.converted(Path(sys.argv[2]), label="x", cache_dir=Path(sys.argv[1]), progress=print, convert=convert)
"""


def start(root: Path, script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )


def folders(cache: Path) -> list[Path]:
    return [path for path in (cache / "models").iterdir() if path.is_dir()]


class Converter:
    """Turns any file into the tiny model's folder, and counts."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.calls = 0
        self._seconds = seconds

    def __call__(self, source: Path, target: Path) -> None:
        self.calls += 1
        time.sleep(self._seconds)
        save_tiny_folder(target)


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "any.gguf"
    path.write_bytes(b"GGUF" + bytes(range(256)))
    return path


def convert(source: Path, cache: Path, converter: conversion.Convert) -> Path:
    def progress(message: str, fraction: float | None) -> None: ...

    return conversion.converted(source, label="it", cache_dir=cache, progress=progress, convert=converter)[0]


def test_after_a_kill_in_mid_conversion_two_processes_at_once_make_one_good_model(root: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    killed = start(root, REAL, cache)
    assert killed.stdout is not None
    assert "Converting the embedded model" in killed.stdout.readline()
    deadline = time.monotonic() + 60
    # until the weights are being written: the most half-done moment there is
    while time.monotonic() < deadline and not any((cache / "models").glob("*.partial-*/*")):
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    left = folders(cache)
    assert [".partial-" in path.name for path in left] == [True], "it was killed too late, or too early"

    both = [start(root, REAL, cache), start(root, REAL, cache)]
    texts = [process.communicate(timeout=150)[0] for process in both]
    answers = {line for text in texts for line in text.splitlines() if line.startswith("LOADED")}
    assert len(answers) == 1 and all("LOADED" in text for text in texts), texts
    assert sum("Converting" in text for text in texts) == 1, texts
    assert [path.name for path in folders(cache)] == [left[0].name.split(".partial-")[0]]

    (folder,) = folders(cache)
    stamps = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    told: list[str] = []
    tiny_model()  # torch and transformers take seconds to import, whatever is loaded
    started = time.perf_counter()
    model = load_model("embedded", device="cpu", cache_dir=cache, progress=lambda said, _: told.append(said))
    assert time.perf_counter() - started < 3
    assert told and not any("Converting" in said for said in told), "a good copy is not converted again"
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == stamps and WEIGHTS in stamps
    assert f"LOADED {model.card.revision} {model.encode('Hello')}" in answers


def test_a_process_killed_half_way_leaves_nothing_that_is_taken_for_a_model(
    root: Path, tmp_path: Path, gguf: Path
) -> None:
    stuck = start(root, STUCK, tmp_path, gguf)
    assert stuck.stdout is not None
    while "HALF" not in stuck.stdout.readline():
        assert stuck.poll() is None
    waiting: list[Path] = []
    converter = Converter()
    thread = threading.Thread(target=lambda: waiting.append(convert(gguf, tmp_path, converter)))
    thread.start()
    thread.join(0.5)
    assert thread.is_alive() and converter.calls == 0, "two converted at once"
    stuck.send_signal(signal.SIGKILL)
    stuck.wait()
    thread.join(20)
    assert converter.calls == 1
    assert folders(tmp_path) == waiting
    assert load_model(str(waiting[0]), device="cpu").encode("a") == [97]


def damage_cut(folder: Path) -> None:
    os.truncate(folder / WEIGHTS, 5000)


def damage_flip(folder: Path) -> None:
    path = folder / WEIGHTS
    raw = bytearray(path.read_bytes())
    raw[-1000] ^= 1
    path.write_bytes(raw)


def damage_grown(folder: Path) -> None:
    with (folder / "tokenizer.json").open("a") as file:
        file.write(" ")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "weights cut": damage_cut,
    "one bit flipped": damage_flip,
    "tokenizer longer": damage_grown,
    "configuration gone": lambda folder: (folder / "config.json").unlink(),
    "marker gone": lambda folder: (folder / conversion.MARKER).unlink(),
    "marker cut": lambda folder: os.truncate(folder / conversion.MARKER, 40),
    "marker empty": lambda folder: (folder / conversion.MARKER).write_text("{}"),
    "marker of another kind": lambda folder: (folder / conversion.MARKER).write_text("[1]"),
    "older layout": lambda folder: (folder / conversion.MARKER).write_text('{"layout": 0, "files": {"a": 1}}'),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_copy_is_noticed_and_made_again(tmp_path: Path, gguf: Path, damage: Callable[[Path], object]) -> None:
    converter = Converter()
    folder = convert(gguf, tmp_path, converter)
    damage(folder)
    assert convert(gguf, tmp_path, converter) == folder
    assert converter.calls == 2
    assert conversion.intact(folder)
    assert folders(tmp_path) == [folder]


def test_a_good_copy_is_used_as_it_is(tmp_path: Path, gguf: Path) -> None:
    converter = Converter()
    folder = convert(gguf, tmp_path, converter)
    stamp = (folder / WEIGHTS).stat().st_mtime_ns
    assert convert(gguf, tmp_path, converter) == folder
    assert converter.calls == 1
    assert (folder / WEIGHTS).stat().st_mtime_ns == stamp


def test_another_file_of_the_same_name_is_another_model(tmp_path: Path, gguf: Path) -> None:
    converter = Converter()
    before = convert(gguf, tmp_path, converter)
    gguf.write_bytes(b"GGUF" + bytes(range(255)) + b"x")
    after = convert(gguf, tmp_path, converter)
    assert before != after and converter.calls == 2
    assert conversion.intact(before) != conversion.intact(after)


def test_threads_that_ask_at_once_convert_once(tmp_path: Path, gguf: Path) -> None:
    converter = Converter(seconds=0.3)
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(convert(gguf, tmp_path, converter))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert converter.calls == 1
    assert len(found) == 4 and len(set(found)) == 1


def test_a_full_disk_is_said_in_one_sentence_and_leaves_nothing_behind(tmp_path: Path, gguf: Path) -> None:
    def full(source: Path, target: Path) -> None:
        (target / "config.json").write_text("{}")
        with Path("/dev/full").open("w") as file:
            file.write("x" * 100_000)

    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(ModelUnavailable, match=r"could not be written to .*No space left on device.*free some space"):
        convert(gguf, tmp_path, full)
    assert folders(tmp_path) == []
    assert convert(gguf, tmp_path, Converter()).is_dir(), "a retry works once there is space"


def test_a_cache_that_cannot_be_a_folder_is_said_in_one_sentence(tmp_path: Path, gguf: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelUnavailable, match="choose another cache folder"):
        convert(gguf, tmp_path / "file", Converter())
