"""Promises of packed arrays: every bit comes back, and a changed bit is noticed and named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.errors import BadInput, StoreDamaged
from storage.arrays import DTYPES, RAW, SHUFFLED, PackedArray, pack, unpack
from tests.storage.examples import same_bits

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=7)


def bit_patterns(dtype: str) -> st.SearchStrategy[np.ndarray]:
    """Arrays of any bits at all: for floats also every NaN payload, infinity and denormal."""
    size = np.dtype(dtype).itemsize
    if dtype == "|b1":
        return hnp.arrays(np.bool_, SHAPES)
    return hnp.arrays(f"<u{size}", SHAPES).map(lambda array: array.reshape(-1).view(dtype).reshape(array.shape))


@given(st.sampled_from(DTYPES).flatmap(bit_patterns))
@settings(max_examples=300, deadline=None)
def test_every_bit_of_every_type_and_shape_comes_back(array: np.ndarray) -> None:
    packed = pack(array)
    assert same_bits(unpack(packed, owner="Run x", name="a"), array)
    assert len(packed.data) <= array.nbytes


@given(
    hnp.arrays(np.int64, st.integers(0, 30), elements=st.integers(-(2**63), 2**63 - 1)),
    st.sampled_from([1, 7, 8, 15, 16, 31, 32, 62]),
)
def test_whole_numbers_keep_their_type_and_take_the_smallest_room(array: np.ndarray, bits: int) -> None:
    small = array >> bits
    packed = pack(small)
    assert same_bits(unpack(packed, owner="Run x", name="a"), small)
    if small.size:
        stored = np.iinfo(packed.stored)
        assert stored.min <= small.min() and small.max() <= stored.max
        narrower = [np.iinfo(d) for d in DTYPES[1:9] if np.iinfo(d).bits < stored.bits]
        assert all(not (n.min <= small.min() and small.max() <= n.max) for n in narrower)


def test_infinities_nan_payloads_and_minus_zero_survive() -> None:
    array = np.array([np.nan, -np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-45], dtype=np.float32)
    array.view(np.uint32)[0] = 0x7FC0BEEF
    assert same_bits(unpack(pack(array), owner="Run x", name="a"), array)


def test_big_endian_and_strided_arrays_come_back_with_equal_values() -> None:
    big = np.arange(12, dtype=">f8").reshape(3, 4)[:, ::2]
    back = unpack(pack(big), owner="Run x", name="a")
    assert np.array_equal(back, big) and back.dtype == np.float64


def test_noise_is_kept_raw_and_order_is_squeezed() -> None:
    rng = np.random.default_rng(0)
    assert pack(rng.integers(0, 256, 4000).astype(np.uint8)).codec == RAW
    assert pack(np.arange(4000, dtype=np.int32)).codec == SHUFFLED
    assert len(pack(np.arange(4000, dtype=np.int32)).data) < 4000


@pytest.mark.parametrize("array", [np.array(["text"]), np.array([object()]), np.zeros((1,) * 5), np.zeros(2, complex)])
def test_what_cannot_be_stored_is_refused(array: np.ndarray) -> None:
    with pytest.raises(BadInput):
        pack(array)


def damaged_fields(packed: PackedArray) -> list[PackedArray]:
    """One change in every field, as flipped bytes in a row could make it: other values, other types, nonsense."""
    flipped = bytes([packed.data[0] ^ 1]) + packed.data[1:]
    odd: list[dict[str, object]] = [
        {"data": flipped},
        {"data": packed.data[:-1]},
        {"data": packed.data + b"\0"},
        {"data": b""},
        {"data": None},
        {"data": "text"},
        {"shape": (packed.shape[0] + 1, *packed.shape[1:])},
        {"shape": packed.shape[::-1]},
        {"shape": (2**40, 2**40)},
        {"shape": (-1, 3)},
        {"shape": None},
        {"dtype": "<i4"},
        {"dtype": "<f8"},
        {"dtype": "O"},
        {"dtype": None},
        {"stored": "|u1"},
        {"stored": 7},
        {"codec": RAW if packed.codec == SHUFFLED else SHUFFLED},
        {"codec": "pickle"},
        {"crc32": packed.crc32 ^ 1},
        {"crc32": None},
    ]
    return [replace(packed, **change) for change in odd]  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [lambda rng: rng.random((40, 5)), lambda rng: np.zeros((40, 5))])
def test_any_changed_field_is_named_as_damage(make) -> None:  # type: ignore[no-untyped-def]
    packed = pack(make(np.random.default_rng(1)).astype(np.float32))
    assert unpack(packed, owner="Run x", name="a").shape == (40, 5)
    for changed in damaged_fields(packed):
        with pytest.raises(StoreDamaged, match=r"Run x is damaged: array 'entropy' cannot be read because"):
            unpack(changed, owner="Run x", name="entropy")


@given(st.binary(min_size=0, max_size=200), st.integers(0, 2**32 - 1))
def test_arbitrary_bytes_never_pass_for_an_array(data: bytes, crc32: int) -> None:
    with pytest.raises(StoreDamaged):
        unpack(PackedArray("<f4", "<f4", (10, 7), SHUFFLED, crc32, data), owner="Run x", name="a")


def test_a_bomb_is_not_inflated_beyond_its_declared_size() -> None:
    bomb = pack(np.zeros(2_000_000, dtype=np.float64))
    small = replace(bomb, shape=(4,))
    from storage.arrays import _checksum

    forged = replace(small, crc32=_checksum(small.dtype, small.stored, small.shape, small.codec, small.data))
    with pytest.raises(StoreDamaged, match="length does not match"):
        unpack(forged, owner="Run x", name="a")
