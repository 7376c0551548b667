"""Documents that clients and images of contracts 1.0 and 1.1 wrote, kept unchanged in `samples/`, are still read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hpc.contract.claim import Claim, Lease
from hpc.contract.run_request import FolderListing, RunRequest, check_readable
from hpc.contract.task_status import TaskStatus

SAMPLES = Path(__file__).with_name("samples")
REQUESTS = sorted(SAMPLES.glob("*/*/request.json"))
CHANGED: dict[str, dict[str, Any]] = {
    "1.0/input": {"outputs": (), "inputs": ("IN",)},
    "1.0/output": {"outputs": ("OUT",)},
    "1.0/sweep": {"tasks": 3, "array": 3},
    "1.1/input": {"inputs": ("IN",)},
    "1.1/on_failure": {"on_failure": "none"},
    "1.1/only": {"only": ((2, 2),), "tasks": 1},
    "1.1/pack": {"pack": 2, "tasks": 3},
    "1.1/role": {"tasks": 3},
    "1.1/workdir": {"workdir": "--workdir"},
}


def name(path: Path) -> str:
    return "/".join(path.relative_to(SAMPLES).parts[:2])


@pytest.mark.parametrize("path", REQUESTS, ids=name)
def test_a_request(path: Path) -> None:
    raw = json.loads(path.read_text())
    check_readable(raw)
    request = RunRequest.from_json(raw)
    found = {
        "inputs": tuple(item.name for item in request.inputs),
        "pack": request.layout.pack,
        "only": request.layout.only,
        "workdir": request.workdir and request.workdir.name,
    }
    expected = CHANGED[name(path)]
    assert {key: found[key] if key in found else getattr(request, key) for key in expected} == expected
    same = ("run_id", "project", "name", "queue", "kind", "vcpus", "memory_mib", "gpus", "sha256", "submitted_by")
    assert {key: getattr(request, key) for key in same} == {key: raw[key] for key in same}
    assert list(request.command) == raw["command"]
    assert [size for _, size in request.layout.parts] == [part["size"] for part in raw["parts"]]


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*/*/status/*")), ids=name)
def test_a_status(path: Path) -> None:
    for line in path.read_text().splitlines():
        raw, status = json.loads(line), TaskStatus.from_json(json.loads(line))
        assert (status.index, status.exit_code, status.job_id) == (raw["index"], raw["exit_code"], raw["job_id"])
        assert [(item.key, item.size) for item in status.outputs] == [(o["key"], o["size"]) for o in raw["outputs"]]


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*/*/leases/0/*")), ids=name)
def test_a_claim_or_lease(path: Path) -> None:
    kind = Claim if path.name == "job" else Lease
    found = kind.from_bytes(path.read_bytes())
    assert found.job_id
    assert found.job_id.startswith("11111111-")


def test_a_listing() -> None:
    listing = FolderListing.from_bytes((SAMPLES / "1.1" / "workdir" / "listing.json").read_bytes())
    assert [(file.path, file.size, file.executable) for file in listing.files] == [("f", 5, False)]


def test_every_sample_is_read_by_a_test() -> None:
    assert {name(path) for path in REQUESTS} == set(CHANGED)
