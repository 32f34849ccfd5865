"""A visitor who knows every id of another one learns and changes nothing: each handler answers as for an unknown id.

Calls every function that the page has, endpoints and private handlers alike, with what a script could send.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from engine import generate
from engine.host import ModelHost
from engine.label_schema import parse_schema, schema_fields
from engine.limits import Limits
from engine.models import LanguageModel
from engine.types import GenerationRequest
from storage.annotation_records import NewItem, SessionSettings
from storage.database import Store
from tests.support.chains import SPAN
from tests.support.doors import request_of
from tests.support.forking import SMALL
from tests.support.probing import made
from tests.support.sessions import SCHEMA
from ui.access import Identity, viewer_of
from ui.actions import Workbench
from ui.branching import Branching
from ui.chains import Chains
from ui.forks import Forks
from ui.page import build_page
from ui.probes import Probes
from ui.settings import Settings
from ui.shelf import Shelf
from ui.trees import Trees

SECRET = "between-you-and-me"
A, B = Identity("visitor:a", False, True), Identity("visitor:b", False, True)
UNKNOWN, OTHER_UNKNOWN = "0123456789abcdef01234567", "76543210fedcba9876543210"
# answers the same to everybody: none of them reads anything that belongs to somebody
NOBODYS = {
    "scores", "strategies", "session_defaults", "check_schema", "_picked", "<lambda>", "show_session", "annotate",
}  # fmt: skip
# runs the model on the caller's own words, or makes something of the caller's own
OWN_WORDS = {"generate", "score_text", "score", "probe", "run", "import_logprobs", "import_runs", "import_session"}
TOLD = {
    "open_run", "list_runs", "export_runs", "open_probe", "list_probes", "my_annotations", "tree", "session_overview",
    "open_example", "ask", "compare", "arrive", "show", "swap", "listed", "open_chain", "open_forks",
}  # fmt: skip
WORDS: dict[str, Any] = {
    "text": "x", "kind": "jsonl", "node": 0, "removed": "x", "edits": [{"start": 0, "stop": 1, "text": "x"}],
    "data": "{}",
    "position": 3, "token_id": 5, "changes": {"title": "taken"}, "title": "x", "name": "x", "events": [],
    "target": "question:correct", "score": "entropy", "schema": SCHEMA, "confirm": "", "form": "jsonl", "start": 30,
    "stop": 32, "index": 1, "how": "click", "count": 2, "query": {}, "all": False, "note": "taken", "tags": ["taken"],
    "bookmark": True, "settings": None, "shared": True, "with_branches": True, "role": "annotator", "fields": {},
    "place": 3, "token": 5, "luck": "same", "field": "", "parameter": "", "state": {}, "limit": 50, "offset": 0,
}  # fmt: skip


@dataclass
class House:
    """The page over a store in which A has one of everything. ids: kind -> id."""

    page: gr.Blocks
    store: Store
    ids: dict[str, str]

    def functions(self) -> list[tuple[str, Callable[..., Any]]]:
        """Every function of the page that a caller can reach, with its name."""
        return [(f.fn.__name__, f.fn) for f in self.page.fns.values() if f.fn is not None and callable(f.fn)]

    def rows(self) -> dict[str, list[Any]]:
        """All that is in the store but what B may have made."""
        with self.store.read() as session:
            execute = session.connection().exec_driver_sql
            tables = list(execute("SELECT name FROM sqlite_master WHERE type = 'table'").scalars())
            return {name: sorted(map(str, execute(f"SELECT * FROM {name}").all())) for name in tables}


@pytest.fixture(scope="module")
def house(tiny: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder: Path = tmp_path_factory.mktemp("house")
    host = ModelHost(patience=0.0)
    host.hold(tiny)
    settings = Settings("embedded", None, None, None, folder / "a.db", folder, "127.0.0.1", 1, 1, "public")
    with Store(folder / "a.db") as store:
        bench = Workbench(store, host, Limits.public())
        ids = furnish(bench, tiny)
        yield House(build_page(bench, Shelf(store), settings), store, ids)


def furnish(bench: Workbench, tiny: LanguageModel) -> dict[str, str]:
    """One of everything for A, each with a word in it that nobody else may read."""
    viewer = viewer_of(request_of(A))
    store = bench.store
    run = bench.keep(generate.run(tiny, GenerationRequest(f"Tell me {SECRET}", max_new_tokens=40, seed=3)), viewer)
    store.runs.update(run, viewer=viewer.name, title=SECRET, note=SECRET, tags=[SECRET])
    *_, branch = Branching(bench).branch(run, {"edits": [{"start": 3, "stop": 4, "text": "x"}]}, viewer)
    *_, forks = Forks(bench).run(run, {**SMALL, "stop": 6}, viewer)
    *_, chain = Chains(bench).trace(run, SPAN, viewer)
    *_, tree = Trees(bench).grow(run, {"budget": 4, "depth": 2, "width": 2}, viewer)
    trees = store.analyses.list(run, viewer=viewer.name)
    probe = made(Probes(bench), viewer, template="{Sex}: " + SECRET)
    session = store.annotations.create(
        owner=viewer.name, title=SECRET, schema=schema_fields(parse_schema(SCHEMA)), guidelines=SECRET,
        settings=SessionSettings(), items=[NewItem((run,))], viewer=viewer.name,
    )  # fmt: skip
    member, _ = store.annotations.add_member(session, viewer=viewer.name, name=SECRET, role="annotator")
    store.annotations.begin(session, member)
    item = store.annotations.take_next(session, member)
    assert item is not None and branch and forks and chain and tree
    found = {one.kind: one.uid for one in trees}
    left = json.loads(branch.split("\n")[0])
    return {"run": run, **found, "probe": probe["uid"], "branch": str(left["run"]), "session": session,
            "member": member.uid, "item": item.uid}  # fmt: skip


def asked(function: Callable[..., Any], uid: str, ids: dict[str, str], identity: Identity) -> dict[str, Any]:
    """What a script could send to a function: this id wherever one is asked for, harmless words elsewhere."""
    values: dict[str, Any] = {}
    event = {**WORDS, **dict.fromkeys(("uid", "run", "a", "session", "forks", "chain", "probe", "link"), uid)}
    event |= {"b": ids["branch"], "uids": [uid], "item": ids["item"], "member": ids["member"]}
    for name, parameter in inspect.signature(function).parameters.items():
        hint = str(parameter.annotation)
        if "Request" in hint:
            values[name] = request_of(identity, query={"run": uid, "probe": uid, "session": uid, "annotate": uid})
        elif "EventData" in hint:
            values[name] = gr.EventData(None, event)
        elif name == "pair":
            values[name] = (uid, ids["branch"])
        elif name == "runs":
            values[name] = [uid]
        elif name in ("uids", "uid", "session", "item", "member"):
            values[name] = event[name]
        elif parameter.kind == inspect.Parameter.VAR_POSITIONAL:
            continue
        elif parameter.default is inspect.Parameter.empty:
            values[name] = WORDS.get(name, "")
    return values


def answer(function: Callable[..., Any], uid: str, ids: dict[str, str], identity: Identity) -> str:
    """All that a function says or refuses, with ids and moments taken out."""
    values = asked(function, uid, ids, identity)
    try:
        found = function(**values)
        said = repr(list(found) if inspect.isgenerator(found) else found)
    except Exception as error:  # noqa: BLE001 - whatever is raised reaches the caller in some form
        said = f"{type(error).__name__}: {error}"
    for known in (*ids.values(), uid, UNKNOWN, OTHER_UNKNOWN):
        said = said.replace(known, "ID")
    return said


def without_moments(said: str) -> str:
    """Answers carry when they were given and how long they took."""
    return re.sub(
        r'0x[0-9a-f]{8,}|"n":"[0-9a-f]+"|' r"\d{4}-\d\d-\d\dT[\d:.+]+|'seconds': [\d.]+|\"seconds\":[\d.]+", "T", said
    )


def test_every_function_of_the_page_takes_its_rights_from_the_request(house: House) -> None:
    for name, function in house.functions():
        hints = [str(parameter.annotation) for parameter in inspect.signature(function).parameters.values()]
        assert any("Request" in hint for hint in hints) or name in NOBODYS, f"{name} does not know who asks"
    named = {name for name, _ in house.functions()}
    assert named >= NOBODYS and len(named) > 90, "the list holds nothing that is not there"


def test_another_visitor_s_ids_open_and_change_nothing(house: House) -> None:
    before, tried, differing = house.rows(), 0, []
    for name, function in house.functions():
        if name in NOBODYS | OWN_WORDS:
            continue
        unknown = without_moments(answer(function, UNKNOWN, {**house.ids, "branch": OTHER_UNKNOWN}, B))
        for kind, uid in house.ids.items():
            # two ids that are told apart, as the unknown ones are
            ids = house.ids if kind != "branch" else {**house.ids, "branch": house.ids["run"]}
            said = answer(function, uid, ids, B)
            tried += 1
            assert SECRET not in said, (name, kind)
            if without_moments(said) != unknown:
                differing.append((name, kind, said[:200], unknown[:200]))
    assert differing == []
    after = house.rows()
    assert {name for name in before if before[name] != after[name]} == set() and tried > 700


def test_the_same_calls_show_their_owner_what_is_theirs(house: House) -> None:
    """Without this the test before could pass by asking wrongly."""
    told = set()
    for name, function in house.functions():
        if name in TOLD and any(SECRET in answer(function, uid, house.ids, A) for uid in house.ids.values()):
            told.add(name)
    assert told == TOLD


def test_a_run_of_somebody_else_an_unknown_one_and_a_deleted_one_are_one_sentence(house: House) -> None:
    functions = dict(reversed(house.functions()))  # endpoints stand first and have the name
    own = house.store.runs.get(house.ids["run"], viewer=A.name).trace
    gone = house.store.runs.add(replace(own), owner=B.name, status="finished", run_scores={})
    house.store.runs.delete([gone], viewer=B.name)
    for name in ("open_run", "run_access", "share_run", "tree", "list_forks", "trace_attention", "continue_run"):
        said = {
            answer(functions[name], uid, {**house.ids, "gone": gone}, B) for uid in (house.ids["run"], UNKNOWN, gone)
        }
        assert len(said) == 1 and "There is no run" in said.pop(), name


def test_a_shared_run_can_be_opened_and_nothing_else(house: House) -> None:
    functions, uid = dict(reversed(house.functions())), house.ids["run"]
    mine, theirs = request_of(A), request_of(B)
    assert functions["share_run"](uid, True, request=mine)["shared"] is True
    try:
        assert SECRET in functions["open_run"](uid, request=theirs)["prompt"]
        assert functions["run_access"](uid, request=theirs) | {"branches": 0} == {
            "run": uid, "mine": False, "shared": True, "example": False, "branches": 0,
        }  # fmt: skip
        assert uid not in str(functions["list_runs"](request=theirs))
        for name in ("share_run", "continue_run"):
            assert "There is no run" in answer(functions[name], uid, house.ids, B), name
        for call in (
            lambda: functions["delete_runs"]([uid], True, request=theirs),
            lambda: functions["count_branches"]([uid], request=theirs),
            lambda: functions["restore_runs"]([uid], request=theirs),
        ):
            with pytest.raises(gr.Error, match="There is no run"):
                call()
    finally:
        functions["share_run"](uid, False, request=mine)
    assert "There is no run" in answer(functions["open_run"], uid, house.ids, B)
