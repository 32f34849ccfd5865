"""Forking analyses as named endpoints, for notebooks and scripts: the use cases of `forks` by the same rules.

Each endpoint is typed and documented for gradio_client. Does not know how the page looks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from ui.access import viewer_of
from ui.errors import said
from ui.forks import Forks
from ui.numbers import whole
from ui.wire import document_fields

BRANCH = (
    "position", "token_id", "text", "probability", "base", "draws", "counts", "distance", "influence", "p_value",
    "real", "low", "high",
)  # fmt: skip
MOST_POSITION = 2**31 - 1
MOST_DRAWS = 10_000


def register(forks: Forks) -> None:
    """Add the endpoints to the Blocks being built."""
    for endpoint in (*drawing_endpoints(forks), *reading_endpoints(forks)):
        gr.api(endpoint, api_name=endpoint.__name__, concurrency_limit=8)


def drawing_endpoints(forks: Forks) -> tuple[Callable[..., Any], ...]:
    """The endpoints that draw continuations."""

    def analyse_forks(
        uid: str,
        field: str = "last_number",
        parameter: str = "",
        first: int = 0,
        stop: int | None = None,
        estimator: str = "recursion",
        threshold: float = 0.05,
        draws: int = 30,
        max_tokens: int | None = None,
        until: float | None = None,
        seed: int | str = 0,
        temperature: float = 1.0,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> Iterator[dict]:
        """How the outcome of a run would be distributed had it started again before each token (Bigelow et al., arXiv
        2412.07961). field: how an outcome is read (first_line, first_number, last_number, answer_is, yes_no,
        choice_letter, boxed, json_key with its key as parameter, exact_text; meaning: clusters by cosine of sentence
        embeddings, parameter their largest mean distance, 0.35; pattern, for whoever runs the page: last match of a
        regular expression as parameter, its first group or all). first, stop: which positions; threshold: least
        probability of an alternative; draws: of one with a share of 30 %, others in proportion; until: go on until
        every 80 % band is narrower; temperature: of continuations, 1 only. The last item yielded is the analysis:
        labels, positions (share of each outcome before the token, with band and kept mass), branches (draws, counts,
        distance, influence, whether told from noise), and said (drift, jumps, survival, change points, warnings).
        Earlier items are progress; it is kept, and `resume_forks` goes on with one that was stopped."""
        fields = {
            "extractor": field, "parameter": parameter, "first": first, "stop": stop, "estimator": estimator,
            "threshold": threshold, "draws": draws, "max_tokens": max_tokens, "until": until, "seed": seed,
            "temperature": temperature,
        }  # fmt: skip
        with said():
            yield from _records(forks.run(uid, fields, viewer_of(request)))

    def resume_forks(uid: str, request: gr.Request = None) -> Iterator[dict]:  # type: ignore[assignment]
        """Go on with an analysis that was stopped, to the same draws as if it had not been."""
        with said():
            yield from _records(forks.resume(uid, viewer_of(request)))

    def more_fork_draws(
        uid: str,
        position: int,
        token_id: int,
        more: int = 20,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> Iterator[dict]:
        """Draw `more` continuations of one branch of an analysis; gives what `analyse_forks` gives."""
        with said():
            place = whole("The position", position, 0, MOST_POSITION)
            token = whole("The token id", token_id, 0, MOST_POSITION)
            count = whole("The number of draws", more, 1, MOST_DRAWS)
            yield from _records(forks.add_draws(uid, place, token, count, viewer_of(request)))

    return analyse_forks, resume_forks, more_fork_draws


def reading_endpoints(forks: Forks) -> tuple[Callable[..., Any], ...]:
    """The endpoints that generate nothing."""

    def open_forks(
        uid: str,
        field: str = "",
        parameter: str = "",
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """A stored analysis; field, parameter (see `analyse_forks`): read its draws in another way than they were
        first, which is not kept and generates nothing."""
        with said():
            viewer = viewer_of(request)
            return _record(forks.read_again(uid, field, parameter, viewer) if field else forks.open(uid, viewer))

    def list_forks(uid: str, request: gr.Request = None) -> list:  # type: ignore[assignment]
        """The analyses of the run with this uid, newest first: uid, field, parameter, status, draws, created."""
        with said():
            return forks.analyses(uid, viewer_of(request))

    def fork_texts(
        uid: str,
        position: int,
        token_id: int,
        field: str = "",
        parameter: str = "",
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """The continuations of one branch grouped by outcome, the commonest first: groups of label, count and texts
        with their numbers. field, parameter: as `open_forks` takes them."""
        with said():
            place = whole("The position", position, 0, MOST_POSITION)
            token = whole("The token id", token_id, 0, MOST_POSITION)
            line = forks.texts(uid, place, token, viewer_of(request), field, parameter)
            return dict(json.loads(line)["texts"])

    def export_forks(
        uid: str,
        kind: str = "jsonl",
        field: str = "",
        parameter: str = "",
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> gr.FileData:
        """The raw draws of an analysis as a file, kind jsonl or parquet: one line a draw with its branch, probability,
        token ids, whole response, continuation, ending and outcome; above them (first line, or the schema's metadata)
        settings, seed, model, prompt and all branches. field, parameter: as `open_forks` takes them."""
        with said():
            path = forks.export(uid, kind, viewer_of(request), field, parameter)
            return gr.FileData(path=str(path), orig_name=path.name, size=path.stat().st_size)

    return open_forks, list_forks, fork_texts, export_forks


def _records(documents: Iterator[str]) -> Iterator[dict]:
    """Progress while it is drawn, then all of it."""
    document = ""
    for document in documents:
        standing = document_fields(document)["s"]
        yield {"status": standing["state"], "draws": standing["draws"], "tokens": standing["tokens"]}
    yield _record(document)


def _record(document: str) -> dict:
    """A document as a script wants it."""
    found = document_fields(document)
    labels = found.get("labels", [])
    positions = [
        {
            "position": position,
            "kept_mass": kept,
            "outcomes": dict(zip(labels, shares, strict=True)),
            "low": dict(zip(labels, low, strict=True)),
            "high": dict(zip(labels, high, strict=True)),
        }
        for position, kept, shares, low, high in found.get("p", [])
    ]
    branches = [dict(zip(BRANCH, row, strict=True)) for row in found.get("b", [])]
    for branch in branches:
        branch["counts"] = dict(zip(labels, branch["counts"], strict=True))
        branch["base"] = bool(branch["base"])
        branch["real"] = None if branch["real"] is None else bool(branch["real"])
        for name in ("low", "high"):
            branch[name] = branch[name] and dict(zip(labels, branch[name], strict=True))
    head = {name: value for name, value in found.items() if name not in ("labels", "p", "b", "said", "s", "end", "v")}
    return {
        **head, "status": found["s"]["state"], "message": found["s"]["message"], "draws": found["s"]["draws"],
        "labels": labels, "positions": positions, "branches": branches, "said": found.get("said", {}),
    }  # fmt: skip
