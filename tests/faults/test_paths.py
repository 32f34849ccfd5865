"""Addresses made to read files that are nobody's business: each is refused, and none of them ever comes out.

The app runs as on a public page; paths go over the wire exactly as written here, without a client that tidies them.
"""

from __future__ import annotations

import http.client
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.app_server import ROOT, AppServer

PROMISED = {"path tricks": 60}
CANARY = f"canary-{secrets.token_hex(12)}"
# how files begin or what they hold that must not come out
TELLTALES = (CANARY.encode(), b"SQLite format 3", b"root:x:0", b"Starts Forklore: reads arguments", b"[tool.ruff]")
# until an answer begins, and how long one is read that does not end
SECONDS, READING = 60, 10


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AppServer, Path]]:
    """A public app; beside its database lie a file and a link to it, and its environment holds the same word."""
    folder = tmp_path_factory.mktemp("house")
    (folder / "secret.txt").write_text(CANARY)
    (folder / ".env").write_text(f"KEY={CANARY}")
    (folder / "uploads").mkdir()
    (folder / "link").symlink_to(folder / "secret.txt")
    environ = {"GRADIO_TEMP_DIR": str(folder / "uploads"), "HOUSE_KEY": CANARY}
    server = AppServer(folder / "forklore.db", arguments=["--mode", "public"], environ=environ).start()
    yield server, folder
    server.stop()


def ask(server: AppServer, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    """Status and body of an answer; of one that never ends its beginning. TimeoutError where nothing comes at all."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        line = connection.sock
        answer = connection.getresponse()
        line.settimeout(READING)
        body, ends = b"", time.monotonic() + READING
        # what comes of it in this time is looked at: silence after a beginning is the line that stays open
        with suppress(TimeoutError):
            while len(body) < 1 << 20 and time.monotonic() < ends and (part := answer.read1(65536)):
                body += part
        return answer.status, body
    finally:
        connection.close()


def twisted(target: str) -> list[str]:
    """One absolute path in the ways that have fooled servers."""
    plain = target.lstrip("/")
    up = "../" * 12
    return [
        target, f"/{target}", f"./{target}", f"{up}{plain}", quote(f"{up}{plain}", safe=""), quote(target, safe=""),
        quote(quote(f"{up}{plain}", safe=""), safe=""), f"..%2f..%2f..%2f..%2f..%2f..%2f{plain}",
        f"..%5c..%5c..%5c..%5c{plain}", "..\\..\\..\\..\\" + plain, f"....//....//....//....//{plain}",
        f"%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/{plain}", f"..;/..;/..;/{plain}", f"{target}%00.png",
        f"{target}%20", f"{target}/.", f"%c0%ae%c0%ae/%c0%ae%c0%ae/{plain}", f"%ef%bc%8e%ef%bc%8e/{plain}",
        f"file:///{plain}", f"file://localhost/{plain}", f"%E2%80%A4%E2%80%A4/{plain}",
    ]  # fmt: skip


DOORS = ("/gradio_api/file=", "/file=", "/gradio_api/file/", "/static/", "/assets/", "/svelte/", "/gradio_api/proxy=",
         "/custom_component/x/client/component/")  # fmt: skip


def tricks(folder: Path) -> list[str]:
    """Every way through the file route for three files, the plainest ways through the other doors, and odd doors."""
    targets = [str(folder / "forklore.db"), str(folder / "secret.txt"), "/proc/self/environ"]
    found = [DOORS[0] + path for target in targets for path in twisted(target)]
    found += [door + path for door in DOORS[1:] for path in twisted(str(folder / "secret.txt"))[:9]]
    found += [
        f"/gradio_api/file={path}"
        for path in ("/etc/passwd", "app.py", str(ROOT / "app.py"), "pyproject.toml", str(ROOT / "ui" / "settings.py"),
                     str(folder / ".env"), str(folder / "link"), str(folder / "forklore.db-wal"), "/proc/self/cmdline",
                     str(folder / "uploads" / ".." / "secret.txt"), str(folder / "uploads" / ".." / "link"),
                     str(folder / "forklore.log"), "/dev/zero", "/dev/stdin", str(folder), "~/.bashrc", "", ".", "..",
                     "http://127.0.0.1:1/", "http://169.254.169.254/latest/meta-data/", "data:text/plain,x")
    ]  # fmt: skip
    found += ["/gradio_api/heartbeat/..%2f..%2fetc%2fpasswd%00", "/gradio_api/stream/../../etc/passwd/x/playlist-file",
              "/gradio_api/monitoring", "/gradio_api/vibe-code", "/monitoring/x",
              "/gradio_api/stream/a/b/c/playlist-file", "/gradio_api/run-history/records", "/pwa_icon/..%2f..%2fapp.py",
              "/.env", "/.git/config", "/app.py", "/forklore.db", "/../app.py", "//etc/passwd"]  # fmt: skip
    return found


def test_no_way_of_writing_a_path_gets_a_file_out(house: tuple[AppServer, Path]) -> None:
    server, folder = house
    found = list(dict.fromkeys(tricks(folder)))
    assert len(found) >= PROMISED["path tricks"]
    open_doors = []
    for path in found:
        # such a door keeps its line open for as long as the page is: nothing may come through it either
        if path.startswith("/gradio_api/heartbeat"):
            continue
        status, body = ask(server, path)
        assert not any(telltale in body for telltale in TELLTALES), f"{path} gave a file away"
        if not 400 <= status < 500:
            open_doors.append((path, status, body[:80]))
    assert open_doors == [], "these were not refused"
    assert ask(server, "/")[0] == 200, "the app still answers"


def test_what_is_meant_to_be_read_can_be(house: tuple[AppServer, Path]) -> None:
    """Else the test above could pass on an app that answers nothing."""
    server, _ = house
    status, page = ask(server, "/")
    assert status == 200 and b"Forklore" in page
    assert ask(server, "/theme.css")[0] == 200
    assert ask(server, "/favicon.ico")[0] == 200


NAMES = (
    "../../evil.txt", "/etc/cron.d/evil", "..\\..\\evil.txt", "C:\\evil.txt", "....//evil.txt", "evil.txt\\x00.png",
    "%2e%2e%2fevil.txt", "．．/evil.txt", ".htaccess", "con", "a" * 400 + ".txt", "-rf", "$(touch evil)", "`evil`",
    "evil.txt/", "..", ".", "", " ", "évil\u202egpj.txt", "uploads/../evil.txt", "~root/evil", "evil;x.txt",
)  # fmt: skip


def upload(server: AppServer, name: str, content: bytes = b"x") -> tuple[int, bytes]:
    edge = secrets.token_hex(8)
    kind = f'Content-Disposition: form-data; name="files"; filename="{name}"'
    head = f"--{edge}\r\n{kind}\r\nContent-Type: text/plain\r\n\r\n"
    body = head.encode() + content + f"\r\n--{edge}--\r\n".encode()
    sort = {"Content-Type": f"multipart/form-data; boundary={edge}"}
    return ask(server, "/gradio_api/upload", "POST", body, **sort)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "uploads" not in path.parts}


@pytest.mark.parametrize("name", NAMES)
def test_an_upload_lands_in_its_folder_whatever_it_is_called(house: tuple[AppServer, Path], name: str) -> None:
    server, folder = house
    before = files(folder)
    status, body = upload(server, name)
    assert b"Traceback" not in body
    if status == 200:
        for path in json.loads(body):
            assert Path(path).resolve().is_relative_to((folder / "uploads").resolve()), "it left its folder"
    else:
        assert 400 <= status < 500, body[:200]
    assert files(folder) <= before | {"forklore.db-wal", "forklore.db-shm"}, "a file beside the others"
    assert not list(ROOT.glob("evil*")) and not Path("/etc/cron.d/evil").exists()


def test_an_upload_over_the_limit_is_refused(house: tuple[AppServer, Path]) -> None:
    server, _ = house
    try:
        status, _ = upload(server, "large.txt", b"x" * (17 * 2**20))
    except (ConnectionError, http.client.HTTPException):
        return  # the server may well hang up on it
    assert status in (400, 413)
