"""What the program does instead of serving: check, backup, restore, export, people. One word, then what it needs.

Reads the call and ends the program with a code: 0, 1 when damage was found, 2 for wrong use or what cannot be done.
Loads nothing heavy before the call is understood.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ui.settings import Form, Settings, parse_words, refuse
from ui.settings_values import quoted

DAMAGED = 1
WRONG = 2
INTERRUPTED = 130
YES = "--yes"


@dataclass(frozen=True)
class Command:
    """form: how it is called; file: what its one word names, "" for none; open_ended: takes any words."""

    form: Form
    file: str = ""
    open_ended: bool = False


def _form(rest: str, meaning: str, *more: str, switches: Mapping[str, str] | None = None) -> Form:
    flags = [f"[--{field} {field.upper()}]" for field in ("database", *more)] + [f"[{one}]" for one in switches or {}]
    return Form(f"python app.py {rest} {' '.join(flags)}", meaning, frozenset({"database", *more}), switches or {})


COMMANDS: Mapping[str, Command] = {
    "check": Command(_form("check", "Verify every checksum of the library and name what is damaged. The app may run.")),
    "backup": Command(
        _form("backup FILE", "Copy the whole library to a new file and verify the copy. The app may run."), "FILE"
    ),
    "restore": Command(
        _form("restore FILE", "Verify a backup and make it the library; the library that was there is kept beside it."),
        "FILE",
    ),
    "export": Command(
        _form("export FILE", "Write all runs and annotation sessions to a new zip of files that the page imports."),
        "FILE",
    ),
    "people": Command(
        _form(
            "people {list,add,renew,remove,erase} [NAME]",
            "Who may use a team's page, by personal links.",
            "address",
            "host",
            "port",
            switches={YES: "erase without asking; needed where nobody is at a terminal to be asked"},
        ),
        open_ended=True,
    ),
}


def asked_for(argv: Sequence[str]) -> tuple[str, ...] | None:
    """The call of a command with its name first, also where flags stand before it; None to serve the page."""
    at = 0
    while at < len(argv) and argv[at].startswith("--"):
        # every other flag has a value, which may look like a command
        at += 1 if "=" in argv[at] or argv[at] in ("--help", YES) else 2
    if at >= len(argv) or argv[at] not in COMMANDS:
        return None
    return (argv[at], *argv[:at], *argv[at + 1 :])


def run(argv: Sequence[str]) -> int:
    """Do what the words say; the exit code. SystemExit(2) for a call that is not understood, SystemExit(0) for help."""
    name, command = argv[0], COMMANDS[argv[0]]
    settings, words = parse_words(argv[1:], command.form)
    if not command.open_ended:
        _check_words(name, words, command.file)
    from engine.errors import StoreDamaged, UserError

    try:
        return _do(name, words, settings)
    except StoreDamaged as damage:
        print(damage, file=sys.stderr)
        return DAMAGED
    except UserError as error:
        print(error, file=sys.stderr)
        return WRONG


def _check_words(name: str, words: Sequence[str], file: str) -> None:
    wanted = 1 if file else 0
    if len(words) < wanted:
        refuse(f"{name} needs the name of a file: python app.py {name} {file}.")
    if len(words) > wanted:
        refuse(
            f"{quoted(words[wanted])} is one word too many; the call is python app.py {' '.join([name, file]).strip()}."
        )


def _do(name: str, words: Sequence[str], settings: Settings) -> int:
    from ui import maintenance

    if name == "people":
        return maintenance.people([word for word in words if word != YES], settings, YES in words)
    if name == "check":
        return maintenance.check(settings.database)
    work = {"backup": maintenance.backup, "restore": maintenance.restore, "export": maintenance.export}[name]
    return work(words[0], settings.database)
