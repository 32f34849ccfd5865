"""An attention chain as the store keeps it, a few arrays and a small result, and back; opening one needs no model.

Does not know the store's tables or how a chain is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from engine import token_scores
from engine.attention_chain import AttentionChain, Confidence
from engine.chain_backtrack import Arc
from engine.chain_variants import Variant
from engine.errors import StoreDamaged
from ui.chain_fields import from_plain

SCORE = "score_"


def to_arrays(chain: AttentionChain) -> dict[str, np.ndarray]:
    """Every array of a chain by name."""
    arcs, variants = chain.arcs, chain.variants
    return {
        "positions": np.array(chain.positions, dtype=np.int32),
        "scores": np.asarray(chain.scores, dtype=np.float64),
        "hops": np.asarray(chain.hops, dtype=np.int32),
        "similarity": np.asarray(chain.similarity, dtype=np.float64),
        "kept": np.array(chain.kept, dtype=np.int32),
        "arcs": np.array([[one.source, one.target, one.hop] for one in arcs], dtype=np.int32).reshape(-1, 3),
        "arc_weights": np.array([one.weight for one in arcs], dtype=np.float64),
        "variants": np.array([[one.position, one.token_id] for one in variants], dtype=np.int32).reshape(-1, 2),
        "variant_probabilities": np.array(
            [[one.probability, one.p_answer, one.p_kept] for one in variants], dtype=np.float64
        ).reshape(-1, 3),
        "weights": np.asarray(chain.weights, dtype=np.float64),
        **{f"{SCORE}{name}": values for name, values in chain.token_scores.items()},
    }


def to_result(chain: AttentionChain, text: str, words: Mapping[int, bytes]) -> dict[str, Any]:
    """What is no array. text: the answer's; words: the bytes of every substitute."""
    return {
        "span": list(chain.span),
        "text": text,
        # a number that JSON has not is one that does not exist
        "confidence": {name: value if np.isfinite(value) else None for name, value in asdict(chain.confidence).items()},
        "rows": chain.rows,
        "warnings": list(chain.warnings),
        "words": {str(one.token_id): words[one.token_id].hex() for one in chain.variants},
    }


def from_stored(settings: Mapping[str, Any], result: Mapping[str, Any], arrays: Mapping[str, np.ndarray],
                uid: str) -> AttentionChain:  # fmt: skip
    """The chain again. Raises StoreDamaged for one that was begun and never stored."""
    try:
        known = {name: float("nan") if value is None else value for name, value in result["confidence"].items()}
        pairs = zip(arrays["variants"].tolist(), arrays["variant_probabilities"].tolist(), strict=True)
        arcs = zip(arrays["arcs"].tolist(), arrays["arc_weights"].tolist(), strict=True)
        _check_fits(arrays)
        words_of(result)
        return AttentionChain(
            (int(result["span"][0]), int(result["span"][1])),
            tuple(arrays["positions"].tolist()),
            arrays["scores"],
            arrays["hops"],
            arrays["similarity"],
            tuple(arrays["kept"].tolist()),
            tuple(Arc(source, target, weight, hop) for (source, target, hop), weight in arcs),
            tuple(Variant(position, token_id, *numbers) for (position, token_id), numbers in pairs),
            Confidence(**known),
            token_scores_of(arrays),
            arrays["weights"],
            int(result["rows"]),
            from_plain(settings),
            tuple(result["warnings"]),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise StoreDamaged(f"Analysis {uid} was begun and no chain was stored with it: trace the answer again.") from (
            error
        )


def _check_fits(arrays: Mapping[str, np.ndarray]) -> None:
    """Raises ValueError for arrays that are not of one chain."""
    positions = arrays["positions"]
    if any(len(arrays[name]) != len(positions) for name in ("scores", "hops", "similarity")):
        raise ValueError("not one figure for each position")
    if len(positions) and not 0 <= positions.min() <= positions.max() < len(arrays["weights"]):
        raise ValueError("a position outside the response")


def token_scores_of(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The scores from attention among the arrays of a chain, in the registry's order: name -> float32 [n]."""
    known = [entry.name for entry in token_scores.REGISTRY.values() if entry.reads == "attention"]
    return {name: arrays[SCORE + name] for name in known if SCORE + name in arrays and arrays[SCORE + name].ndim == 1}


def words_of(result: Mapping[str, Any]) -> dict[int, bytes]:
    """The bytes of every substitute."""
    return {int(i): bytes.fromhex(raw) for i, raw in result.get("words", {}).items()}
