"""The keyed noise is the published one: known answers, prefixes, independence of order, Gumbel law."""

import numpy as np
import pytest
from scipy import stats

from engine import noise

KNOWN_RAW = [0x7062734096A622D9, 0x2A689B984DE514C3, 0xFB785222F6FAC48F, 0x76F3A8D69BC1E6D3]
KNOWN_ROW_3 = [0.194494405, -0.586577992, 4.02554265, 0.265973919, 0.003240245, -1.07150982]
KNOWN_ROW_4 = [-0.34789940, -0.83208957, -0.65586889]


def test_raw_bits_are_the_known_answer():
    assert noise.raw_row(7, 0, 3, 4).tolist() == KNOWN_RAW


def test_gumbel_rows_are_the_known_answer():
    np.testing.assert_allclose(noise.gumbel_row(7, 0, 3, 6), KNOWN_ROW_3, atol=5e-9)
    np.testing.assert_allclose(noise.gumbel_row(7, 0, 4, 3), KNOWN_ROW_4, atol=5e-9)


def test_a_smaller_vocabulary_gets_a_prefix_of_the_larger_ones_row():
    np.testing.assert_array_equal(noise.gumbel_row(1, 2, 3, 10), noise.gumbel_row(1, 2, 3, 1000)[:10])


@pytest.mark.parametrize("other", [(8, 0, 3), (7, 1, 3), (7, 0, 4)])
def test_seed_stream_and_row_each_give_other_noise(other):
    assert not np.array_equal(noise.raw_row(7, 0, 3, 64), noise.raw_row(*other, 64))


def test_largest_seed_works():
    assert np.isfinite(noise.gumbel_row(2**63 - 1, 2 * 10**6, 2**40, 100)).all()


def test_rows_follow_the_gumbel_law_and_not_its_mirror_image():
    sample = noise.gumbel_row(0, 0, 0, 50_000)
    assert stats.kstest(sample, "gumbel_r").pvalue > 0.01
    assert stats.kstest(sample, "gumbel_l").pvalue < 1e-6
