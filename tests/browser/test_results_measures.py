"""Agreement, adjudication and scores against labels in the browser: what is shown, asked, sent and taken away."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.support.results_page import (
    AGREEMENT,
    CURVES,
    SCORES,
    SESSION,
    SIDES,
    answers,
    asked,
    copied,
    dispute,
    heard,
    open_session,
    overview,
)  # fmt: skip


def test_agreement_is_told_with_interval_and_n_and_what_does_not_exist_with_its_reason(page: Page) -> None:
    piece = open_session(page, "Agreement")
    expect(piece.locator(".fl-rs-sentence:visible")).to_have_text(
        "Krippendorff’s alpha (nominal): 0.61 (95 % interval 0.40 to 0.79), over 14 items and 3 people."
    )
    fleiss = piece.get_by_role("row", name=re.compile("Fleiss"))
    expect(fleiss.locator("th")).to_contain_text("items have unequal counts of answers")
    expect(fleiss.locator("td").first).to_have_text("n/a")
    assert "0" not in fleiss.inner_text().replace("Fleiss’ kappa", "")
    rows = copied(page, piece.get_by_role("button", name="Copy the table Measures"))
    assert rows[0] == ["Measure", "Value", "Reason if none", "Low", "High", "Items"]
    assert rows[1][1:] == ["0.613", "", "0.402", "0.79", "14"]
    assert rows[3][1:5] == ["", "items have unequal counts of answers", "", ""]


def test_another_target_is_asked_for(page: Page) -> None:
    piece = open_session(page, "Agreement")
    piece.get_by_label("Agreement on").select_option("question:quality")
    page.wait_for_function("asked.filter(([name]) => name === 'session_agreement').length === 2")
    assert asked(page, "session_agreement") == [[SESSION, "set:errors", ""], [SESSION, "question:quality", ""]]


def test_one_annotator_only_is_said_in_words(page: Page) -> None:
    alone = {**AGREEMENT, "measures": [], "pairs": [], "raters": ["A1"], "reason": "Only one person has submitted."}
    piece = open_session(page, "Agreement", answers(session_agreement=alone))
    expect(piece.locator(".fl-rs-sentence:visible")).to_have_text("Only one person has submitted.")


def test_a_pair_shows_who_answered_what_and_saves_it(page: Page, tmp_path: Path) -> None:
    piece = open_session(page, "Agreement")
    matrix = piece.get_by_role("region", name="A1 and A2, answer by answer")
    expect(matrix.locator("tbody tr").nth(1).locator("td")).to_have_text(["0", "4", "1"])
    with page.expect_download() as saving:
        piece.get_by_role("button", name="Save picture").click()
    saving.value.save_as(tmp_path / "file.svg")
    picture = (tmp_path / "file.svg").read_text("utf-8")
    assert saving.value.suggested_filename == "confusion-A1-A2.svg"
    assert picture.startswith("<svg") and "var(--" not in picture and "Is the answer correct?" in picture
    piece.get_by_role("button", name="A1 and A3: show who answered what").click()
    expect(piece.get_by_role("region", name="A1 and A3, answer by answer")).to_be_visible()
    expect(piece.get_by_role("row", name=re.compile("^A1 and A3"))).to_contain_text("n/a")


def test_disputes_come_most_disagreement_first_and_sides_without_names(page: Page) -> None:
    piece = open_session(page, "Adjudication")
    expect(piece.locator(".fl-rs-sentence:visible")).to_have_text("3 items are disputed; 2 are still to settle.")
    piece.get_by_role("button", name="Item 1: see its sides").click()
    expect(piece.get_by_role("heading", name="Item 1")).to_be_focused()
    side = piece.get_by_role("region", name="Side B")
    expect(side).to_contain_text("3 of 5")
    expect(side.locator(".fl-rs-tag")).to_have_text(["Factual error", "vague"])
    expect(piece.get_by_role("region", name="Side C")).to_contain_text("nowhere")
    for name in ("Ana", "Bo", "A1", "A2"):
        assert name not in piece.locator(".fl-rs-sides").inner_text()
    piece.get_by_role("radio", name="On one text").click()
    expect(piece.locator(".fl-rs-tag:visible")).to_have_text(
        ["A Factual error", "B Factual error", "A Arithmetic", "B vague"]
    )
    expect(piece.get_by_role("region", name="Answers of the sides").locator("tr.fl-rs-differs")).to_have_count(3)


def test_a_thousand_disputes_are_drawn_in_parts_and_copied_whole(page: Page) -> None:
    rows = [
        {"item": f"i{i}", "place": i, "text": "It is 4.", "n": 2, "disagreement": 0.5, "final": False}
        for i in range(1, 1001)
    ]
    piece = open_session(page, "Adjudication", answers(disputes=rows))
    table = piece.get_by_role("region", name="Disputed items, most disagreement first")
    expect(table.locator("tbody tr")).to_have_count(200)
    piece.get_by_role("button", name="Show 200 more rows").click()
    expect(table.locator("tbody tr")).to_have_count(400)
    copy = piece.get_by_role("button", name="Copy the table Disputed items, most disagreement first")
    assert len(copied(page, copy)) == 1001


def test_a_side_is_accepted_with_reason_and_the_next_item_comes(page: Page) -> None:
    piece = open_session(page, "Adjudication")
    piece.get_by_role("button", name="Item 1: see its sides").click()
    piece.get_by_label("Reason").fill("Sydney is wrong.")
    piece.get_by_label("Confidence").select_option("4")
    page.evaluate("answer => { answers.dispute = answer; }", dispute(3))
    piece.get_by_role("button", name="Accept B").click()
    expect(piece.get_by_role("heading", name="Item 3")).to_be_visible()
    assert asked(page, "adjudicate") == [[SESSION, "i1", None, "Sydney is wrong.", 4, "B", ""]]
    assert [args[1] for args in asked(page, "dispute")] == ["i1", "i3"], "the settled item 2 is passed over"
    expect(piece.get_by_label("Reason")).to_have_value("")
    piece.get_by_role("button", name="Accept A").click()
    expect(piece.get_by_role("status").filter(has_text="Nothing is left to settle.")).to_be_visible()
    expect(piece.get_by_role("heading", name="Disputed items, most disagreement first")).to_be_visible()


def test_a_final_judgement_begins_with_what_all_agree_on_and_takes_from_the_sides(page: Page) -> None:
    two = {**dispute(1), "sides": SIDES[:2]}
    piece = open_session(page, "Adjudication", answers(dispute=two))
    piece.get_by_role("button", name="Item 1: see its sides").click()
    piece.get_by_text("Or write the final judgement").click()
    given = piece.get_by_role("list", name="Labels given").get_by_role("listitem")
    expect(given).to_have_count(1)
    expect(given).to_contain_text("Factual error “Sydney”")
    writing = piece.locator(".fl-rs-judgement")
    expect(writing.get_by_role("radio", name="no", exact=True)).to_be_checked()
    assert writing.get_by_role("group", name="How good is it?").locator(":checked").count() == 0
    piece.get_by_role("button", name="Take the label Arithmetic of A").click()
    piece.get_by_role("button", name="Remove the label Factual error on “Sydney”").click()
    writing.get_by_role("radio", name="5, excellent").check()
    piece.get_by_role("button", name="Save this as final").click()
    page.wait_for_function("asked.some(([name]) => name === 'adjudicate')")
    (sent,) = asked(page, "adjudicate")
    assert sent[2] == {
        "labels": [{"set": "errors", "label": "arithmetic", "run": 0, "start": 13, "stop": 14}],
        "answers": {"correct": "no", "where": 5, "quality": 5},
    }
    assert sent[3:6] == ["", None, "written"]


def test_a_required_answer_is_asked_for_before_it_is_final(page: Page) -> None:
    piece = open_session(page, "Adjudication")
    piece.get_by_role("button", name="Item 1: see its sides").click()
    piece.get_by_text("Or write the final judgement").click()
    piece.get_by_role("button", name="Save this as final").click()
    expect(piece.get_by_role("status").filter(has_text="Still to answer: Is the answer correct?.")).to_be_visible()
    assert asked(page, "adjudicate") == []


def test_an_adjudicator_settles_and_changes_nothing_else(page: Page) -> None:
    piece = open_session(page, found=answers(session_overview=overview(role="adjudicator")))
    expect(piece).to_contain_text("Only the owner of the session can change it.")
    expect(piece.get_by_role("button", name="Close the session")).to_have_count(0)
    piece.get_by_role("tab", name="Adjudication").click()
    piece.get_by_role("button", name="Item 1: see its sides").click()
    expect(piece.get_by_role("button", name="Accept A")).to_be_visible()


def test_scores_are_sorted_and_what_does_not_exist_is_no_zero(page: Page) -> None:
    piece = open_session(page, "Scores against labels")
    expect(piece.locator(".fl-rs-sentence:visible")).to_have_text(
        "Of 2 scores Perplexity predicts it best: AUROC 0.82 (95 % interval 0.61 to 0.97)."
    )
    table = piece.get_by_role("region", name="Scores (3)")
    names = [text.split("\n")[0] for text in table.locator("tbody th").all_inner_texts()]
    assert names == ["Perplexity", "Mean entropy", "Semantic entropy"]
    expect(table.locator("tbody tr").last).to_contain_text("no run has this score")
    expect(table.locator("tbody tr").last.locator("td").first).to_have_text("n/a")
    table.get_by_role("button", name="AUROC").click()
    names = [text.split("\n")[0] for text in table.locator("tbody th").all_inner_texts()]
    assert names == ["Mean entropy", "Perplexity", "Semantic entropy"]
    rows = copied(page, piece.get_by_role("button", name="Copy the table Scores (3)"))
    assert rows[0][:5] == ["Score", "Name", "AUROC", "AUROC low", "AUROC high"]
    assert rows[2][:5] == ["Perplexity", "perplexity", "0.82", "0.61", "0.97"] and rows[3][2:5] == ["", "", ""]


def test_a_best_score_that_chance_may_explain_is_called_so(page: Page) -> None:
    weak = {**SCORES, "rows": SCORES["rows"][:1]}
    piece = open_session(page, "Scores against labels", answers(session_scores=weak))
    expect(piece.locator(".fl-rs-sentence:visible")).to_contain_text("which chance alone may explain")


def test_labels_without_two_kinds_are_said_in_words(page: Page) -> None:
    none = {**SCORES, "rows": [], "reason": "Every answer has the same label."}
    piece = open_session(page, "Scores against labels", answers(session_scores=none))
    expect(piece.locator(".fl-rs-sentence:visible")).to_have_text("Every answer has the same label.")


def test_whose_labels_and_which_value_are_sent(page: Page) -> None:
    piece = open_session(page, "Scores against labels")
    expect(piece.get_by_label("As given by").locator("option")).to_have_text(
        ["the majority", "final labels (gold)", "A1 alone", "A2 alone"]
    )
    expect(piece.get_by_label("Counts as 1")).to_have_count(0)
    piece.get_by_label("Of each").select_option("token")
    choices = [["yes", "yes"], ["no", "no"], ["unsure", "unsure"]]
    page.evaluate("answer => { answers.session_scores = answer; }", {**SCORES, "choices": choices})
    piece.get_by_label("Predict").select_option("question:correct")
    expect(piece.get_by_label("Counts as 1")).to_have_value("no")
    expect(piece.get_by_label("Of each")).to_have_count(0)
    piece.get_by_label("Counts as 1").select_option("unsure")
    piece.get_by_label("As given by").select_option("gold")
    page.wait_for_function("asked.filter(([name]) => name === 'session_scores').length === 5")
    assert asked(page, "session_scores")[1:] == [
        [SESSION, "set:errors@token", "majority", None, ""],
        [SESSION, "question:correct", "majority", None, ""], [SESSION, "question:correct", "majority", "unsure", ""],
        [SESSION, "question:correct", "gold", "unsure", ""],
    ]  # fmt: skip


def test_a_score_leads_to_its_curves_and_to_the_tokens_that_it_gets_wrong(page: Page, tmp_path: Path) -> None:
    piece = open_session(page, "Scores against labels")
    piece.get_by_role("button", name="Perplexity: show its curves").click()
    expect(piece.get_by_role("heading", name="Perplexity against “Errors: any label”")).to_be_focused()
    assert asked(page, "session_curves") == [[SESSION, "set:errors", "perplexity", "majority", None, ""]]
    for name in ("ROC", "Risk over coverage", "Reliability"):
        expect(piece.get_by_role("img", name=re.compile(f"^{name}"))).to_be_visible()
    piece.get_by_text("Numbers").first.click()
    expect(piece.get_by_role("region", name="ROC, numbers").locator("tbody tr")).to_have_count(len(CURVES["roc"]))
    with page.expect_download() as saving:
        piece.get_by_role("button", name="Save pictures").click()
    saving.value.save_as(tmp_path / "file.svg")
    picture = (tmp_path / "file.svg").read_text("utf-8")
    assert picture.count("<path") == 7 and "var(--" not in picture and "Risk over coverage" in picture
    wrong = piece.get_by_role("region", name="What it gets wrong, worst first")
    wrong.get_by_role("button", name="Item 3: open in Explore").click()
    wrong.get_by_role("button", name="Item 7: open in Explore").click()
    assert heard(page, "run_open") == [{"uid": "run-3", "token": 5}, {"uid": "run-7"}]
