"""Keyed Gumbel noise, version philox4x64-v1: one row of noise per (seed, stream, row).

Any row can be made again on any machine, in any order, so the store keeps seed, stream and row numbers
and never the noise. Does not know models, tokens or what a row is used for.
Source: the Gumbel-Max causal model of arXiv 2409.17027 and 2411.07180; Philox of Salmon et al., SC 2011.
"""

from __future__ import annotations

import numpy as np

# streams below are those of runs, their fresh lucks and replicates; posterior draws and other strategies lie above
HINDSIGHT_STREAMS = 10**6


def raw_row(seed: int, stream: int, row: int, vocabulary: int) -> np.ndarray:
    """Uniform 64-bit integers of one row: uint64 [vocabulary].

    seed, stream, row: in [0, 2^64). A row for a smaller vocabulary is a prefix of the row for a larger one.
    """
    return np.random.Philox(key=[seed, stream], counter=[0, row, 0, 0]).random_raw(vocabulary)


def log_exponential_row(seed: int, stream: int, row: int, vocabulary: int) -> np.ndarray:
    """log E with E ~ Exp(1), float64 [vocabulary]; the Gumbel noise is its negative.

    Kept apart because argmin(log E - a) is the race that `sampling` runs, without another pass for the sign.
    """
    raw = raw_row(seed, stream, row, vocabulary)
    np.right_shift(raw, 12, out=raw)
    u = raw.astype(np.float64)
    u += 0.5
    u *= 2.0**-52
    np.log(u, out=u)
    np.negative(u, out=u)
    return np.log(u, out=u)


def gumbel_row(seed: int, stream: int, row: int, vocabulary: int) -> np.ndarray:
    """Independent Gumbel(0, 1) noise of one row: float64 [vocabulary]."""
    return -log_exponential_row(seed, stream, row, vocabulary)
