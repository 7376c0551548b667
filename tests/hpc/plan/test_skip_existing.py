from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from hpc.errors import BadInput
from hpc.plan.skip_existing import Remaining, remaining
from hpc.request.tasks_file import TasksFile
from tests.hpc.fakes.clock import Clock
from tests.hpc.fakes.s3 import S3
from tests.hpc.plan.planning import spec

KEPT = "s3://data/default/kept"


def s3(*uris: str) -> S3:
    s3 = S3(Clock())
    for uri in uris:
        s3.put_object(Bucket="data", Key=uri.removeprefix("s3://data/"), Body=b"")
    return s3


def table(folder: Path, header: str, *rows: str) -> TasksFile:
    path = folder / "rows.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return TasksFile(path)


@pytest.mark.parametrize(
    ("there", "left"),
    [
        ([], True),
        ([f"{KEPT}/fit.txt"], True),
        ([f"{KEPT}/fit.txt", f"{KEPT}/log/a/b.txt"], False),
        ([f"{KEPT}/fit.txt", f"{KEPT}/log-2/b.txt"], True),
        ([f"{KEPT}/fit.txt.old", f"{KEPT}/log/a.txt"], True),
    ],
)
def test_one_job_is_left_until_all_its_outputs_exist_a_folder_by_an_object_below_it(
    there: list[str], left: bool
) -> None:
    wanted = spec(outputs=(f"FIT={KEPT}/fit.txt", f"LOG={KEPT}/log/"))
    assert remaining(wanted, s3(*there)) == Remaining(spec=wanted if left else None, skipped=int(not left))


def test_a_folder_is_meant_with_and_without_a_slash_at_its_end() -> None:
    assert remaining(spec(outputs=(f"FIT={KEPT}/fit",)), s3(f"{KEPT}/fit/a")).spec is None
    assert remaining(spec(outputs=(f"FIT={KEPT}/fit/",)), s3(f"{KEPT}/fit")).spec is not None


def test_rows_are_left_whose_fixed_outputs_or_cells_do_not_exist(tmp_path: Path) -> None:
    rows = (f"{name},{KEPT}/log/{name}.txt" for name in "abcdef")
    wanted = spec(
        "fit", "{alpha}", tasks=table(tmp_path, "alpha,--output LOG", *rows), outputs=(f"FIT={KEPT}/fit-{{alpha}}/",)
    )
    fits, logs = [f"{KEPT}/fit-{name}/x" for name in "acdf"], [f"{KEPT}/log/{name}.txt" for name in "abcd"]
    bucket = s3(*fits, *logs)
    assert remaining(wanted, bucket) == Remaining(spec=replace(wanted, only=((1, 1), (4, 5))), skipped=3)
    assert bucket.listed == ["default/kept/"], "what all of them begin with is listed once"


def test_of_the_chosen_rows_alone_some_are_left(tmp_path: Path) -> None:
    wanted = spec(
        tasks=table(tmp_path, "alpha", *"abcdef"), outputs=(f"FIT={KEPT}/{{alpha}}",), only=((3, 5), (0, 1), (1, 1))
    )
    assert remaining(wanted, s3(*(f"{KEPT}/{name}" for name in "bcd"))) == Remaining(
        spec=replace(wanted, only=((0, 0), (4, 5))), skipped=2
    )


def test_nothing_is_left_where_all_exists_and_the_request_is_the_same_where_nothing_does(tmp_path: Path) -> None:
    wanted = spec(tasks=table(tmp_path, "alpha", *"abc"), outputs=(f"FIT={KEPT}/{{alpha}}",))
    assert remaining(wanted, s3(*(f"{KEPT}/{name}" for name in "abc"))) == Remaining(spec=None, skipped=3)
    assert remaining(wanted, s3()) == Remaining(spec=wanted, skipped=0)


def test_an_output_that_is_new_with_every_run_is_refused(tmp_path: Path) -> None:
    for outputs in [(), ("FIT",), (f"FIT={KEPT}/fit", "*.txt")]:
        with pytest.raises(BadInput, match="new with every run"):
            remaining(spec(outputs=outputs), s3())
    with pytest.raises(BadInput, match="a cell of a column --output"):
        remaining(spec(tasks=table(tmp_path, "--output LOG", "a.txt")), s3())
    with pytest.raises(BadInput, match="no output has a destination"):
        remaining(spec(tasks=table(tmp_path, "alpha", "1")), s3())


class Counted(int):
    """A number that counts how often any of its kind is compared."""

    compared: ClassVar[itertools.count[int]]

    def __le__(self, other: int) -> bool:
        next(self.compared)
        return super().__le__(other)

    def __ge__(self, other: int) -> bool:
        next(self.compared)
        return super().__ge__(other)

    def __lt__(self, other: int) -> bool:
        next(self.compared)
        return super().__lt__(other)

    def __gt__(self, other: int) -> bool:
        next(self.compared)
        return super().__gt__(other)


def test_twice_as_many_chosen_rows_are_twice_the_work(tmp_path: Path) -> None:
    def comparisons(count: int) -> int:
        Counted.compared = itertools.count()
        only = tuple((Counted(number), Counted(number)) for number in range(0, 2 * count, 2))
        rows = table(tmp_path, "alpha", *(str(number) for number in range(2 * count)))
        found = remaining(spec(tasks=rows, outputs=(f"FIT={KEPT}/{{alpha}}",), only=only), s3(f"{KEPT}/0"))
        assert found.spec is not None
        assert (found.skipped, found.spec.only) == (1, only[1:])
        return next(Counted.compared)

    assert comparisons(400) < 2.2 * comparisons(200)
