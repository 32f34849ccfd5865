"""Makes the example runs that ship with the project: `python -m assets.make_examples`.

Runs the embedded model through the project's own engine and writes assets/examples.zip in the export format.
Prompts, seeds and titles stand here; everything else in the file was produced by the model.
"""

from __future__ import annotations

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
from ui.examples import EXAMPLES, OWNER, example_uid

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
)  # fmt: skip


def main() -> None:
    model = load_model("embedded")
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "examples.db") as store:
        uids = []
        for number, example in enumerate(CATALOGUE):
            trace = example.trace(model)
            uid = store.runs.add(
                trace,
                owner=OWNER,
                title=example.title,
                status=STATUS[trace.finish_reason],
                run_scores=run_scores.compute(trace),
                uid=example_uid(number + 1),
                created_at=FIRST + timedelta(minutes=number),
            )
            uids.append(uid)
            print(f"{uid}: {len(trace)} tokens, {trace.finish_reason}: {trace.answer[:90]!r}")
        lines = "".join(line.rstrip("\n") + "\n" for line in transfer.export_runs(store, uids, viewer=OWNER))
    with zipfile.ZipFile(EXAMPLES, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(zipfile.ZipInfo("examples.jsonl", date_time=(2026, 1, 1, 0, 0, 0)), lines, zipfile.ZIP_DEFLATED)
    print(f"{EXAMPLES}: {EXAMPLES.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
