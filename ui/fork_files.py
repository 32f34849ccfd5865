"""The raw draws of a forking analysis as a file, JSON lines or Parquet: a line a draw, and what was asked above them.

Texts stay data: what is no Unicode (half a character, a lone surrogate) becomes the replacement character. Files are
written in parts of a few draws. Does not know the store or who may read what.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from engine.errors import BadInput, UserError
from engine.fork_analysis import ForkingReport
from engine.outcomes import extractor
from engine.types import Trace
from ui.fork_fields import to_plain

if TYPE_CHECKING:
    import pyarrow

Kind = Literal["jsonl", "parquet"]
FORMAT, VERSION = "forklore-draws", 1
# draws that are held in memory at a time, and in a Parquet row group
PART = 500
NOT_WRITTEN = (
    "The file could not be written into the temporary folder ({}): free some space there, or start the app with "
    "another TMPDIR."
)


def write_draws(run: str, uid: str, trace: Trace, report: ForkingReport, kind: str) -> Path:
    """Write the draws to a new file among those that the page hands out and forgets after a while.

    Raises BadInput for an unknown kind, or where nothing was drawn, UserError where the file cannot be written.
    """
    if kind not in get_args(Kind):
        raise BadInput(f"Draws are exported as {' or '.join(get_args(Kind))}, not as {str(kind)[:40]!a}.")
    if not report.count:
        raise BadInput("This analysis has no draws yet: there is nothing to export.")
    name = re.sub(r"[^A-Za-z0-9-]", "_", uid)[:64]
    about, rows = header(run, uid, trace, report), draw_rows(run, uid, report)
    folder = None
    try:
        folder = passing_folder()
        target = folder / f"forklore-draws-{name}.{kind}"
        (_write_jsonl if kind == "jsonl" else _write_parquet)(target, about, rows)
    except OSError as error:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        raise UserError(NOT_WRITTEN.format(error.strerror or error)) from error
    return target


def header(run: str, uid: str, trace: Trace, report: ForkingReport) -> dict[str, Any]:
    """What was asked of which model and answer; branches: [position, token id, probability, is_base, outcome] of all of
    them, the outcome only of those where it is known without a draw."""
    plan, card = report.plan, trace.model
    settings = plan.settings
    entry = extractor(settings.extractor, settings.parameter)
    certain = _certain(report)
    return cleaned(
        {
            "format": FORMAT,
            "version": VERSION,
            "run": run,
            "analysis": uid,
            "draws": report.count,
            "settings": to_plain(settings),
            "extractor_version": entry.version,
            # as text: it may need 63 bits
            "seed": str(settings.seed),
            "model": {
                "name": card.name,
                "repo": card.repo,
                "revision": card.revision,
                "dtype": card.dtype,
                "quantization": card.quantization,
                "tokenizer_hash": card.tokenizer_hash,
            },
            "prompt": trace.prompt,
            "system": trace.system,
            "answer_ids": list(plan.base),
            "answer": report.draws.text_of(plan.base),
            "ends_itself": plan.ends_itself,
            "max_tokens": plan.max_tokens,
            "branches": [
                [
                    site.position,
                    int(token_id),
                    float(probability),
                    place == 0,
                    certain.get((site.position, int(token_id))),
                ]
                for site in plan.sites
                for place, (token_id, probability) in enumerate(zip(site.token_ids, site.probabilities, strict=True))
            ],
        }
    )


def draw_rows(run: str, uid: str, report: ForkingReport) -> Iterator[dict[str, Any]]:
    """One row a draw, in the order in which they came to their end."""
    settings, draws = report.plan.settings, report.draws
    names = draws.labels(settings.extractor, settings.parameter)
    entry = extractor(settings.extractor, settings.parameter)
    sites = {site.position: site for site in report.plan.sites}
    for one, name in zip(draws.rollouts[: report.count], names[: report.count], strict=True):
        site = sites.get(one.position)
        chances = dict(zip(site.token_ids.tolist(), site.probabilities.tolist(), strict=True)) if site else {}
        yield cleaned(
            {
                "run": run,
                "analysis": uid,
                "position": one.position,
                "token_id": one.token_id,
                "token": draws.words.get(one.token_id, b"").decode("utf-8", "replace"),
                "probability": chances.get(one.token_id),
                "kept_mass": site.kept_mass if site else None,
                "is_base": site is not None and one.token_id == int(site.token_ids[0]),
                "draw": one.draw,
                "ids": list(one.ids),
                "response": draws.text(one),
                "continuation": draws.text_of(one.ids),
                "ending": one.ending,
                "close": one.close,
                "extractor": settings.extractor,
                "extractor_version": entry.version,
                "extractor_parameter": settings.parameter,
                "outcome": name,
            }
        )


def _certain(report: ForkingReport) -> dict[tuple[int, int], str]:
    """What branches come to that need no draw: an end of turn, and the answer's own end."""
    table = report.branches
    if table is None:
        return {}
    return {
        (int(table.positions[i]), int(table.token_ids[i])): table.labels[int(table.counts[i].argmax())]
        for i in table.certain.nonzero()[0]
    }


def cleaned(value: Any) -> Any:
    """The value with every text made Unicode that can be written; ids and numbers are as they were."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {cleaned(name): cleaned(inner) for name, inner in value.items()}
    # lists of ids are long: only those that may hold a text are looked through
    if isinstance(value, (list, tuple)) and any(isinstance(inner, (str, list, tuple, dict)) for inner in value):
        return [cleaned(inner) for inner in value]
    return value


def passing_folder() -> Path:
    """A new folder where the page hands files out from and clears up after a day; nobody can guess its name."""
    whole = os.environ.get("GRADIO_TEMP_DIR") or str(Path(tempfile.gettempdir()) / "gradio")
    folder = Path(whole).resolve() / f"export-{secrets.token_hex(16)}"
    folder.mkdir(parents=True, mode=0o700)
    return folder


def _write_jsonl(target: Path, about: dict[str, Any], rows: Iterable[dict[str, Any]]) -> None:
    with target.open("w", encoding="ascii", newline="\n") as file:
        for row in chain([about], rows):
            file.write(json.dumps(row, allow_nan=False) + "\n")


def _write_parquet(target: Path, about: dict[str, Any], rows: Iterable[dict[str, Any]]) -> None:
    import pyarrow.parquet

    # a text as it is, anything else as JSON
    said = {name: value if isinstance(value, str) else json.dumps(value) for name, value in about.items()}
    shape = schema().with_metadata(said)
    rows = iter(rows)
    with pyarrow.parquet.ParquetWriter(target, shape, compression="zstd") as writer:
        while part := list(islice(rows, PART)):
            writer.write_table(pyarrow.Table.from_pylist(part, schema=shape))


def schema() -> pyarrow.Schema:
    """The columns of a Parquet file of draws."""
    import pyarrow as pa

    text, number = pa.string(), pa.int32()
    columns = {
        "run": text, "analysis": text, "position": number, "token_id": number, "token": text,
        "probability": pa.float64(), "kept_mass": pa.float64(), "is_base": pa.bool_(), "draw": number,
        "ids": pa.list_(pa.int32()), "response": text, "continuation": text, "ending": text, "close": number,
        "extractor": text, "extractor_version": number, "extractor_parameter": text, "outcome": text,
    }  # fmt: skip
    return pa.schema(list(columns.items()))
