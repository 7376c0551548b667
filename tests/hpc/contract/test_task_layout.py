"""Mapping between positions, indexes, parts and children."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.contract.task_layout import Layout, Range
from hpc.plan.run_request import task_layout
from hpc.request.job_spec import JobSpec


@st.composite
def chosen(draw: st.DrawFn) -> tuple[Range, ...]:
    """Draw ranges in ascending order, as parsed from `--only`."""
    steps = draw(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), min_size=1, max_size=8))
    found, at = list[Range](), 0
    for gap, length in steps:
        found.append((at + gap, at + gap + length))
        at += gap + length + 1
    return tuple(found)


@given(only=chosen(), pack=st.integers(1, 7), part=st.integers(1, 40))
def test_every_chosen_number_is_run_by_exactly_one_child(only: tuple[Range, ...], pack: int, part: int) -> None:
    numbers = [number for first, last in only for number in range(first, last + 1)]
    split = tuple((offset, min(part, len(numbers) - offset)) for offset in range(0, len(numbers), part))
    layout = Layout(parts=split, pack=pack, only=only)
    run = {
        layout.index(position): (number, child)
        for number in range(len(split))
        for child in range(layout.children(number))
        for position in layout.positions(number, child)
    }
    assert list(run) == numbers
    assert {index: layout.find(index) for index in numbers} == run
    assert [layout.position(index) for index in numbers] == list(range(len(numbers)))
    assert all(layout.find(index) is None for index in set(range(numbers[-1] + 5)) - set(numbers))


@given(size=st.integers(1, 3_000_000), pack=st.integers(1, 1000))
def test_parts_hold_all_tasks_in_as_few_arrays_as_the_service_takes(size: int, pack: int) -> None:
    layout = task_layout(JobSpec(command=("true",), array=size, pack=pack), None)
    assert sum(length for _, length in layout.parts) == size
    children = [layout.children(part) for part in range(len(layout.parts))]
    assert all(count == 10_000 for count in children[:-1])
    assert 1 <= children[-1] <= 10_000
    assert layout.find(size - 1) == (len(children) - 1, children[-1] - 1)
    assert layout.find(size) is None


@pytest.mark.parametrize(("part", "child"), [(0, 2), (0, -1), (1, 0)])
def test_a_child_that_is_not_there_is_refused(part: int, child: int) -> None:
    with pytest.raises(IndexError):
        Layout(parts=((0, 3),), pack=2).positions(part, child)
