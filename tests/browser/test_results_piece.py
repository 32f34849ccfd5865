"""Following a session in the browser: the list, its progress, its people, its files, and what is asked of the server.

The server is a table of answers written by hand; how numbers are computed is tested elsewhere.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from engine.label_schema import parse_schema
from storage.annotation_records import FrozenRun, ItemRecord
from tests.support import results_page as results
from tests.support.results_page import (
    ITEMS,
    SESSION,
    answers,
    asked,
    copied,
    heard,
    member,
    open_page,
    open_session,
    overview,
)  # fmt: skip
from ui.session_labels import read_labels


def test_own_sessions_open_and_those_of_others_lead_to_labelling(page: Page) -> None:
    piece = open_page(page)
    piece.get_by_role("button", name=re.compile("Which answer is better")).click()
    assert heard(page, "annotate_open") == [{"session": "s-2"}]
    assert asked(page, "session_overview") == []
    piece.get_by_role("button", name=re.compile("^Errors in short answers")).click()
    expect(piece.get_by_role("heading", name="Errors in short answers")).to_be_visible()
    assert asked(page, "session_overview") == [[SESSION, ""]]
    assert page.url.endswith(f"?session={SESSION}"), "a session has an address"
    piece.get_by_role("button", name="‹ All sessions").click()
    expect(piece.get_by_role("heading", name="Annotation sessions")).to_be_focused()
    assert "session" not in page.url


def test_a_refused_list_says_why_and_is_asked_for_again(page: Page) -> None:
    piece = open_page(page, answers(my_annotations="!The database is busy; try again."))
    expect(piece.get_by_role("alert")).to_contain_text("The database is busy; try again.")
    page.evaluate("list => { answers.my_annotations = list; }", results.LISTED)
    piece.get_by_role("button", name="Try again").click()
    expect(piece.get_by_role("button", name=re.compile("^Errors in short answers"))).to_be_visible()


def test_a_personal_link_goes_with_every_question(page: Page) -> None:
    piece = open_page(page, value=json.dumps({"open": SESSION, "link": "sesame"}))
    for tab in ("Agreement", "Adjudication", "Scores against labels"):
        piece.get_by_role("tab", name=tab).click()
    expect(piece.get_by_role("heading", name="Scores (3)")).to_be_visible()
    for name in ("session_overview", "session_items", "session_agreement", "disputes", "session_scores"):
        assert [args[-1] for args in asked(page, name)] == ["sesame"], name


def test_progress_is_told_by_person_and_by_item(page: Page) -> None:
    piece = open_session(page)
    expect(piece.locator(".fl-rs-progress")).to_contain_text("25 of 32 answers are in; 11 of 16 items are complete.")
    people = piece.get_by_role("region", name="People (3)")
    ana, bo, cy = (people.get_by_role("row", name=re.compile(name)) for name in ("Ana", "Bo", "Cy"))
    expect(bo).to_contain_text("▲ 3")
    expect(bo).to_contain_text("2 of 5")
    expect(ana).not_to_contain_text("▲")
    expect(cy).to_contain_text("revoked")
    expect(cy).to_contain_text("n/a")
    expect(people.get_by_role("columnheader", name="Last action")).to_be_visible()
    expect(cy).to_contain_text("none yet")
    items = piece.get_by_role("region", name="Items (20)")
    expect(items.locator("tbody tr")).to_have_count(20)
    edges = [(box["x"], box["width"]) for box in (people.bounding_box(), items.bounding_box()) if box]
    assert len(edges) == 2 and edges[0] == edges[1], "the tables begin and end at the same edges"
    expect(items.locator("tbody tr").nth(3)).to_contain_text("deleted from the library; this session keeps its copy")
    expect(items.locator("tbody tr").nth(3)).to_contain_text("n/a")
    expect(items.locator("tbody tr").nth(4)).to_contain_text("hidden check")
    items.get_by_text("1 comment").click()
    expect(items).to_contain_text("A1: I cannot tell.")
    items.get_by_role("button", name="Item 3: open its run in Explore").click()
    assert heard(page, "run_open") == [{"uid": "run-3"}]


def test_a_table_is_copied_with_all_its_numbers(page: Page) -> None:
    piece = open_session(page)
    rows = copied(page, piece.get_by_role("button", name="Copy the table People (3)"))
    assert rows[0] == [
        "Pseudonym", "Name", "Role", "Done", "Open", "Skipped", "Flags", "Median seconds", "Hasty", "Slow",
        "Checks right", "Checks seen", "Last action",
    ]  # fmt: skip
    assert rows[2][:4] == ["A2", "Bo", "annotator", "12"] and rows[2][8:12] == ["3", "1", "2", "5"]
    assert rows[3][7] == "", "what does not exist is an empty cell"
    rows = copied(page, piece.get_by_role("button", name="Copy the table Items (20)"))
    assert rows[0] == ["Item", "Text", "Answers", "Answers wanted", "Disagreement", "Flags", "Seconds", "Final"]
    assert len(rows) == 21 and rows[4][4] == ""


def test_tables_sort_and_what_does_not_exist_stands_last(page: Page) -> None:
    piece = open_session(page)
    items = piece.get_by_role("region", name="Items (20)")
    head = items.get_by_role("button", name="Disagreement")
    head.click()
    expect(items.get_by_role("columnheader", name="Disagreement")).to_have_attribute("aria-sort", "descending")
    expect(items.locator("tbody tr").first).to_contain_text("0.90")
    expect(items.locator("tbody tr").last).to_contain_text("n/a")
    head.press("Enter")
    expect(items.get_by_role("columnheader", name="Disagreement")).to_have_attribute("aria-sort", "ascending")
    expect(items.locator("tbody tr").first).to_contain_text("0.00")
    expect(items.locator("tbody tr").last).to_contain_text("n/a")
    expect(items.get_by_role("button", name="Disagreement")).to_be_focused()


def test_more_items_are_added_below(page: Page) -> None:
    found = answers(session_items={"total": 70, "rows": ITEMS})
    piece = open_session(page, found=found)
    expect(piece.get_by_role("heading", name="Items (70)")).to_be_visible()
    piece.get_by_role("button", name="Show 50 more").click()
    expect(piece.get_by_role("region", name="Items (70)").locator("tbody tr")).to_have_count(40)
    assert [args[1] for args in asked(page, "session_items")] == [0, 20]


def test_a_personal_link_is_shown_once(page: Page) -> None:
    piece = open_session(page)
    piece.get_by_label("Add a person").fill("Dee")
    piece.get_by_label("Link works for, days").fill("7")
    piece.get_by_role("button", name="Add", exact=True).click()
    link = piece.get_by_label("Labelling link for Dee")
    expect(link).to_have_value("http://forklore.test/?annotate=secret-4")
    assert asked(page, "add_annotator") == [[SESSION, "Dee", "annotator", 7]]
    expect(piece.get_by_role("button", name="Copy", exact=True)).to_be_focused()
    expect(piece.get_by_label("Add a person")).to_have_value("")
    expect(piece.locator(".fl-rs-link")).not_to_contain_text("needs both")
    piece.get_by_role("button", name="Hide the link").click()
    expect(link).to_have_count(0)
    assert "secret-4" not in piece.inner_html()


def test_where_people_sign_in_by_links_the_owner_is_told_that_both_are_needed(page: Page) -> None:
    piece = open_session(page)
    page.evaluate("window.Forklore.who().draw({ name: 'Ada', out: './sign-out', post: true })")
    piece.get_by_label("Add a person").fill("Dee")
    piece.get_by_role("button", name="Add", exact=True).click()
    expect(piece.locator(".fl-rs-link")).to_contain_text("a member of the team needs both")


def test_a_person_without_a_name_is_not_sent(page: Page) -> None:
    piece = open_session(page)
    piece.get_by_role("button", name="Add", exact=True).click()
    expect(piece.get_by_role("status").filter(has_text="Give a name first")).to_be_visible()
    expect(piece.get_by_label("Add a person")).to_be_focused()
    assert asked(page, "add_annotator") == []


def test_links_are_renewed_and_revoked_and_roles_changed(page: Page) -> None:
    piece = open_session(page)
    piece.get_by_role("button", name="New link: Ana").click()
    expect(piece.get_by_label("Labelling link for Ana")).to_be_visible()
    piece.get_by_role("button", name="Hide the link").click()
    piece.get_by_role("button", name="Revoke: Bo").click()
    piece.get_by_role("button", name="Let in again: Cy").click()
    piece.get_by_label("Role of Bo").select_option("adjudicator")
    page.wait_for_function("asked.filter(([name]) => name === 'change_annotator').length === 4")
    assert asked(page, "change_annotator") == [
        [SESSION, "m1", {"new_link": True}], [SESSION, "m2", {"revoked": True}],
        [SESSION, "m3", {"revoked": False}], [SESSION, "m2", {"role": "adjudicator"}],
    ]  # fmt: skip


def test_a_double_click_adds_one_person(page: Page) -> None:
    piece = open_session(page)
    piece.get_by_label("Add a person").fill("Dee")
    piece.get_by_role("button", name="Add", exact=True).dblclick()
    expect(piece.get_by_label("Labelling link for Dee")).to_be_visible()
    assert len(asked(page, "add_annotator")) == 1


def test_labelling_it_oneself_leads_to_the_annotators_page(page: Page) -> None:
    piece = open_session(page)
    piece.get_by_role("button", name="Label it myself").click()
    page.wait_for_function("heard.length === 1")
    assert heard(page, "annotate_open") == [{"session": SESSION}]
    assert asked(page, "join_session") == [[SESSION]]


def test_a_session_is_closed_renamed_and_deleted_with_undo(page: Page) -> None:
    piece = open_session(page)
    page.evaluate("answer => { answers.edit_session = answer; }", overview(status="closed"))
    piece.get_by_role("button", name="Close the session").click()
    expect(piece.get_by_role("button", name="Open the session")).to_be_visible()
    piece.get_by_role("button", name="Rename").click()
    piece.get_by_label("Title of the session").fill("Another title")
    page.evaluate("answer => { answers.edit_session = answer; }", overview(title="Another title"))
    page.keyboard.press("Enter")
    expect(piece.get_by_role("heading", name="Another title")).to_be_visible()
    assert asked(page, "edit_session") == [[SESSION, {"status": "closed"}], [SESSION, {"title": "Another title"}]]
    piece.get_by_role("button", name="Delete").click()
    piece.get_by_role("button", name="Undo").click()
    expect(piece.get_by_role("tab", name="Overview")).to_be_visible()
    assert asked(page, "delete_session") == asked(page, "restore_session") == [[SESSION]]


def test_guidelines_are_a_new_version_and_the_schema_is_forked(page: Page) -> None:
    piece = open_session(page)
    expect(piece.get_by_role("heading", name="Guidelines, version 2")).to_be_visible()
    piece.get_by_role("button", name="Edit the guidelines").click()
    piece.get_by_label("Guidelines, in Markdown").fill("Mark less.")
    piece.get_by_role("button", name="Save as a new version").click()
    expect(piece.get_by_role("heading", name="Guidelines, version 2")).to_be_visible()
    assert asked(page, "edit_session") == [[SESSION, {"guidelines": "Mark less."}]]
    expect(piece).to_contain_text("Labels were made under this schema, so it cannot change")
    piece.get_by_role("button", name="Fork").click()
    piece.get_by_label("Title", exact=True).fill("Second try")
    piece.get_by_role("button", name="Make the new session").click()
    expect(piece.get_by_role("heading", name="Forked")).to_be_visible()
    assert asked(page, "fork_session") == [[SESSION, "Second try", results.SCHEMA_YAML]]


def test_before_the_first_answer_the_schema_is_edited(page: Page) -> None:
    piece = open_session(page, found=answers(session_overview=overview(answered=False)))
    piece.get_by_role("button", name="Edit the schema").click()
    piece.get_by_label("Schema, as YAML or JSON").fill("questions: []")
    expect(piece.locator(".fl-rs-problems")).to_contain_text("3 labels in 1 set")
    page.wait_for_timeout(450)
    piece.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_function("asked.some(([name]) => name === 'edit_session')")
    assert asked(page, "edit_session") == [[SESSION, {"schema": "questions: []"}]]


def test_an_example_can_be_read_and_not_changed_and_says_who_labelled(page: Page) -> None:
    shown = overview(example=True, role="reader", title="Demonstration with simulated annotators")
    piece = open_session(page, found=answers(session_overview=shown))
    expect(piece).to_contain_text("Simulated annotators. The labels of this session were made by programs")
    expect(piece).to_contain_text("This is an example: it can be read, not changed.")
    absent = (
        "Rename",
        "Close the session",
        "Delete",
        "Edit the guidelines",
        "Add",
        "Label it myself",
        "Revoke: Ana",
        "New link: Ana",
    )
    for name in absent:
        expect(piece.get_by_role("button", name=name, exact=True)).to_have_count(0)
    expect(piece.get_by_role("button", name="Fork")).to_be_visible()
    piece.get_by_role("tab", name="Adjudication").click()
    piece.get_by_role("button", name="Item 1: see its sides").click()
    expect(piece.get_by_role("heading", name="Side A")).to_be_visible()
    expect(piece.get_by_role("button", name="Accept A")).to_have_count(0)
    piece.get_by_role("tab", name="Files").click()
    expect(piece.get_by_role("button", name="Save CSV")).to_be_visible()
    expect(piece.get_by_role("button", name="Import labels")).to_have_count(0)
    expect(piece.get_by_label("With names")).to_have_count(0)


def test_an_owner_who_labels_is_told_what_is_hidden_meanwhile(page: Page) -> None:
    piece = open_session(page, found=answers(session_overview=overview(hidden=2)))
    expect(piece).to_contain_text("what others entered on 2 items is hidden until you have submitted them")
    piece = open_session(page, found=answers(session_overview=overview(hidden=0)))
    expect(piece).not_to_contain_text("is hidden until")


def test_labels_of_people_are_not_called_simulated(page: Page) -> None:
    piece = open_session(page)
    expect(piece.locator(".fl-rs-progress")).to_be_visible()
    expect(piece.get_by_text("Simulated annotators")).to_have_count(0)


def test_files_are_saved_as_the_server_wrote_them(page: Page, tmp_path: Path) -> None:
    piece = open_session(page, "Files")
    piece.get_by_label("With names").check()
    with page.expect_download() as saving:
        piece.get_by_role("button", name="Save CSV").click()
    saving.value.save_as(tmp_path / "file")
    assert saving.value.suggested_filename == "errors.csv"
    assert (tmp_path / "file").read_bytes() == b"a,b\n1,2\n"
    assert asked(page, "export_session") == [[SESSION, "csv", True, ""]]


def test_labels_of_elsewhere_are_taken_and_refused_line_by_line(page: Page, tmp_path: Path) -> None:
    piece = open_session(page, "Files")
    file = tmp_path / "labels.jsonl"
    file.write_text('{"run": "run-1"}\n')
    piece.locator("input[type=file]").set_input_files(file)
    expect(piece).to_contain_text("2 items taken in, 1 line refused:")
    expect(piece).to_contain_text("line 3: Unknown run.")
    assert asked(page, "import_labels") == [[SESSION, '{"run": "run-1"}\n']]


def test_people_that_came_with_labels_of_elsewhere_are_on_show(page: Page, tmp_path: Path) -> None:
    piece = open_session(page)
    people = piece.get_by_role("heading", name=re.compile("^People"))
    expect(people).to_have_text("People (3)")
    piece.get_by_role("tab", name="Files").click()
    joined = overview(members=[member(4, "import")])
    page.evaluate("found => { answers.session_overview = found; }", joined)
    file = tmp_path / "labels.jsonl"
    file.write_text('{"run": "run-1"}\n')
    piece.locator("input[type=file]").set_input_files(file)
    expect(piece).to_contain_text("2 items taken in")
    piece.get_by_role("tab", name="Overview").click()
    expect(people).to_have_text("People (1)")
    expect(piece.get_by_role("row").filter(has_text="import")).to_be_visible()


def test_the_example_of_labels_made_elsewhere_is_a_line_that_is_taken(page: Page) -> None:
    piece = open_session(page, "Files")
    line = piece.locator("code").text_content() or ""
    tokens = tuple(f" {i}" for i in range(9))
    text = "".join(tokens)
    run = FrozenRun("UID", "", None, text, tokens, (), sha256(text.encode()).hexdigest(), "tiny", 0)
    found, refused = read_labels(line, [ItemRecord("i1", 0, "work", (run,), None)], parse_schema(results.SCHEMA_YAML))
    assert not refused
    assert {"label", "answer"} <= {event.kind for event in found["i1"]}


def test_an_address_keeps_the_personal_link_it_was_opened_by(page: Page) -> None:
    value = json.dumps({"open": SESSION, "link": "SeCrEt"})
    piece = open_page(page, value=value)
    expect(piece.get_by_role("tab", name="Overview")).to_be_visible()
    asked_by = "new URLSearchParams(location.search)"
    page.wait_for_function(f"{asked_by}.get('session') === '{SESSION}'")
    assert page.evaluate(f"{asked_by}.get('annotate')") == "SeCrEt"
    piece.get_by_role("button", name="All sessions").click()
    page.wait_for_function(f"!{asked_by}.has('session')")
    assert page.evaluate(f"{asked_by}.get('annotate')") == "SeCrEt"


def test_an_address_of_an_own_session_holds_no_link(page: Page) -> None:
    open_page(page, value=json.dumps({"open": SESSION}))
    page.wait_for_function(f"location.search === '?session={SESSION}'")


@pytest.mark.parametrize(
    ("name", "press"),
    [
        ("edit_session", "Close the session"),
        ("delete_session", "Delete"),
        ("join_session", "Label it myself"),
        ("change_annotator", "Revoke: Ana"),
    ],
)
def test_a_refusal_is_said_and_nothing_else_happens(page: Page, name: str, press: str) -> None:
    refused: dict[str, Any] = {name: "!The disk is full; make room and try again."}
    piece = open_session(page, found=answers(**refused))
    piece.get_by_role("button", name=press).click()
    expect(piece.get_by_role("status").filter(has_text="The disk is full; make room and try again.")).to_be_visible()
    expect(piece.get_by_role("button", name=press)).to_be_enabled()
    assert page.evaluate("heard") == []


def test_a_session_is_taken_in_from_a_file(page: Page, tmp_path: Path) -> None:
    piece = open_page(page)
    file = tmp_path / "session.jsonl"
    file.write_text('{"kind": "session"}\n')
    piece.locator("input[type=file]").set_input_files(file)
    expect(piece.get_by_role("tab", name="Overview")).to_be_visible()
    assert asked(page, "import_session") == [['{"kind": "session"}\n']]
    page.evaluate("answers.import_session = '!Line 2 of the file: it is not JSON. Nothing was imported.'")
    piece.get_by_role("button", name="‹ All sessions").click()
    piece.locator("input[type=file]").set_input_files(file)
    expect(piece.get_by_role("status").filter(has_text="Line 2 of the file: it is not JSON.")).to_be_visible()
    expect(piece.get_by_role("heading", name="Annotation sessions")).to_be_visible()


def test_a_run_that_was_deleted_is_not_offered_to_be_opened(page: Page) -> None:
    items = open_session(page).get_by_role("region", name="Items (20)")
    expect(items.get_by_role("button", name="Item 3: open its run in Explore")).to_be_visible()
    expect(items.get_by_role("button", name="Item 4: open its run in Explore")).to_have_count(0)


def test_nobody_yet_is_said_with_what_to_do(page: Page) -> None:
    empty = overview(members=[], progress={"answers": 0, "needed": 32, "complete_items": 0, "items": 16}, disputed=0)
    piece = open_session(page, found=answers(session_overview=empty))
    expect(piece).to_contain_text("Nobody has labelled anything yet.")
    expect(piece).to_contain_text("Nobody yet. Add people by name")
    assert member(1, "Ana")["name"] not in piece.inner_text()
