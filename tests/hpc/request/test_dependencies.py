from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hpc.request.dependencies import Parent, barriers, depends_on, resolved

RUN_ID = "20261122-173355-k3v9qz"


def ids(count: int) -> tuple[str, ...]:
    return tuple(f"job-{number}" for number in range(count))


def test_twenty_parents_need_no_barrier() -> None:
    assert barriers(ids(20), RUN_ID) == ([], list(ids(20)))


def test_one_parent_too_many_needs_one_barrier_for_two() -> None:
    (barrier,), waiting = barriers(ids(21), RUN_ID)
    assert (barrier.name, barrier.after) == (f"{RUN_ID}-after-0", ("job-0", "job-1"))
    assert waiting == [*ids(21)[2:], barrier.name]


@given(count=st.integers(0, 2000), most=st.integers(1, 20))
def test_barriers_stand_for_every_parent_once_and_never_wait_for_more_than_twenty(count: int, most: int) -> None:
    made, waiting = barriers(ids(count), RUN_ID, most=most)
    by_name = {barrier.name: barrier.after for barrier in made}

    def behind(name: str) -> list[str]:
        return [job for item in by_name[name] for job in behind(item)] if name in by_name else [name]

    assert sorted(job for item in waiting for job in behind(item)) == sorted(ids(count))
    assert len(waiting) <= most
    assert all(2 <= len(after) <= 20 for after in by_name.values())


@given(count=st.integers(21, 2000))
def test_there_is_no_barrier_more_than_needed(count: int) -> None:
    made, _ = barriers(ids(count), RUN_ID)
    assert len(made) == -(-(count - 20) // 19)


@given(count=st.integers(21, 2000))
def test_a_barrier_waits_only_for_barriers_that_are_submitted_before_it(count: int) -> None:
    made, _ = barriers(ids(count), RUN_ID)
    known = set(ids(count))
    for barrier in made:
        assert known.issuperset(barrier.after)
        known.add(barrier.name)


def test_each_child_waits_for_the_child_of_the_same_number() -> None:
    assert depends_on(["a"], Parent(job_id="b", children=7), one_by_one=False) == [
        {"jobId": "a"},
        {"jobId": "b", "type": "N_TO_N"},
    ]


def test_a_single_job_waits_for_a_single_job_plainly() -> None:
    assert depends_on([], Parent(job_id="b", children=1), one_by_one=False) == [{"jobId": "b"}]


def test_one_by_one_is_a_dependency_without_a_job() -> None:
    assert depends_on([], None, one_by_one=True) == [{"type": "SEQUENTIAL"}]


def test_names_of_jobs_become_their_ids_when_these_are_known() -> None:
    job = {
        "jobName": "b",
        "dependsOn": [{"jobId": "a"}, {"jobId": "0b1b9c1e", "type": "N_TO_N"}, {"type": "SEQUENTIAL"}],
    }
    assert resolved(job, {"a": "id of a"})["dependsOn"] == [
        {"jobId": "id of a"},
        {"jobId": "0b1b9c1e", "type": "N_TO_N"},
        {"type": "SEQUENTIAL"},
    ]
