"""Only what the page and its clients use is open: everything else that gradio brings answers 404 with a sentence."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from gradio_client import Client

from tests.support.small_site import Site, opened
from ui.errors import TOO_FEW
from ui.routes import SENTENCE, is_used

CLOSED = (
    ("POST", "process_recording"), ("POST", "component_server"), ("POST", "vibe-edit"), ("POST", "vibe-code/"),
    ("POST", "undo-vibe-edit"), ("POST", "vibe-starter-queries"), ("POST", "stream/x"), ("POST", "stream/x/close"),
    ("POST", "run-history/connect"), ("POST", "profiling/clear"), ("POST", "queue/join/x"), ("POST", "run/a/b"),
    ("POST", "login"), ("GET", "vibe-code"), ("GET", "runs"), ("GET", "run-history/buckets"), ("GET", "token"),
    ("GET", "profiling/summary"), ("GET", "proxy=https://evil.example/"), ("GET", "dev/reload"), ("GET", "user"),
    ("GET", "deep_link"), ("GET", "stream/a/b/c/playlist-file"), ("GET", "custom_component/a/client/b/c.js"),
    ("PUT", "upload"), ("DELETE", "run/who"), ("PATCH", "run/who"), ("GET", "upload"), ("POST", "heartbeat/x"),
)  # fmt: skip
CLOSED_ABOVE = (
    ("GET", "/monitoring"), ("GET", "/monitoring/summary"), ("GET", "/monitoring/x"), ("POST", "/login"),
    ("POST", "/"), ("GET", "/svelte/x"), ("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "//"),
    ("GET", "/gradio_api"), ("POST", "/gradio_api/../process_recording"),
)  # fmt: skip


@pytest.fixture(scope="module", params=["local", "public"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(tmp_path_factory.mktemp(request.param), request.param) as running:
        yield running


def test_what_nobody_uses_is_closed_and_says_so(site: Site) -> None:
    asked = [(method, f"/gradio_api/{path}") for method, path in CLOSED] + list(CLOSED_ABOVE)
    with httpx.Client(timeout=20) as client:
        for method, path in asked:
            files = {"file": ("a.wav", b"x" * 1000)} if method == "POST" else None
            answer = client.request(method, site.url + path, files=files)
            assert (answer.status_code, answer.json()) == (404, {"detail": SENTENCE}), (method, path)


def test_a_notebook_calls_streams_uploads_and_looks_up(site: Site) -> None:
    client = Client(site.url, verbose=False, analytics_enabled=False)
    assert client.predict("a", "b", api_name="/join") == "ab"
    assert client.submit("a", "c", api_name="/join").result(timeout=20) == "ac"
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/who", "/join"}
    client.reset_session()
    client.close()
    with httpx.Client(timeout=20) as web:
        (path,) = web.post(f"{site.url}/gradio_api/upload", files={"files": ("sent.txt", b"sent")}).json()
        assert web.get(f"{site.url}/gradio_api/file={path}").text == "sent"


@pytest.mark.parametrize(
    "path",
    ["/", "/config", "/theme.css", "/manifest.json", "/favicon.ico", "/robots.txt", "/gradio_api/info",
     "/gradio_api/info/", "/gradio_api/startup-events"],
)  # fmt: skip
def test_what_a_browser_reads_is_open(site: Site, path: str) -> None:
    assert httpx.get(site.url + path, timeout=20).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/login/huggingface"), ("GET", "/login/callback"), ("GET", "/logout"), ("HEAD", "/"),
     ("GET", "/gradio_api/file=/tmp/a b\nc.json"), ("GET", "/assets/a/b.js"), ("GET", "/gradio_api/call/v2/a/b")],
)  # fmt: skip
def test_signing_in_and_files_are_among_what_is_used(method: str, path: str) -> None:
    assert is_used(method, path)


@pytest.mark.parametrize("data", [[], ["x"]])
def test_a_call_with_too_few_values_is_told_so_and_no_exception_is_printed(
    site: Site, data: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with httpx.Client(timeout=20) as client:
        joined = client.post(f"{site.url}/gradio_api/call/join", json={"data": data}).json()
        heard = client.get(f"{site.url}/gradio_api/call/join/{joined['event_id']}").text
        direct = client.post(f"{site.url}/gradio_api/run/join", json={"data": data}).text
    assert TOO_FEW in heard and TOO_FEW in direct
    assert "Traceback" not in capfd.readouterr().err
