from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.units import parse_duration_s, parse_memory_mib, show_mib, show_seconds


@pytest.mark.parametrize(
    ("text", "mib"), [("512", 512), ("512MiB", 512), ("4GiB", 4096), ("4 gb", 4096), ("1.5G", 1536), ("2T", 2097152)]
)
def test_memory_sizes_are_parsed_in_common_units(text: str, mib: int) -> None:
    assert parse_memory_mib(text) == mib


@pytest.mark.parametrize("text", ["", "GiB", "4XB", "-1", "4GiB4", "1e3"])
def test_text_that_is_not_a_memory_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="4GiB"):
        parse_memory_mib(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("7d", 604800)]
)
def test_durations_are_parsed_in_common_units(text: str, seconds: int) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "2 hours", "1:30", "-5m", "2h!", "²"])
def test_text_that_is_not_a_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="1h30m"):
        parse_duration_s(text)


@given(st.text())
def test_any_text_is_either_parsed_or_refused_with_a_message(text: str) -> None:
    for parse in (parse_memory_mib, parse_duration_s):
        try:
            assert parse(text) >= 0
        except ValueError as error:
            assert "write" in str(error)


@given(st.integers(min_value=1, max_value=10_000_000))
def test_a_shown_memory_size_is_read_back_within_its_rounding(mib: int) -> None:
    assert parse_memory_mib(show_mib(mib)) == pytest.approx(mib, abs=52)


def test_durations_are_shown_short() -> None:
    assert [show_seconds(s) for s in (0.84, 45, 125, 11520, 200000)] == ["0.8s", "45s", "2m 05s", "3h 12m", "2d 7h"]
