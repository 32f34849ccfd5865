"""Annotation sessions as named endpoints: the page calls the very same ones as notebooks and scripts do.

Each is typed and documented for gradio_client and answers at once, beside the queue. `link` is the secret of a personal
link; without it, who asks is whom the server knows. Does not know how the page looks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from ui.access import Viewer, viewer_of
from ui.annotating import Annotating
from ui.errors import said
from ui.session_results import Results
from ui.sessions import Sessions

Endpoints = tuple[Callable[..., Any], ...]


def register(annotating: Annotating, sessions: Sessions, results: Results) -> None:
    """Add the endpoints to the Blocks being built."""
    for endpoint in endpoints(annotating, sessions, results):
        # none of them needs the model: a save must not wait behind an answer
        gr.api(endpoint, api_name=endpoint.__name__, queue=False)


def endpoints(annotating: Annotating, sessions: Sessions, results: Results) -> Endpoints:
    """The endpoints, each a plain function."""

    def who(request: gr.Request | None) -> Viewer:
        return viewer_of(request)

    return (
        *_for_annotators(annotating, who),
        *_for_making(sessions, who),
        *_for_people(sessions, who),
        *_for_reading(results, who),
        *_for_settling(results, who),
        *_for_files(sessions, who),
    )


def _for_annotators(annotating: Annotating, who: Callable[[gr.Request | None], Viewer]) -> Endpoints:
    def my_annotations(request: gr.Request = None) -> list:  # type: ignore[assignment]
        """The annotation sessions in which you have a part or that you own, and the demonstration."""
        with said():
            return annotating.mine(who(request))

    def open_annotation(session: str = "", link: str = "", request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """What a session asks of an annotator: guidelines, schema, progress. link: the secret of a labelling link."""
        with said():
            return annotating.open(session, link, who(request))

    def begin_annotating(
        session: str = "",
        answers: list | None = None,
        link: str = "",
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """Say that the guidelines were read; answers: one to each of the session's questions on them."""
        with said():
            return annotating.begin(session, answers or [], link, who(request))

    def next_item(session: str = "", link: str = "", request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """The item to go on with: its texts as tokens and what you entered so far; {done: true} when none is left."""
        with said():
            return annotating.next(session, link, who(request))

    def open_item(session: str, item: str, link: str = "", request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """An item that was given to you before."""
        with said():
            return annotating.item(session, item, link, who(request))

    def save_annotation(
        session: str,
        item: str,
        events: list,
        link: str = "",
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """Keep actions on an item, all or none; an action sent twice (the same uuid) is kept once. events: {uuid, kind,
        payload, active_ms, wall_ms} with kind label {set, label, run, start, stop} (tokens, half-open, from 0), unlabel
        {target}, answer {question, value}, comment {text}, flag {on}, skip {reason}, submit, reopen, undo {target},
        redo {target} or time."""
        with said():
            return annotating.save(session, item, events, link, who(request))

    return my_annotations, open_annotation, begin_annotating, next_item, open_item, save_annotation


def _for_making(sessions: Sessions, who: Callable[[gr.Request | None], Viewer]) -> Endpoints:
    def session_defaults() -> dict:
        """Settings and label schemas to begin with, and the scores that items can be ordered by."""
        with said():
            return sessions.defaults()

    def check_schema(schema: str) -> dict:
        """Whether a label schema (YAML or JSON) can be used: {ok, problems: [{line, reason}], schema}."""
        with said():
            return sessions.check_schema(schema)

    def create_session(
        title: str,
        runs: list,
        schema: str,
        guidelines: str = "",
        settings: dict | None = None,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """Make an annotation session. runs: run uids, pairs of them, or {run or runs, part: work, training or check,
        expected: {labels, answers}}. settings: any of overlap (annotators an item, 0 for all), order (shuffled, fixed,
        uncertain) with order_score, seed, blind, show_scores, check_every, opens_at, closes_at, quiz."""
        with said():
            return sessions.create(title, runs, schema, guidelines, settings or {}, who(request))

    def edit_session(session: str, changes: dict, request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Change title, guidelines (a new version), settings, status (open, closed) and, before the first answer, the
        schema."""
        with said():
            return sessions.edit(session, changes, who(request))

    def fork_session(session: str, title: str, schema: str = "", request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """A new session with the same items and settings, another schema, no annotators and no answers."""
        with said():
            return sessions.fork(session, title, schema, who(request))

    def delete_session(session: str, request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Move a session to the bin; `restore_session` brings it back for 30 days."""
        with said():
            return sessions.delete(session, who(request))

    def restore_session(session: str, request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Take a session out of the bin again."""
        with said():
            return sessions.restore(session, who(request))

    return (
        session_defaults, check_schema, create_session, edit_session, fork_session, delete_session, restore_session,
    )  # fmt: skip


def _for_people(sessions: Sessions, who: Callable[[gr.Request | None], Viewer]) -> Endpoints:
    def add_annotator(
        session: str,
        name: str,
        role: str = "annotator",
        days: float | None = None,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """Add somebody by name; `link` in the answer is their labelling link, told this once. role: annotator or
        adjudicator; days: how long the link holds."""
        with said():
            return sessions.add(session, name, role, days, who(request))

    def join_session(session: str, request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Take part in your own session as an annotator."""
        with said():
            return sessions.join(session, who(request))

    def change_annotator(session: str, member: str, changes: dict, request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Change name, role, revoked or days of somebody in a session; new_link: true makes a new labelling link, and
        the old one ends."""
        with said():
            return sessions.change_member(session, member, changes, who(request))

    return add_annotator, join_session, change_annotator


def _for_reading(results: Results, who: Callable[[gr.Request | None], Viewer]) -> Endpoints:
    def session_overview(session: str, link: str = "", request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """A session as its owner sees it: schema, settings, progress, annotators with times and checks."""
        with said():
            return results.overview(session, link, who(request))

    def session_items(
        session: str,
        offset: int = 0,
        limit: int = 50,
        link: str = "",
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """The items of a session, those with most disagreement first."""
        with said():
            return results.items(session, offset, limit, link, who(request))

    def session_agreement(session: str, target: str, link: str = "", request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """How far annotators agree on a target of `session_overview`: Krippendorff's alpha, kappas, span agreement,
        each with a bootstrap 95 % interval, and pairs with their confusion."""
        with said():
            return results.agreement(session, target, link, who(request))

    def session_scores(
        session: str,
        target: str,
        against: str = "majority",
        positive: str | None = None,
        link: str = "",
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """Which uncertainty score predicts the labels: AUROC, average precision, PRR, calibration error and rank
        correlation of every score. against: majority, gold (adjudicated) or an annotator (A1); positive: which value
        counts as 1."""
        with said():
            return results.scores(session, target, against, positive, link, who(request))

    def session_curves(
        session: str,
        target: str,
        score: str,
        against: str = "majority",
        positive: str | None = None,
        link: str = "",
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """One score against the labels: ROC, risk-coverage and reliability curves, and the items it gets wrong."""
        with said():
            return results.curves(session, target, score, against, positive, link, who(request))

    return session_overview, session_items, session_agreement, session_scores, session_curves


def _for_settling(results: Results, who: Callable[[gr.Request | None], Viewer]) -> Endpoints:
    def disputes(session: str, link: str = "", request: gr.Request = None) -> list:  # type: ignore[assignment]
        """Items whose annotators differ, those that differ most first."""
        with said():
            return results.disputes(session, link, who(request))

    def dispute(session: str, item: str, link: str = "", request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """What each annotator entered on one item, without names and in random order."""
        with said():
            return results.dispute(session, item, link, who(request))

    def adjudicate(
        session: str,
        item: str,
        state: dict | None = None,
        reason: str = "",
        confidence: int | None = None,
        source: str = "written",
        link: str = "",
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """Settle an item: source is a side of `dispute` ("A") to accept, or "written" with a state of your own
        ({labels, answers}). confidence: 1 to 5."""
        with said():
            return results.adjudicate(session, item, state, reason, confidence, source, link, who(request))

    def export_session(
        session: str,
        form: str = "jsonl",
        names: bool = False,
        link: str = "",
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """A session as a file {name, type, base64}. form: jsonl (exact, `import_session` takes it back), csv, conll or
        parquet (a zip for the `datasets` library). names: with names instead of pseudonyms."""
        with said():
            return results.export(session, form, names, link, who(request))

    return disputes, dispute, adjudicate, export_session


def _for_files(sessions: Sessions, who: Callable[[gr.Request | None], Viewer]) -> Endpoints:
    def import_session(data: str, request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Keep a session from the text of a JSONL file that `export_session` made, as your own."""
        with said():
            return sessions.bring_in(data, who(request))

    def import_labels(session: str, data: str, request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Add labels made elsewhere, JSON lines with run, text_hash or text, labels and answers, as those of a member
        “import”; added: how many items took something in. What does not fit is refused line by line."""
        with said():
            return sessions.bring_in_labels(session, data, who(request))

    return import_session, import_labels
