"""How a bias probe is kept: its plan as settings, the answers of one run number and all effects as JSON bytes.

Pure translation there and back; does not know the store, the model or the page.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine.errors import BadInput
from engine.outcomes import extractor
from engine.probe import Cell, ProbePlan
from engine.probe_effects import VERSION, Effect, Estimate
from engine.types import GenerationRequest

EFFECTS = "effects"
UID_CHARS = 24
# the runs of a probe's first so many answers are kept
MOST_KEPT_RUNS = 400


@dataclass(frozen=True)
class KeptCell:
    """An answer of a probe and the run it is stored as, "" where it is not."""

    cell: Cell
    uid: str = ""


def plan_settings(plan: ProbePlan, key: str = "") -> dict[str, Any]:
    """The plan as a JSON object, with the version of the field's extractor; key: see `answer_uid`."""
    return asdict(plan) | {"field_version": extractor(plan.field, plan.parameter).version, "key": key}


def answer_uid(key: str, run: int, value: int) -> str:
    """The uid of the run of one answer: the same at every attempt, so that none is kept twice.

    key: random and never shown, for whoever knows the uid of a run may open it once it is unlisted.
    """
    return hashlib.sha256(f"{key} {run} {value}".encode()).hexdigest()[:UID_CHARS]


def answer_uids(settings: Mapping[str, Any]) -> list[str]:
    """The uids that the runs of a probe have or would have; none for a probe kept before they followed from a key."""
    key, values = str(settings.get("key") or ""), len(settings.get("values", ()))
    if not key or not values:
        return []
    kept = min(MOST_KEPT_RUNS, int(settings.get("runs", 0)) * values)
    return [answer_uid(key, *divmod(at, values)) for at in range(kept)]


def plan_of(settings: Mapping[str, Any]) -> ProbePlan:
    """The plan that `plan_settings` wrote. Raises BadInput when its field is read differently by now."""
    raw = {name: value for name, value in settings.items() if name != "key"}
    version = raw.pop("field_version")
    request = GenerationRequest(**{**raw.pop("request"), "stop": tuple(settings["request"]["stop"])})
    plan = ProbePlan(**{**raw, "values": tuple(raw["values"]), "request": request})
    now = extractor(plan.field, plan.parameter)
    if now.version != version:
        raise BadInput(
            f"This probe read the field '{now.label}' by an older rule (version {version}, now {now.version}): "
            "run it again."
        )
    return plan


def array_name(run: int) -> str:
    """Under which name the answers of run number `run` are kept."""
    return f"run-{run:03}"


def pack_cells(cells: Sequence[KeptCell]) -> np.ndarray:
    """Answers as UTF-8 JSON: uint8 [bytes]."""
    return _packed([asdict(kept) for kept in cells])


def unpack_cells(array: np.ndarray) -> list[KeptCell]:
    """The answers that `pack_cells` wrote."""
    return [KeptCell(Cell(**{**one["cell"], "ids": tuple(one["cell"]["ids"])}), one["uid"]) for one in _unpacked(array)]


def pack_effects(effects: Sequence[Effect], answers: int) -> np.ndarray:
    """The effects of so many answers, as `EFFECTS` keeps them: uint8 [bytes]."""
    return _packed({"version": VERSION, "answers": answers, "effects": [asdict(effect) for effect in effects]})


def unpack_effects(array: np.ndarray, answers: int) -> tuple[Effect, ...] | None:
    """The effects that `pack_effects` wrote, None where they are of other answers or were made by other rules."""
    kept = _unpacked(array)
    if (kept["version"], kept["answers"]) != (VERSION, answers):
        return None
    numbers = ("changed", "difference")
    return tuple(Effect(**{**one, **{name: Estimate(**one[name]) for name in numbers}}) for one in kept["effects"])


def _packed(value: Any) -> np.ndarray:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return np.frombuffer(text.encode("utf-8"), dtype=np.uint8)


def _unpacked(array: np.ndarray) -> Any:
    return json.loads(array.tobytes().decode("utf-8"))
