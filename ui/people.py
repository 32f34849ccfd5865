"""The people of a team as whoever runs the app manages them, and as the door knows them again by their links.

`understood` and `run` are what `python app.py people ...` does. Knows how links are written; does not know how people
are stored or who asks for a page.
"""

from __future__ import annotations

import difflib
import shlex
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from engine.errors import BadInput, UserError
from storage.carried_people import CarriedPeople
from storage.database import Store
from storage.people import Person
from ui.access import Identity
from ui.addresses import is_loopback_host
from ui.settings import Settings
from ui.settings_values import many

PARAMETER = "person"
# how exactly it is kept when somebody was here last
SEEN_EVERY = timedelta(hours=1)
_ACTIONS = ("list", "add", "renew", "remove", "erase")
_USAGE = "Say one of: people add NAME, people list, people renew NAME, people remove NAME, people erase NAME."


class People:
    """Who may come to a team's page, asked anew for every request, so that a link ends at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: dict[str, datetime] = {}
        self._guard = threading.Lock()

    def known_by(self, secret: str) -> Identity | None:
        """The person whose link holds this secret, None for nobody. UserError when the store cannot be read."""
        person = self._store.people.by_secret(secret)
        return None if person is None else Identity(person.viewer, True, False, label=person.name)

    def came(self, secret: str) -> None:
        """Note that this person opened the page, at most once an hour; that the store is busy is no reason to wait."""
        person, now = self._store.people.by_secret(secret), datetime.now(UTC)
        if person is None:
            return
        with self._guard:
            if now - self._seen.get(person.uid, now - 2 * SEEN_EVERY) < SEEN_EVERY:
                return
            self._seen[person.uid] = now
        try:
            self._store.people.saw(person.uid, now)
        except UserError:
            with self._guard:
                self._seen.pop(person.uid, None)


class NoPeople:
    """A team without anybody."""

    def known_by(self, secret: str) -> Identity | None:
        """Nobody."""
        return None

    def came(self, secret: str) -> None:
        """Nobody comes."""


def secret_in(pasted: str) -> str:
    """The secret in what somebody pasted: a whole link, or the secret by itself."""
    text = pasted.strip()
    try:
        named = parse_qs(urlsplit(text).query).get(PARAMETER, [])
    except ValueError:
        return ""
    return named[0].strip() if named else text


@dataclass(frozen=True)
class Asked:
    """What the words after `people` ask for. name: of whom, "" for everybody; sure: erase without asking."""

    action: str
    name: str = ""
    sure: bool = False


def understood(words: Sequence[str], sure: bool = False) -> Asked:
    """What is asked for. BadInput."""
    asked = Asked(words[0] if words else "", " ".join(words[1:]).strip(), sure)
    if asked.action not in _ACTIONS or (asked.action == "list") == bool(asked.name) or sure > (asked.action == "erase"):
        near = [] if asked.action in _ACTIONS else difflib.get_close_matches(asked.action, _ACTIONS, 1)
        raise BadInput(f"Did you mean {near[0]}? {_USAGE}" if near else _USAGE)
    return asked


def run(asked: Asked, store: Store, settings: Settings) -> int:
    """Do what is asked for and print what came of it; returns the exit code. UserError."""
    if asked.action == "list":
        for line in _lines(store.people.list()):
            print(line)
    elif asked.action in ("add", "renew"):
        _let_in(asked, store, settings)
    elif asked.action == "remove":
        person = store.people.remove(asked.name)
        print(f"{person.name} can no longer come; open pages of theirs stop answering now.")
        print(f"What they made is kept; `people erase {person.name}` deletes it, `people renew` gives a new link.")
    else:
        _erase(asked, store)
    return 0


def _let_in(asked: Asked, store: Store, settings: Settings) -> None:
    person, secret = (store.people.add if asked.action == "add" else store.people.renew)(asked.name)
    print(f"{person.name}: {link(secret, settings)}")
    print("The link is shown this once; whoever has it is this person. The page must run with --mode team.")
    if asked.action == "add":
        print(f"{person.name} is on the list of the library at {settings.database}, which the page must be given.")
    if is_loopback_host(urlsplit(link(secret, settings)).netloc):
        elsewhere = f"{_call('renew', person.name, settings)} --address https://lab.example.org"
        print(
            "The link begins with this machine's name for itself and works here alone. One for elsewhere begins with "
            f"the page's own address: {elsewhere} (for that link alone; the variable FORKLORE_ADDRESS holds for all of "
            "them, and for the page)."
        )


def _erase(asked: Asked, store: Store) -> None:
    person = store.people.named(asked.name)
    held = store.belongings.held(viewer=person.viewer)
    goes = f"{many(held.runs, 'run')} and {many(held.sessions, 'annotation session')} for good, and the name"
    if not asked.sure:
        _ask(f"Erasing {person.name} deletes {goes}", person.name)
    store.people.remove(person.name)
    print(f"{person.name} can no longer come; open pages of theirs stop answering now.")
    gone = store.belongings.delete_all(viewer=person.viewer)
    store.people.erase(person.name)
    print(f"Deleted for good: {many(gone.runs, 'run')}, {many(gone.sessions, 'annotation session')}, and the name.")


def _ask(what: str, name: str) -> None:
    """BadInput unless somebody at a terminal types the name."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise BadInput(f"{what}; nothing was changed: say --yes to do it.")
    print(f"{what}. Type the name to do it: ", end="", flush=True)
    if sys.stdin.readline().strip() != name:
        raise BadInput("Nothing was changed: the name that was typed is another.")


def link(secret: str, settings: Settings) -> str:
    """Where the page lets this person in."""
    if settings.address:
        return f"{settings.address}/?{PARAMETER}={secret}"
    host = "localhost" if settings.host in ("0.0.0.0", "::") else settings.host
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{settings.port}/?{PARAMETER}={secret}"


def nobody_yet(store: Store, settings: Settings) -> str:
    """What to say at the start of a team's page to which nobody may come, "" otherwise."""
    if settings.mode != "team":
        return ""
    try:
        if any(not person.revoked for person in store.people.list()):
            return ""
    except UserError:
        # the page is there for whose row is sound; `check` names the others
        return ""
    address = f" --address {shlex.quote(settings.address)}" if settings.address else ""
    return f"Nobody is on the list yet: {_call('add', 'NAME', settings)}{address} prints the link of the first."


def _call(action: str, name: str, settings: Settings) -> str:
    return shlex.join(["python", "app.py", "people", action, name, "--database", str(settings.database)])


def people_afterwards(people: CarriedPeople) -> list[str]:
    """What to say of people's links after a library was put back."""
    said = []
    for names, what in (
        (people.removed, "removed since stay{s} removed"),
        (people.renewed, "given a new link since keep{s} that one"),
        (people.added, "added since keep{s} the link"),
    ):
        if names:
            verb = what.format(s="s" if len(names) == 1 else "")
            said.append(f"{many_people(len(names))} {verb}: {', '.join(names)}.")
    if people.erased:
        verb = "stays" if people.erased == 1 else "stay"
        said.append(f"{many_people(people.erased)} erased since {verb} erased.")
    if people.unread:
        said.append(
            "Whom the library before lists could not be read in full: some links are as they were when the copy was "
            "made. Remove, renew or erase (`people`) whom you removed, renewed or erased since."
        )
    if people.allowed:
        said.append(f"{many_people(len(people.allowed))} may come to a team's page: {', '.join(people.allowed)}.")
    return said


def many_people(count: int) -> str:
    """A number of people."""
    return "1 person" if count == 1 else f"{count:,} people"


def _lines(people: Sequence[Person]) -> list[str]:
    if not people:
        return ["Nobody yet: people add NAME."]
    width = max(len(person.name) for person in people)
    return [f"{person.name:<{width}}  {_state(person)}" for person in people]


def _state(person: Person) -> str:
    if person.revoked:
        return "removed"
    return (
        "has not come yet"
        if person.seen_at is None
        else f"last here {person.seen_at:%Y-%m-%d}, hour {person.seen_at:%H} UTC"
    )
