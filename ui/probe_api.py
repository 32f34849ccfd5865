"""The bias probe as named endpoints, by the same rules as the others.

Each is typed and documented for gradio_client. Does not know how the page looks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import gradio as gr

from engine.errors import UserError
from ui.access import Viewer, viewer_of
from ui.errors import said
from ui.numbers import whole
from ui.probe_shelf import plain
from ui.probes import Probes

MOST_ROWS = 500
MOST_OFFSET = 10**9


def register(probes: Probes) -> None:
    """Add the endpoints to the Blocks being built."""
    for endpoint in (*drawing_endpoints(probes), *keeping_endpoints(probes)):
        gr.api(endpoint, api_name=endpoint.__name__, concurrency_limit=8)


def drawing_endpoints(probes: Probes) -> tuple[Callable[..., Any], ...]:
    """The functions behind the names of the endpoints that draw answers."""

    def viewer(request: gr.Request | None) -> Viewer:
        return viewer_of(request)

    def probe(
        template: str,
        values: list[str],
        n: int = 8,
        field: str = "last_number",
        parameter: str = "",
        direct: bool = True,
        system: str | None = None,
        max_new_tokens: int = 60,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | str = 0,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> Iterator[dict]:
        """Fill the one {slot} of a template with each value, answer each prompt n times with shared luck, and compare a
        field of the answers. field: first_line, first_number, last_number, answer_is, yes_no, choice_letter, boxed,
        json_key (its key is the parameter) or exact_text. The last item yielded is the whole probe: plan, every answer
        (kind run, direct or luck), and effects for pairs of values: total (whole answer drawn again), direct (all
        before the field held), chance (other luck) and direct_chance (all before the field held, the value too, other
        luck behind it), each with the share of runs whose field changed and the mean difference of numbers, with 95 %
        intervals. Earlier items are progress."""
        fields = {
            "template": template,
            "values": values,
            "n": n,
            "field": field,
            "parameter": parameter,
            "direct": direct,
            "system": system,
            "max_new_tokens": max_new_tokens,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "seed": seed,
        }
        with said():
            yield from _records(probes.run(fields, viewer(request)))

    def resume_probe(uid: str, request: gr.Request = None) -> Iterator[dict]:  # type: ignore[assignment]
        """Go on with a probe that was stopped or broke off. The last item yielded is the whole probe, in the form that
        `probe` returns; earlier items are progress."""
        with said():
            yield from _records(probes.resume(uid, viewer(request)))

    return probe, resume_probe


def keeping_endpoints(probes: Probes) -> tuple[Callable[..., Any], ...]:
    """The functions behind the names of the endpoints for probes that are there."""

    def viewer(request: gr.Request | None) -> Viewer:
        return viewer_of(request)

    def open_probe(uid: str, request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """A stored probe, in the form that `probe` returns."""
        with said():
            return json.loads(probes.open(uid, viewer(request)))

    def list_probes(limit: int = 50, offset: int = 0, request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Your probes, newest first: total, and rows with uid, template, values, runs, field, state (drawing, finished,
        stopped, failed; resume_probe goes on with the last two), done of total answers, created, and problem (why it
        cannot be opened, else empty)."""
        with said():
            rows = whole("The limit", limit, 0, MOST_ROWS)
            page = probes.list(viewer(request), limit=rows, offset=whole("The offset", offset, 0, MOST_OFFSET))
            return {"total": page.total, "rows": [plain(row) for row in page.rows]}

    def delete_probe(uid: str, request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Move a probe of yours to the bin together with its answers; returns its uid and the runs that went with it:
        `restore_runs` with these brings the probe back, unless whole is false (a damaged one is gone for good)."""
        with said():
            return asdict(probes.delete(uid, viewer(request)))

    return open_probe, list_probes, delete_probe


def _records(documents: Iterator[str]) -> Iterator[dict]:
    """Progress while the probe grows, then all of it; UserError when nothing came of it."""
    last: dict[str, Any] = {}
    for document in documents:
        last = json.loads(document)
        yield {"status": last["state"], "done": last["progress"]["done"], "total": last["progress"]["total"]}
    if not last.get("uid"):
        raise UserError(str(last.get("message") or "Nothing was drawn."))
    yield last
