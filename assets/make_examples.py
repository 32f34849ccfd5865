"""Makes the example runs that ship with the project: `python -m assets.make_examples`.

Runs the embedded model through the project's own engine and writes assets/examples.zip in the export format.
Prompts, seeds and titles stand here; everything else in the file was produced by the model. Runs that the file has
already stay as they are, bit for bit; `--anew` makes all of them, for a new edition.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine import run_scores
from engine.generate import run
from engine.models import LanguageModel, load_model
from engine.scoring import score_text
from engine.types import GenerationRequest, Trace
from storage import transfer
from storage.database import Store
from ui.actions import STATUS
from ui.examples import EXAMPLES, OWNER, RUNS, example_uid

FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Example:
    """One example: a request, or a text to score when `text` is given."""

    title: str
    request: GenerationRequest
    text: str | None = None

    def trace(self, model: LanguageModel) -> Trace:
        if self.text is not None:
            return score_text(model, self.request.prompt or None, self.text)
        return run(model, self.request)


CATALOGUE: tuple[Example, ...] = (
    Example(
        "17 sheep",
        GenerationRequest(
            "A farmer has 17 sheep and buys 25 more, then sells 9. How many sheep does he have now? Explain briefly.",
            temperature=0.7, top_p=0.95, seed=2, max_new_tokens=160,
        ),
    ),
    Example(
        "Capital of Australia",
        GenerationRequest("What is the capital of Australia? Answer in one short sentence.", temperature=0.0),
    ),
    Example(
        "A physicist who never lived",
        GenerationRequest(
            "Who was the physicist Elvira Tanoski, and what did she discover?",
            temperature=0.8, top_p=0.95, seed=3, max_new_tokens=120,
        ),
    ),
    Example(
        "Animals of the sea",
        GenerationRequest("Name three animals that live in the sea.", temperature=0.8, seed=1, max_new_tokens=80),
    ),
    Example(
        "A lighthouse, at temperature 1",
        GenerationRequest("Write the opening paragraph of a novel set in a lighthouse.", seed=7, max_new_tokens=140),
    ),
    Example(
        "Two slips in a given text",
        GenerationRequest("Tell me about the Eiffel Tower."),
        "The Eiffel Tower stands in the centre of Berlin. It was finished in 1889 and is made of iron, "
        "and every year some seven million bananas visit it.",
    ),
    Example(
        "36 rolls",
        GenerationRequest(
            "A baker bakes 36 rolls and sells 14 of them. How many rolls are left? Show the calculation in one line.",
            temperature=0.0, max_new_tokens=64,
        ),
    ),
)  # fmt: skip


def main(anew: bool) -> None:
    lines = {} if anew else known_lines()
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "examples.db") as store:
        missing = [number for number in range(1, len(CATALOGUE) + 1) if example_uid(number) not in lines]
        model = load_model("embedded") if missing else None
        for number in missing:
            assert model is not None
            uid = make(store, number, model)
            _, line = transfer.export_runs(store, [uid], viewer=OWNER)
            lines[uid] = line
    uids = [example_uid(number) for number in range(1, len(CATALOGUE) + 1)]
    manifest = json.dumps({"format": transfer.FORMAT, "version": transfer.VERSION, "runs": len(uids)})
    whole = "".join(line.rstrip("\n") + "\n" for line in (manifest, *(lines[uid] for uid in uids)))
    with zipfile.ZipFile(EXAMPLES, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(zipfile.ZipInfo(RUNS, date_time=(2026, 1, 1, 0, 0, 0)), whole, zipfile.ZIP_DEFLATED)
    print(f"{EXAMPLES}: {EXAMPLES.stat().st_size / 1024:.0f} KB")


def known_lines() -> dict[str, str]:
    """The runs that the file has, by uid."""
    with zipfile.ZipFile(EXAMPLES) as packed:
        _, *runs = packed.read(RUNS).decode("utf-8").rstrip("\n").split("\n")
    return {json.loads(line)["uid"]: line for line in runs}


def make(store: Store, number: int, model: LanguageModel) -> str:
    """Produce the n-th example, from 1, and return its uid."""
    example = CATALOGUE[number - 1]
    trace = example.trace(model)
    uid = store.runs.add(
        trace,
        owner=OWNER,
        title=example.title,
        status=STATUS[trace.finish_reason],
        run_scores=run_scores.compute(trace),
        uid=example_uid(number),
        created_at=FIRST + timedelta(minutes=number - 1),
    )
    print(f"{uid}: {len(trace)} tokens, {trace.finish_reason}: {trace.answer[:90]!r}")
    return uid


if __name__ == "__main__":
    main(anew="--anew" in sys.argv[1:])
