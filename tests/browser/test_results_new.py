"""Making a session in the browser: what is chosen, asked and set, what is sent, what is said where it is missing."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.support.results_page import DEFAULTS, LISTED, SCHEMA, SCHEMA_YAML, answers, asked, open_page, overview
from tests.support.stopped_clock import typed

CHECKS = """(text) => text.includes("BAD")
  ? {ok: false, schema: null, problems: [{line: 2, reason: "There is no kind of question 'BAD'."},
                                         {line: 0, reason: "Nothing is asked."}]}
  : {ok: true, problems: [], schema: answers.schema}"""


def start(page: Page, **found: object) -> Locator:
    """The form, with a schema that is bad as soon as it holds BAD."""
    piece = open_page(page, answers(schema=SCHEMA, **found))
    page.evaluate(f"() => {{ answers.check_schema = {CHECKS}; }}")
    piece.get_by_role("button", name="New session").click()
    expect(piece.get_by_role("checkbox", name="Question 1")).to_be_visible()
    return piece


def pick(piece: Locator, *numbers: int) -> None:
    for number in numbers:
        piece.get_by_role("checkbox", name=f"Question {number}").check()


def create(piece: Locator) -> None:
    piece.get_by_role("button", name="Create the session").click()


def sent(page: Page) -> list[Any]:
    page.wait_for_function("asked.some(([name]) => name === 'create_session')")
    (args,) = asked(page, "create_session")
    return args


def test_a_session_is_made_of_what_was_chosen_in_its_order(page: Page) -> None:
    piece = start(page)
    piece.get_by_label("Title", exact=True).fill("  Sheep ")
    pick(piece, 3, 1, 2)
    piece.get_by_role("button", name="Item 2 one up").click()
    piece.get_by_label("Guidelines, in Markdown").fill("Be *kind*.")
    piece.get_by_label("People an item").fill("3")
    piece.get_by_label("Order", exact=True).select_option("uncertain")
    piece.get_by_label("Order by").select_option("perplexity")
    piece.get_by_label("Blind").uncheck()
    piece.get_by_label("Show scores").check()
    create(piece)
    title, runs, schema, guidelines, settings = sent(page)
    assert (title, runs) == ("Sheep", ["run-1", "run-3", "run-2"])
    assert (schema, guidelines) == (SCHEMA_YAML, "Be *kind*.")
    changed = {"overlap": 3, "order": "uncertain", "order_score": "perplexity", "blind": False, "show_scores": True}
    assert settings == DEFAULTS["settings"] | changed
    expect(piece.get_by_role("heading", name=overview()["title"])).to_be_visible()


def test_what_is_missing_is_said_one_after_the_other_and_nothing_is_sent(page: Page) -> None:
    piece = start(page)
    alert = piece.get_by_role("alert")
    create(piece)
    expect(alert).to_have_text("Give the session a title.")
    expect(piece.get_by_label("Title", exact=True)).to_be_focused()
    piece.get_by_label("Title", exact=True).fill("Sheep")
    create(piece)
    expect(alert).to_have_text("Choose at least one run to label.")
    pick(piece, 1)
    piece.get_by_label("What item 1 is for").select_option("check")
    create(piece)
    expect(alert).to_have_text("Every item is for training or checks: leave at least one to label.")
    pick(piece, 2)
    create(piece)
    expect(alert).to_have_text("Item 1 is for a check: give its known answer.")
    piece.get_by_label("What item 1 is for").select_option("work")
    piece.get_by_label("Order", exact=True).select_option("uncertain")
    create(piece)
    expect(alert).to_have_text("Most uncertain first: choose the score that decides it.")
    piece.get_by_label("Order", exact=True).select_option("fixed")
    piece.get_by_role("button", name="Add a question").click()
    create(piece)
    expect(alert).to_have_text("Question 1 of the quiz needs its words, two options and a mark at the right one.")
    assert asked(page, "create_session") == []


def test_hidden_checks_that_would_never_come_are_noticed(page: Page) -> None:
    piece = start(page)
    piece.get_by_label("Title", exact=True).fill("Sheep")
    pick(piece, 1, 2)
    piece.get_by_label("What item 1 is for").select_option("check")
    piece.get_by_role("button", name="Known answer of item 1").click()
    piece.locator(".fl-rs-known").get_by_role("radio", name="no", exact=True).check()
    piece.get_by_role("button", name="Keep the known answer").click()
    create(piece)
    expect(piece.get_by_role("alert")).to_contain_text("Hidden checks are chosen but would never come")
    expect(piece.get_by_label("A hidden check every")).to_be_focused()
    piece.get_by_label("A hidden check every").fill("5")
    create(piece)
    assert sent(page)[4]["check_every"] == 5


def test_a_refusal_of_the_server_leaves_everything_as_it_was(page: Page) -> None:
    piece = start(page, create_session="!Item 1 is not in your library any more; choose another.")
    piece.get_by_label("Title", exact=True).fill("Sheep")
    pick(piece, 1)
    create(piece)
    expect(piece.get_by_role("alert")).to_have_text("Item 1 is not in your library any more; choose another.")
    expect(piece.get_by_label("Title", exact=True)).to_have_value("Sheep")
    expect(piece.get_by_label("What item 1 is for")).to_be_visible()


def test_problems_stand_at_their_lines_and_lead_there(page: Page) -> None:
    piece = start(page)
    editor = piece.get_by_label("Schema, as YAML or JSON")
    expect(piece.get_by_role("group", name="What annotators will see")).to_contain_text("Factual error")
    editor.fill("questions:\n  - {kind: BAD}\n")
    problems = piece.locator(".fl-rs-problems")
    expect(problems).to_contain_text("2 problems")
    expect(problems.get_by_role("listitem").first).to_have_text("line 2: There is no kind of question 'BAD'.")
    expect(problems.get_by_role("listitem").last).to_have_text("Nothing is asked.")
    expect(piece.locator(".fl-rs-lines .fl-rs-bad")).to_have_text("2")
    expect(editor).to_have_attribute("aria-invalid", "true")
    problems.get_by_role("button", name="line 2").click()
    expect(editor).to_be_focused()
    selected = "node => node.value.slice(node.selectionStart, node.selectionEnd)"
    assert editor.evaluate(selected) == "  - {kind: BAD}"
    piece.get_by_label("Title", exact=True).fill("Sheep")
    pick(piece, 1)
    create(piece)
    expect(piece.get_by_role("alert")).to_contain_text("The schema has problems")
    editor.fill("questions: []")
    expect(piece.locator(".fl-rs-lines .fl-rs-bad")).to_have_count(0)
    expect(editor).to_have_attribute("aria-invalid", "false")


def test_the_schema_is_checked_once_typing_pauses_and_the_last_answer_counts(page: Page) -> None:
    piece = start(page)
    before = len(asked(page, "check_schema"))
    typed(piece.get_by_label("Schema, as YAML or JSON"), "abcdef", pace=15)
    assert len(asked(page, "check_schema")) == before
    page.clock.run_for(5_000)
    assert len(asked(page, "check_schema")) == before + 1


def test_what_was_just_typed_is_checked_before_it_is_sent(page: Page) -> None:
    piece = start(page)
    piece.get_by_label("Title", exact=True).fill("Sheep")
    pick(piece, 1)
    piece.get_by_label("Schema, as YAML or JSON").fill("BAD")
    create(piece)
    expect(piece.get_by_role("alert")).to_contain_text("The schema has problems")
    assert asked(page, "create_session") == []
    piece.get_by_label("Schema, as YAML or JSON").fill("good")
    piece.get_by_role("button", name="Create the session").dblclick()
    assert sent(page)[2] == "good", "and once"


def test_a_ready_schema_takes_the_place_of_the_text_and_can_be_undone(page: Page) -> None:
    piece = start(page)
    piece.get_by_label("Begin from a ready schema").select_option("better")
    expect(piece.get_by_label("Schema, as YAML or JSON")).to_have_value("questions: []\n")
    expect(piece.get_by_label("Each item is a pair of runs")).to_be_checked()
    piece.get_by_role("button", name="Undo").click()
    expect(piece.get_by_label("Schema, as YAML or JSON")).to_have_value(SCHEMA_YAML)


def test_runs_are_compared_in_pairs_and_an_odd_one_is_named(page: Page) -> None:
    piece = start(page)
    piece.get_by_label("Title", exact=True).fill("Sheep")
    piece.get_by_label("Each item is a pair of runs").check()
    pick(piece, 2, 1, 3)
    expect(piece.get_by_role("heading", name="Chosen: 2 pairs")).to_be_visible()
    expect(piece.get_by_text("needs a second run")).to_be_visible()
    create(piece)
    expect(piece.get_by_role("alert")).to_contain_text("The last pair needs a second run")
    piece.get_by_role("button", name="Remove item 2").click()
    expect(piece.get_by_role("checkbox", name="Question 3")).not_to_be_checked()
    create(piece)
    assert sent(page)[1] == [["run-2", "run-1"]]


def test_uids_are_pasted_one_or_two_a_line(page: Page) -> None:
    piece = start(page)
    piece.get_by_text("Paste uids").click()
    area = piece.get_by_label("Uids of runs")
    area.fill("a b\nc")
    piece.get_by_role("button", name="Add them").click()
    expect(piece.get_by_role("status").filter(has_text="Line 2 has 1 uid, the first has 2")).to_be_visible()
    area.fill("a b\n c, d \n\n")
    piece.get_by_role("button", name="Add them").click()
    expect(piece.get_by_label("Each item is a pair of runs")).to_be_checked()
    piece.get_by_label("Title", exact=True).fill("Sheep")
    create(piece)
    assert sent(page)[1] == [["a", "b"], ["c", "d"]]


def test_a_known_answer_is_marked_in_the_text_by_keyboard(page: Page) -> None:
    piece = start(page)
    piece.get_by_label("Title", exact=True).fill("Sheep")
    pick(piece, 1, 2)
    piece.get_by_label("What item 1 is for").select_option("training")
    piece.get_by_role("button", name="Known answer of item 1").click()
    words = piece.get_by_role("listbox")
    expect(words).to_be_focused()
    for key in ["ArrowRight"] * 6 + ["Shift+ArrowRight", "1", "End", "2", "Home", "3", "x"]:
        page.keyboard.press(key)
    given = piece.get_by_role("list", name="Labels given").get_by_role("listitem")
    expect(given).to_have_count(2)
    expect(given.first).to_contain_text("Factual error “Sydney.” tokens 6 to 7")
    form = piece.locator(".fl-rs-known")
    form.get_by_role("radio", name="no", exact=True).check()
    form.get_by_role("checkbox", name="nowhere").check()
    form.get_by_role("button", name="Keep the known answer").click()
    expect(piece.get_by_role("button", name="Known answer of item 1")).to_have_text("Known answer ✓")
    create(piece)
    first, second = sent(page)[1]
    assert second == "run-2"
    assert first == {
        "runs": ["run-1"], "part": "training",
        "expected": {
            "labels": [{"set": "errors", "label": "factual", "run": 0, "start": 5, "stop": 7},
                       {"set": "errors", "label": "arithmetic", "run": 0, "start": 16, "stop": 17}],
            "answers": {"correct": "no", "where": None},
        },
    }  # fmt: skip


def test_an_empty_known_answer_is_not_kept(page: Page) -> None:
    piece = start(page)
    pick(piece, 1)
    piece.get_by_label("What item 1 is for").select_option("check")
    piece.get_by_role("button", name="Known answer of item 1").click()
    piece.get_by_role("button", name="Keep the known answer").click()
    expect(piece.get_by_role("status").filter(has_text="Nothing is given yet")).to_be_visible()
    expect(piece.get_by_role("button", name="Known answer of item 1")).to_have_text("Give the known answer")


def test_the_library_is_searched_and_all_that_is_found_added(page: Page) -> None:
    piece = start(page)
    piece.get_by_label("Search the library").fill("sheep")
    page.wait_for_function("asked.some(([name, args]) => name === 'list_runs' && args[0] === 'sheep')")
    piece.get_by_role("button", name="Add all 3").click()
    expect(piece.get_by_role("heading", name="Chosen: 3 items")).to_be_visible()
    expect(piece.get_by_role("checkbox", name="Question 2")).to_be_checked()
    assert asked(page, "list_runs")[-1] == ["sheep", "created", True, 500, 0]
    piece.get_by_role("button", name="Remove all").click()
    expect(piece.get_by_role("heading", name="Chosen: nothing yet")).to_be_visible()
    piece.get_by_role("button", name="Undo").click()
    expect(piece.get_by_role("heading", name="Chosen: 3 items")).to_be_visible()


def test_a_quiz_and_times_are_sent(page: Page) -> None:
    piece = start(page)
    piece.get_by_label("Title", exact=True).fill("Sheep")
    pick(piece, 1)
    piece.get_by_role("button", name="Add a question").click()
    piece.get_by_label("Question 1", exact=True).fill("What is marked?")
    piece.get_by_label("Option 1 of question 1", exact=True).fill("errors")
    piece.get_by_label("Option 2 of question 1", exact=True).fill("style")
    piece.get_by_label("Option 1 of question 1 is right").check()
    piece.get_by_label("Closes").fill("2026-12-31T18:00")
    create(piece)
    settings = sent(page)[4]
    assert settings["quiz"] == [{"question": "What is marked?", "options": ["errors", "style"], "answer": "errors"}]
    assert settings["closes_at"].endswith(":00.000Z") and settings["opens_at"] is None


def test_one_can_go_back_without_making_anything(page: Page) -> None:
    piece = start(page)
    piece.get_by_role("button", name="Cancel").click()
    expect(piece.get_by_role("heading", name="Annotation sessions")).to_be_visible()
    assert asked(page, "create_session") == [] and len(asked(page, "my_annotations")) == 2
    expect(piece.get_by_role("listitem")).to_have_count(len(LISTED))
