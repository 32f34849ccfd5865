"""The forking analysis of a run: outcomes over its tokens, alternatives, continuations, and what comes beside them.

Two pieces: one with the document, whole each time, one with single answers. Does not know how an
analysis is drawn or kept.
"""

from __future__ import annotations

from ui.components.piece import Piece


class Forks(Piece):
    """Value: a document of `ui.fork_view`. ways: JSON of `fork_view.ways`, how an outcome may be read.

    Events; `run` is the shown run's uid: forks_open(run, uid?): asked once for each run shown, the newest
    where no uid is given. forks_list(run). forks_price(run, fields);
    forks_run(run, fields): fields as `fork_fields.settings_of` takes them. forks_stop(run). forks_resume(run, uid).
    forks_more(run, uid, position, token, more): more draws of one branch. forks_texts(run, uid, position, token).
    forks_read(run, uid, field, parameter): the same draws read in another way. forks_export(run, uid, kind): "jsonl" or
    "parquet". forks_take(run, position, token): a run that says this there.
    """

    mount = "mountForks"
    triggers = (
        "forks_open", "forks_list", "forks_price", "forks_run", "forks_stop", "forks_resume", "forks_more",
        "forks_texts", "forks_read", "forks_export", "forks_take",
    )  # fmt: skip


class ForksAside(Piece):
    """What comes beside the document: {run, n} with one of texts, price, refused (of a price), analyses and problem."""

    mount = "mountForksAside"
