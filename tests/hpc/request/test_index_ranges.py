from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.request import index_ranges

RANGE = st.tuples(st.integers(0, 200), st.integers(0, 30)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def numbers(found: tuple[tuple[int, int], ...]) -> list[int]:
    return [number for first, last in found for number in range(first, last + 1)]


def test_numbers_and_ranges_are_read() -> None:
    assert index_ranges.parse("3,7,10-12") == ((3, 3), (7, 7), (10, 12))
    assert index_ranges.show(index_ranges.parse("3, 7 ,10-12")) == "3,7,10-12"


@given(st.lists(RANGE, min_size=1, max_size=10))
def test_any_order_and_any_overlap_give_each_number_once_and_in_order(items: list[tuple[int, int]]) -> None:
    found = index_ranges.parse(index_ranges.show(items))
    assert numbers(found) == sorted({number for item in items for number in numbers((item,))})
    assert index_ranges.count(found) == len(numbers(found))
    assert index_ranges.parse(index_ranges.show(found)) == found


@pytest.mark.parametrize("text", ["", "a", "3,", "-1", "1-", "1--2", "3.5", "1:5", "٣", "9" * 12])
def test_what_is_no_range_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write 3,7,10-12"):
        index_ranges.parse(text)


def test_a_range_that_runs_backwards_is_refused() -> None:
    with pytest.raises(ValueError, match="ends before it begins"):
        index_ranges.parse("12-10")


@given(st.text(max_size=20))
def test_no_text_makes_a_traceback(text: str) -> None:
    try:
        assert numbers(index_ranges.parse(text)) == sorted(set(numbers(index_ranges.parse(text))))
    except ValueError as error:
        assert str(error)


@given(st.lists(RANGE, max_size=10))
def test_the_numbers_of_the_ranges_are_selected_and_all_without_ranges(items: list[tuple[int, int]]) -> None:
    merged = index_ranges.merge(items)
    selects, all_of_them = index_ranges.selector(merged), index_ranges.selector(None)
    assert [number for number in range(300) if selects(number)] == numbers(merged)
    assert all(all_of_them(number) for number in range(3))
