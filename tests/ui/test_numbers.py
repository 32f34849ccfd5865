"""A whole number is read alike from a page and a script, and what is none is refused in one sentence."""

import pytest

from engine.errors import BadInput
from ui.numbers import whole


@pytest.mark.parametrize("value", [7, 7.0, "7", " 7 "])
def test_a_whole_number_is_read_from_every_form_it_comes_in(value: object) -> None:
    found = whole("The count", value, 1, 10)
    assert found == 7 and type(found) is int


@pytest.mark.parametrize(
    "value", [0, 11, 7.5, "7.5", "seven", True, [7], float("nan"), float("inf"), 2.0**60, "7" * 30, "", None, "٧", "-"]
)
def test_what_is_none_is_refused_with_value_and_range(value: object) -> None:
    with pytest.raises(BadInput) as refusal:
        whole("The count", value, 1, 10)
    said = str(refusal.value)
    assert said.startswith("The count is ") and said.endswith("; it must be a whole number from 1 to 10.")
    assert len(said) < 200 and said.isascii()
    assert whole("The count", 3, 1, 10) == 3


def test_what_is_missing_is_the_default_where_there_is_one() -> None:
    assert whole("The count", None, 1, 10, 4) == whole("The count", "", 1, 10, 4) == 4
    with pytest.raises(BadInput, match="The count is missing; it must be a whole number of at least 2"):
        whole("The count", None, 2)


def test_bounds_are_read_as_people_write_them_and_may_be_below_zero() -> None:
    assert whole("The shift", "-3", -5, 5) == -3 and whole("The count", 10**12, 0) == 10**12
    with pytest.raises(BadInput, match="is 20000; it must be a whole number from 0 to 10,000"):
        whole("The count", 20_000, 0, 10_000)
    with pytest.raises(BadInput, match=r"is '\\u202e7'"):
        whole("The count", "\u202e7", 0, 10)
