"""From the attention of one position to the row that a chain follows: which earlier tokens it reads from.

After UQAC (Li et al., arXiv 2503.19168, section 3): itself and the sink are left out, near keys are damped, the most
focused heads speak. Pure functions over arrays; does not know networks, tokens or chains.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Reduction = Literal["max", "mean"]

# what is left of the weight of the keys 1 to 10 places before a position
DAMPING = (
    0.16644488, 0.20938152, 0.32959151, 0.46061748, 0.59304059, 0.67549127, 0.73914525, 0.81274293, 0.87378443,
    0.93925344,
)  # fmt: skip
FLOOR = 1e-12


def input_row(weights: np.ndarray, heads: int = 16, reduction: Reduction = "max") -> np.ndarray:
    """The row r of position j: float [j + 1], at least 0, largest at most 1; not made to add up to 1.

    weights: [all layers' heads, j + 1], each row the attention of one head over the keys 0 .. j.
    """
    damped = damp(weights)
    damped /= damped.sum(axis=1, keepdims=True) + FLOOR
    entropy = -(damped * np.log(damped + FLOOR)).sum(axis=1)
    focused = damped[np.argsort(entropy, kind="stable")[:heads]]
    return focused.max(axis=0) if reduction == "max" else focused.mean(axis=0)


def damp(weights: np.ndarray) -> np.ndarray:
    """A copy of [heads, j + 1] without the position itself and the first key, near keys damped."""
    damped = np.array(weights)
    last = damped.shape[1] - 1
    near = min(len(DAMPING), last)
    if near:
        damped[:, last - near : last] *= np.array(DAMPING[:near][::-1], dtype=damped.dtype)
    damped[:, last] = 0.0
    damped[:, 0] = 0.0
    return damped
