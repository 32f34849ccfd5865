"""A team's page lets in who has a personal link, for as long as the link stands, and answers nobody else anything."""

from __future__ import annotations

import asyncio
import html
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from engine.errors import BadInput
from storage.database import Store
from ui import people as people_module
from ui import sign_in
from ui.access import viewer_of
from ui.patience import MOST_WAITING, Patience
from ui.people import People, secret_in
from ui.settings import Settings, parse
from ui.sign_in import COOKIE, SENTENCES, TeamDoor

EVERY_PATH = ("/config", "/gradio_api/info", "/gradio_api/run/x", "/queue/join", "/sign-in/x", "/assetsx", "/x")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return parse(["--mode", "team", "--host", "0.0.0.0", "--database", str(tmp_path / "library.db")], {})


async def tell(request: Request) -> JSONResponse:
    return JSONResponse(vars(viewer_of(SimpleNamespace(session_hash="s", request=request))))


@pytest.fixture
def client(store: Store, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr("ui.patience.FIRST_SECONDS", 0.0)
    routes = [Route("/{path:path}", tell, methods=["GET", "POST", "DELETE"])]
    app = Starlette(routes=routes, middleware=[Middleware(TeamDoor, People(store))])
    return TestClient(app, base_url="http://a.test", follow_redirects=False)


def enter(client: TestClient, secret: str, **more: Any) -> Any:
    return client.get("/", params={"person": secret, **more})


def test_a_link_lets_its_person_in_and_leaves_the_address_at_once(client: TestClient, store: Store) -> None:
    ada, secret = store.people.add("Ada")
    came = enter(client, secret, run="r1", tok="3")
    assert (came.status_code, came.headers["location"]) == (303, "./?run=r1&tok=3")
    assert came.headers["referrer-policy"] == "no-referrer" and came.headers["cache-control"] == "no-store"
    assert "HttpOnly" in came.headers["set-cookie"] and "SameSite=Lax" in came.headers["set-cookie"]
    who = client.get("/other").json()
    assert (who["name"], who["trusted"], who["anonymous"]) == (ada.viewer, True, False)
    assert store.people.list()[0].seen_at is None
    assert client.get("/").status_code == 200 and store.people.list()[0].seen_at is not None


def test_nobody_else_gets_more_than_one_sentence(client: TestClient, store: Store) -> None:
    store.people.add("Ada")
    page = client.get("/", params={"run": "r1"})
    assert page.status_code == 200 and "paste it here" in page.text and "set-cookie" not in page.headers
    for path in EVERY_PATH:
        for method in ("GET", "POST", "DELETE"):
            refused = client.request(method, path, headers={"cookie": f"{COOKIE}={'x' * 43}"})
            assert refused.status_code == 401 and set(refused.json()) == {"detail"}, (method, path)
    assert client.post("/").status_code == 401


@pytest.mark.parametrize("wrong", ["x" * 43, "", "Ada", "../..", "é", "a" * 4000, "%00"])
def test_a_wrong_link_says_so_without_repeating_it(client: TestClient, store: Store, wrong: str) -> None:
    store.people.add("Ada")
    for answer in (enter(client, wrong, run="r1"), client.post("/sign-in", data={"link": wrong, "next": "run=r1"})):
        assert answer.status_code == 303 and "set-cookie" not in answer.headers
        assert not wrong or wrong not in answer.headers["location"]
        page = client.get(answer.headers["location"])
        assert SENTENCES["unknown"] in page.text and 'value="run=r1"' in page.text


def test_a_pasted_link_or_its_secret_alone_is_understood(client: TestClient, store: Store) -> None:
    _, secret = store.people.add("Ada")
    for pasted in (
        secret,
        f"  {secret}\n",
        f"http://a.test:7860/?person={secret}",
        f"http://a.test/?run=1&person={secret}",
    ):
        client.cookies.clear()
        came = client.post("/sign-in", data={"link": pasted, "next": "run=r1&person=zz"})
        assert (came.status_code, came.headers["location"]) == (303, "./?run=r1"), pasted
        assert client.get("/other").status_code == 200
    assert secret_in("http://[") == "" and secret_in("?person=") == "?person="


def test_a_labelling_link_is_told_from_a_personal_one_and_its_session_opens_after_it(
    client: TestClient, store: Store
) -> None:
    _, secret = store.people.add("Ada")
    assert SENTENCES["labelling"] in client.get("/", params={"annotate": "s3"}).text, "who opens it is told at once"
    sent = client.post("/sign-in", data={"link": " http://a.test/?annotate=s3cret ", "next": "run=r1&annotate=old"})
    assert sent.status_code == 303 and "set-cookie" not in sent.headers
    page = client.get(sent.headers["location"])
    assert SENTENCES["labelling"] in page.text and SENTENCES["unknown"] not in page.text
    further = html.unescape(page.text.split('name="next" value="')[1].split('"')[0])
    came = client.post("/sign-in", data={"link": secret, "next": further})
    assert came.headers["location"] == "./?run=r1&annotate=s3cret" and "set-cookie" in came.headers
    assert client.get("/other").status_code == 200
    client.cookies.clear()
    wrong = client.post("/sign-in", data={"link": "x" * 43, "next": further})
    assert SENTENCES["unknown"] in client.get(wrong.headers["location"]).text


def test_where_somebody_wanted_to_go_can_lead_nowhere_else(client: TestClient, store: Store) -> None:
    _, secret = store.people.add("Ada")
    for further in ("//evil.example", "https://evil.example/?a=1", "a=//evil.example", "\r\nset-cookie: a=b"):
        client.cookies.clear()
        came = client.post("/sign-in", data={"link": secret, "next": further})
        assert re.fullmatch(r"\./(\?[\w=&%.+-]*)?", came.headers["location"]), came.headers["location"]
    client.cookies.clear()
    hostile = client.get("/", params={'"><script>alert(1)</script>': "x"})
    assert "<script>" not in hostile.text and "default-src 'none'" in hostile.headers["content-security-policy"]


def test_who_was_removed_or_given_a_new_link_is_out_at_once(client: TestClient, store: Store) -> None:
    ada, secret = store.people.add("Ada")
    enter(client, secret)
    assert client.get("/other").status_code == 200
    with Store(store.path) as elsewhere:
        _, renewed = elsewhere.people.renew("Ada")
    assert client.get("/other").status_code == 401
    enter(client, renewed)
    assert client.get("/other").json()["name"] == ada.viewer, "what was theirs is theirs again"
    store.people.remove("Ada")
    assert client.get("/other").status_code == 401 and "paste it here" in client.get("/").text


def test_signing_out_takes_the_cookie_and_other_sites_can_neither_sign_in_nor_out(
    client: TestClient, store: Store
) -> None:
    _, secret = store.people.add("Ada")
    enter(client, secret)
    evil = {"origin": "https://evil.example"}
    assert client.post("/sign-out", headers=evil).status_code == 403
    assert client.post("/sign-in", data={"link": secret}, headers=evil).status_code == 403
    assert client.get("/other", headers=evil).status_code == 401, "their script is nobody, whatever cookie it sends"
    assert client.get("/other").status_code == 200
    out = client.post("/sign-out", headers={"origin": "http://a.test"})
    assert out.status_code == 303 and "Max-Age=0" in out.headers["set-cookie"]
    assert client.get("/other").status_code == 401


def test_an_endless_form_is_not_read(client: TestClient) -> None:
    assert client.post("/sign-in", content=b"link=" + b"x" * 20_000).status_code == 413


def test_a_stream_ends_when_its_person_is_sent_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this an open page would go on writing for as long as its job lasts."""
    monkeypatch.setattr(sign_in, "ASK_SECONDS", 0.01)
    ended: list[str] = []

    async def endless() -> Any:
        try:
            while True:
                yield b"data"
                await asyncio.sleep(0.005)
        finally:
            ended.append("cancelled")

    async def stream(_: Request) -> StreamingResponse:
        return StreamingResponse(endless())

    app = TeamDoor(Starlette(routes=[Route("/stream", stream)]), People(store))
    _, secret = store.people.add("Ada")
    sent: list[dict] = []

    async def call() -> None:
        scope = {"type": "http", "path": "/stream", "raw_path": b"/stream", "method": "GET",
                 "headers": [(b"cookie", f"{COOKIE}={secret}".encode())], "client": ("1.2.3.4", 1), "scheme": "http",
                 "query_string": b"", "root_path": "", "asgi": {"spec_version": "2.3"}, "http_version": "1.1",
                 "server": ("a", 1)}  # fmt: skip
        never = asyncio.Event()

        async def receive() -> dict:
            if not sent:
                return {"type": "http.request", "body": b"", "more_body": False}
            await never.wait()
            return {}

        async def send(message: dict) -> None:
            sent.append(message)
            if len(sent) == 5:
                store.people.remove("Ada")

        await asyncio.wait_for(app(scope, receive, send), 20)  # type: ignore[arg-type]

    asyncio.run(call())
    assert ended == ["cancelled"] and sent[0]["status"] == 200
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


def test_an_answer_that_breaks_off_is_not_ended_as_if_it_were_whole(store: Store) -> None:
    """Else whoever reads half a file takes it for all of it."""

    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first half", "more_body": True})

    sent: list[dict] = []

    async def call() -> None:
        _, secret = store.people.add("Ada")
        scope = {"type": "http", "path": "/file", "method": "GET", "query_string": b"", "client": ("1.2.3.4", 1),
                 "headers": [(b"cookie", f"{COOKIE}={secret}".encode())]}  # fmt: skip

        async def receive() -> dict:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict) -> None:
            sent.append(message)

        await TeamDoor(half, People(store))(scope, receive, send)  # type: ignore[arg-type]

    asyncio.run(call())
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[-1]["more_body"]


def test_wrong_links_wait_longer_each_time_and_cannot_fill_the_server() -> None:
    waits: list[float] = []
    now = [0.0]

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def try_often() -> list[bool]:
        patience = Patience(lambda: now[0], sleep)
        for _ in range(8):
            await patience.wait("a")
        await patience.wait("b")
        now[0] = 10_000.0
        await patience.wait("a")
        return []

    asyncio.run(try_often())
    assert waits[:8] == sorted(waits[:8]) and waits[0] < 1 < waits[7] <= 8
    assert waits[8] == waits[9] == waits[0], "another address, and the same one much later, begin anew"

    async def at_once() -> list[bool]:
        held = asyncio.Event()

        async def hold(_: float) -> None:
            await held.wait()

        patience = Patience(lambda: 0.0, hold)
        tasks = [asyncio.create_task(patience.wait("a")) for _ in range(MOST_WAITING + 5)]
        done, _ = await asyncio.wait(tasks, timeout=0.05)
        held.set()
        await asyncio.gather(*tasks)
        return [task.result() for task in done]

    assert asyncio.run(at_once()) == [False] * 5


def test_people_are_managed_from_the_command_line(
    store: Store, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str) -> str:
        assert people_module.run(people_module.understood(words), store, settings) == 0
        return capsys.readouterr().out

    link = re.search(r"http://localhost:7860/\?person=([\w-]{43})", said("add", "Ada", "Lovelace"))
    assert link and store.people.by_secret(link[1]) is not None
    assert "Ada Lovelace" in said("list") and "has not come yet" in said("list") and link[1] not in said("list")
    renewed = re.search(r"person=([\w-]{43})", said("renew", "Ada Lovelace"))
    assert renewed and renewed[1] != link[1] and store.people.by_secret(link[1]) is None
    assert "can no longer come" in said("remove", "Ada Lovelace") and "removed" in said("list")
    assert store.people.by_secret(renewed[1]) is None
    assert people_module.run(people_module.understood(["erase", "Ada Lovelace"], sure=True), store, settings) == 0
    assert "0 runs" in capsys.readouterr().out and "Nobody yet" in said("list")
    for wrong in ((), ("add",), ("shout", "Ada"), ("add", "  "), ("list", "Ada")):
        with pytest.raises(BadInput, match="Say one of"):
            people_module.understood(wrong)
    with pytest.raises(BadInput, match="Say one of"):
        people_module.understood(["remove", "Ada"], sure=True)


@pytest.mark.parametrize(
    ("flags", "begin", "told"),
    [
        (["--host", "0.0.0.0"], "http://localhost:7860/?", True),
        (["--host", "127.0.0.1", "--port", "7861"], "http://127.0.0.1:7861/?", True),
        (["--host", "lab.local"], "http://lab.local:7860/?", False),
        (["--host", "0.0.0.0", "--address", "https://lab.example.org/"], "https://lab.example.org/?", False),
        (["--address", "http://localhost:9000"], "http://localhost:9000/?", True),
    ],
)
def test_a_link_begins_with_the_address_that_was_given_and_one_for_this_machine_alone_says_so(
    store: Store, flags: list[str], begin: str, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = parse(["--mode", "team", *flags], {})
    for action in ("add", "renew"):
        assert people_module.run(people_module.understood([action, "Ada"]), store, settings) == 0
        said = capsys.readouterr().out
        assert f"Ada: {begin}person=" in said and ("FORKLORE_ADDRESS" in said) == told
        call = f"people renew Ada --database {settings.database} --address https://lab.example.org (for that link alone"
        assert (call in said) == told and "from now on" not in said
