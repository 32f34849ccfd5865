"""The team's sign-in page on hostile addresses: whatever stands in them stays a value of its one hidden field."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode

import pytest

from tests.support import chromium as chromium_finder
from tests.support import hostile
from ui.sign_in import SENTENCES, WRONG, page_for


def page_at(query: list[tuple[str, str]]) -> str:
    """The page as it is served for an address."""
    return bytes(page_for({"query_string": urlencode(query).encode()}).body).decode()


class Shape(HTMLParser):
    """Elements and texts of a page in their order; the hidden field's value apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[object] = []
        self.further = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("name") == "next":
            self.further = found.pop("value") or ""
        self.parts.append((tag, sorted(found)))

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def test_an_address_changes_nothing_but_where_somebody_goes_on_to() -> None:
    harmless = Shape(page_at([("run", "x")]))
    for text in hostile.TEXTS:
        query = [("run", text), (text, "x"), ("sign-in", text), ("person", text)]
        shape = Shape(page_at(query))
        assert shape.parts == harmless.parts, text
        assert parse_qsl(shape.further, keep_blank_values=True) == query[:2], text
    refused = Shape(page_at([("sign-in", WRONG)]))
    assert refused.parts != harmless.parts and SENTENCES[WRONG] in refused.parts, "else nothing was compared"


def test_no_browser_runs_any_of_it() -> None:
    if chromium_finder.find() is None:
        pytest.skip("no Chromium: install one or set CHROMIUM to its path; `make test` does")
    query = [("run", text) for text in hostile.TEXTS]
    with chromium_finder.launched() as browser:
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        # without the policy that the server sends along: the page itself holds
        page.set_content(page_at(query))
        page.wait_for_timeout(200)
        assert page.evaluate(f"window.{hostile.CANARY}") is None and asked == []
        kept = page.locator("input[name=next]").input_value()
    assert parse_qsl(kept, keep_blank_values=True) == query
