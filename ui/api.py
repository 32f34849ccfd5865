"""The app's named endpoints: the page's use cases for notebooks and scripts, by the same rules.

Each endpoint is typed and documented for gradio_client. Does not know how the page looks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from engine.errors import BadInput, UserError
from ui import methods_view, strategy_jobs
from ui.access import viewer_of
from ui.actions import Workbench
from ui.errors import said
from ui.shelf import Shelf

BRANCH_LINES = ("versus", "replicates", "children")
# how a token was drawn, in the order of its line; None for a token that was given
DRAW = ("noise_row", "margin", "runner_up", "luck", "support", "log_normalizer")


def register(workbench: Workbench, shelf: Shelf) -> None:
    """Add the endpoints to the Blocks being built."""
    for endpoint in (*_model_endpoints(workbench), *_shelf_endpoints(workbench, shelf)):
        gr.api(endpoint, api_name=endpoint.__name__, concurrency_limit=8)


def _model_endpoints(workbench: Workbench) -> tuple[Callable[..., Any], ...]:
    def generate(
        prompt: str,
        system: str | None = None,
        max_new_tokens: int = 200,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | str = 0,
        stop: list[str] | None = None,
        strategy: str = "sample",
        strategy_parameters: dict | None = None,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> Iterator[dict]:
        """Answer a prompt and keep the run. The last item yielded is the whole run: uid, text, tokens with every
        score (nats), the 20 most likely alternatives each, and the run's figures. Earlier items are progress. strategy:
        how to decode, with its parameters by name, as `strategies` lists them; what it tries is in the run's `tree`."""
        fields = {
            "prompt": prompt,
            "system": system,
            "max_new_tokens": max_new_tokens,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "seed": seed,
            "stop": stop or [],
            "strategy": strategy,
            "strategy_parameters": strategy_parameters,
        }
        with said():
            yield from records(workbench.generate(fields, viewer_of(request)))

    def continue_run(uid: str, request: gr.Request = None) -> Iterator[dict]:  # type: ignore[assignment]
        """Go on with a run that was stopped, broke off or reached its limit of tokens, as the same run with the same
        noise: its tokens are those of a run that was never stopped. The last item yielded is the whole longer run, in
        the same form that `generate` returns; earlier items are progress."""
        with said():
            yield from records(workbench.continue_run(uid, viewer_of(request)))

    def score_text(text: str, prompt: str | None = None, request: gr.Request = None) -> Iterator[dict]:  # type: ignore[assignment]
        """Score a given text by teacher forcing, as the answer to `prompt` or on its own, and keep the run."""
        with said():
            yield from records(workbench.score_text(prompt, text, viewer_of(request)))

    def import_logprobs(data: Any, request: gr.Request = None) -> list[str]:  # type: ignore[assignment]
        """Keep runs made from a response with log-probabilities (OpenAI chat or completion format), as JSON text or as
        an object; gives their uids."""
        with said():
            # a script has the response at hand as an object as often as in writing
            written = data if isinstance(data, str) else json.dumps(data)
            return workbench.import_logprobs(written, viewer_of(request))

    def open_run(uid: str, request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """A stored run, in the same form that `generate` returns."""
        with said():
            return record_of(workbench.open_run(uid, viewer_of(request)))

    return generate, continue_run, score_text, import_logprobs, open_run


def _shelf_endpoints(workbench: Workbench, shelf: Shelf) -> tuple[Callable[..., Any], ...]:
    def list_runs(
        text: str = "",
        sort: str = "created",
        descending: bool = True,
        limit: int = 50,
        offset: int = 0,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """Runs whose prompt, answer, title, note or tags hold `text`; sort: created, tokens, title or a run score."""
        query = {"text": text, "sort": sort, "descending": descending, "limit": limit, "offset": offset}
        with said():
            return json.loads(shelf.listing(query, viewer_of(request)))

    def export_runs(uids: list[str], request: gr.Request = None) -> str:  # type: ignore[assignment]
        """Runs as JSONL text that `import_runs` takes back exactly."""
        with said():
            return shelf.export_text(uids, viewer_of(request))

    def import_runs(data: str, request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Keep runs from JSONL text made by `export_runs`; gives the uids added and what was refused, line by line."""
        with said():
            if not isinstance(data, str):
                raise BadInput(f"The runs must be given as JSONL text, not {type(data).__name__}.")
            return shelf.import_text(data, viewer_of(request))

    def restore_runs(uids: list[str], request: gr.Request = None) -> int:  # type: ignore[assignment]
        """Take runs of yours out of the bin, all or none: what `undo_branch` and `delete_probe` moved there; gives how
        many. With the answers of a probe, the probe is back too."""
        with said():
            if not isinstance(uids, list) or not all(isinstance(uid, str) for uid in uids):
                raise BadInput("The runs to bring back must be a list of run ids.")
            return workbench.store.runs.restore(uids, viewer=viewer_of(request).name)

    def scores() -> dict:
        """Every score with name, symbol, unit, direction, definition, range, caveat and source."""
        return json.loads(methods_view.methods())

    def strategies() -> list[dict]:
        """Every decoding strategy that `generate` knows: name, meaning, source, the settings that it does not follow,
        and its parameters, each with default (null: may be left out) and bounds; above: the lowest value itself is not
        allowed."""
        return strategy_jobs.listed()

    def my_limits(request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """What is left of your share of the model, before the next call: answers_left of answers in minutes, and
        tokens_left of tokens a day (those that the model reads, in all rows of all passes, and one for every 512 bytes
        of what is brought in); null where there is no
        bound. sentence: as it stands on the page."""
        left = workbench.quotas.remaining(viewer_of(request))
        return {
            "answers_left": left.jobs_left,
            "answers": left.jobs,
            "minutes": left.window_seconds / 60,
            "tokens_left": left.tokens_left,
            "tokens": left.tokens,
            "sentence": left.sentence,
        }

    return list_runs, export_runs, import_runs, restore_runs, scores, strategies, my_limits


def records(documents: Iterator[str]) -> Iterator[dict]:
    """Progress while the document grows, then the record of the run; UserError when nothing came of it."""
    document = ""
    for document in documents:
        yield {"status": "running", "tokens": document.count('\n{"t":')}
    record = record_of(document)
    if "uid" not in record:
        raise UserError(record["problem"])
    yield record


def record_of(document: str) -> dict:
    """A document's lines as one dict a script can use without knowing the wire format."""
    lines = [json.loads(line) for line in document.split("\n") if line]
    head = lines[0] if lines else {}
    if "state" in head:
        return {"status": head["state"], "problem": head["text"], "tokens": []}
    words: dict[str, str] = {}
    branch: dict[str, Any] = {}
    names = [score["name"] for score in head["scores"]]
    tokens, done = [], {}
    for line in lines[1:]:
        words.update(line.get("w", {}))
        branch |= {name: line[name] for name in BRANCH_LINES if name in line}
        if "done" in line:
            done = line
        elif "t" in line:
            tokens.append(
                {
                    "id": line["id"],
                    "text": line["t"],
                    "scores": dict(zip(names, line["s"], strict=True)),
                    "alternatives": [
                        {"id": i, "text": words.get(str(i), ""), "logprob": p} for i, p in line.get("k", [])
                    ],
                    "other_mass": line["r"],
                    "draw": dict(zip(DRAW, line["g"], strict=True)) if "g" in line else None,
                }
            )
    return {
        "uid": done.get("run", head["run"]),
        "status": done.get("status", "running"),
        "finish_reason": done.get("reason", ""),
        "problem": done.get("problem", ""),
        "prompt": head["prompt"],
        "system": head["system"],
        "text": "".join(token["text"] for token in tokens),
        "model": head["model"],
        "settings": head["settings"],
        "seconds": done.get("seconds"),
        "figures": {entry["name"]: entry["value"] for entry in done.get("summary", [])},
        "tokens": tokens,
        "notes": head["notes"],
        "parent": head["parent"],
        "luck": head["luck"],
        "versus": branch.get("versus"),
        "replicates": branch.get("replicates"),
        "children": branch.get("children", []),
    }
