"""Runs leave and enter the library on the whole page: one press saves a file, the same file adds nothing twice.

The page runs without a model over the shipped examples and three runs of one's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Download, Locator, Page, expect

from storage.transfer import export_runs
from tests.support.library_page import Served, serve_whole_page
from ui.examples import example_uid

OWN = 3


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve_whole_page(tmp_path_factory.mktemp("exchange"), OWN) as page:
        yield page


@pytest.fixture
def library(page: Page, served: Served) -> Locator:
    page.goto(served.url)
    page.get_by_role("tab", name="Library").click()
    found = page.locator("#library-piece")
    expect(found.locator(".fl-lib-row").first).to_be_visible()
    return found


def saved(page: Page, press: str) -> Download:
    """The file that comes of one press of a key on a focused button."""
    button = page.get_by_role("button", name=press, exact=True)
    button.focus()
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    return download.value


def bring_in(page: Page, file: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=re.compile("^Import runs")).click()
    chooser.value.set_files(file)


def toast(library: Locator) -> Locator:
    return library.locator(".fl-lib-toast-words")


def forget(library: Locator) -> None:
    """Takes the words of the last line away, so that the same words are seen to come again."""
    toast(library).evaluate("node => { node.textContent = ''; }")


def test_one_press_saves_the_selected_runs_and_says_how_many(
    page: Page, library: Locator, served: Served, tmp_path: Path
) -> None:
    for uid in ("own-2", "own-0"):
        library.locator(f"[data-uid={uid}] input").check()
    download = saved(page, "Export")
    assert re.fullmatch(r"forklore-runs-\d{4}-\d\d-\d\d\.jsonl", download.suggested_filename)
    download.save_as(tmp_path / "runs.jsonl")
    wanted = "".join(export_runs(served.store, ["own-2", "own-0"], viewer="local"))
    assert (tmp_path / "runs.jsonl").read_text(encoding="utf-8") == wanted
    expect(toast(library)).to_have_text(f"2 runs exported to {download.suggested_filename}.")
    expect(page.get_by_role("button", name="Export", exact=True)).to_be_focused()


def test_everything_exported_and_brought_in_again_is_there_already(
    page: Page, library: Locator, served: Served, tmp_path: Path
) -> None:
    runs = library.locator(".fl-lib-row")
    count = runs.count()
    download = saved(page, f"Export all {count}")
    file = tmp_path / "all.jsonl"
    download.save_as(file)
    for _ in range(2):
        forget(library)
        bring_in(page, file)
        expect(toast(library)).to_have_text(f"No run added, {count} were there already.")
        expect(runs).to_have_count(count)
    served.store.runs.delete(["own-1"], viewer="local")
    forget(library)
    bring_in(page, file)
    expect(toast(library)).to_have_text(f"1 run added, {count - 1} were there already.")
    expect(runs).to_have_count(count)
    assert served.store.runs.header("own-1", viewer="local").title == "Own run 1"


def test_a_file_that_holds_no_runs_is_answered_with_a_sentence(page: Page, library: Locator, tmp_path: Path) -> None:
    for name, content in (("picture.png", b"\x89PNG\r\n\x1a\n\x00"), ("notes.txt", b"hello"), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
        bring_in(page, tmp_path / name)
        notice = page.locator("#library-notice")
        words = notice.locator(".fl-notice-words")
        expect(words).to_be_visible()
        expect(words).to_contain_text("This is no file of runs: choose one that was exported here")
        assert page.locator(".toast-wrap .toast-body").count() == 0
        notice.get_by_role("button").click()
        expect(words).to_be_hidden()


def test_an_export_that_fails_saves_nothing_and_says_why(page: Page, library: Locator, served: Served) -> None:
    library.locator("[data-uid=own-0] input").check()
    saved(page, "Export")
    downloads: list[Download] = []
    page.on("download", lambda download: downloads.append(download))
    served.store.runs.delete(["own-0"], viewer="local")
    page.get_by_role("button", name="Export", exact=True).click()
    expect(page.locator("#library-notice")).to_contain_text("There is no run 'own-0' here")
    page.wait_for_timeout(300)
    served.store.runs.restore(["own-0"], viewer="local")
    assert downloads == []


def test_two_compared_runs_are_called_by_their_models_title_and_every_landmark_has_its_own_name(
    page: Page, library: Locator
) -> None:
    for uid in (example_uid(1), "own-0"):
        library.locator(f"[data-uid={uid}] input").check()
    page.get_by_role("button", name="Compare", exact=True).click()
    compared = page.locator("#compare")
    expect(compared.locator(".fl-cmp-facts").first).to_contain_text("SmolLM2")
    expect(compared.locator(".fl-cmp-facts", has_text="embedded,")).to_have_count(0)
    names = compared.evaluate(
        """root => [...root.querySelectorAll('[role=region], section')].map(node => node.getAttribute('aria-label')
            || document.getElementById(node.getAttribute('aria-labelledby'))?.textContent || '')"""
    )
    assert len(names) >= 5 and "" not in names and len(set(names)) == len(names), names


def test_a_comparison_comes_to_the_reader_and_leaves_them_where_they_were(page: Page, library: Locator) -> None:
    page.set_viewport_size({"width": 1000, "height": 420})
    for uid in ("own-0", example_uid(1)):
        library.locator(f"[data-uid={uid}] input").check()
    button = page.get_by_role("button", name="Compare", exact=True)
    button.click()
    heading = page.get_by_role("heading", name="Two runs compared")
    expect(heading).to_be_in_viewport()
    expect(heading).to_be_focused()
    swap = page.get_by_role("button", name="Swap A and B")
    first = page.locator("#compare .fl-cmp-open").first
    expect(first).to_have_text("17 sheep")
    swap.focus()
    page.keyboard.press("Enter")
    expect(first).to_have_text("Own run 0")
    expect(swap).to_be_focused()
    page.get_by_role("button", name="Close the comparison").click()
    expect(heading).to_have_count(0)
    expect(button).to_be_focused()
    assert page.evaluate("scrollY") > 300
    expect(library.locator(f"[data-uid={example_uid(1)}]")).to_be_in_viewport()


@pytest.mark.parametrize(
    ("tokens", "order"),
    [
        (["He said ", "\u05e9\u05dc", "\u05d5\u05dd", " today"], [0, 2, 1, 3]),
        (["A ", "\u0643\u062a", "\u0627\u0628", "!"], [0, 2, 1, 3]),
        (["\u05e9\u05dc", "\u05d5\u05dd", " ok"], [2, 1, 0]),
        (["a", "\u202e", "b", "c"], [0, 1, 2, 3]),
    ],
    ids=["hebrew", "arabic", "all from the right", "a control character does not act"],
)
def test_parts_of_a_word_stand_in_the_order_of_their_script(
    page: Page, library: Locator, tokens: list[str], order: list[int]
) -> None:
    left = page.evaluate(
        """texts => {
            const root = document.body.appendChild(Forklore.dom.el("div", {class: "fl-compare"}));
            const tokens = texts.map((t, id) => ({t, id}));
            const text = new Forklore.ComparedText({side: "a", tokens, differs: texts.map(() => false), first: -1,
                label: "x", hover: () => {}});
            root.append(text.box);
            text.draw(false);
            const at = text.nodes.map(node => node.querySelector(".fl-w").getBoundingClientRect().left);
            root.remove();
            return at;
        }""",
        tokens,
    )
    assert sorted(range(len(tokens)), key=lambda i: left[i]) == order
