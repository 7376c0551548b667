from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.contract.run_request import (
    ON_FAILURE,
    FolderListing,
    InputReference,
    ListedFile,
    RunRequest,
    Signal,
    VersionMismatch,
    check_readable,
)
from hpc.contract.task_layout import Layout
from hpc.contract.version import OLD_IMAGES_REFUSE, VERSION, is_newer

WORDS = st.text(max_size=8)
NAMES = st.text("ABC_", min_size=1, max_size=4)
SHA256 = st.text("0123456789abcdef", min_size=64, max_size=64)
COUNTS = st.integers(0, 10**12)
PAIRS = st.dictionaries(NAMES, WORDS, max_size=3)


def references(names: st.SearchStrategy[str]) -> st.SearchStrategy[InputReference]:
    return st.one_of(
        st.builds(InputReference, name=names, uri=st.just("s3://bucket/key/")),
        st.builds(InputReference, name=names, object=SHA256, file=NAMES, executable=st.booleans(), size=COUNTS),
        st.builds(InputReference, name=names, tree=SHA256, size=COUNTS, files=COUNTS),
    )


def tuples(items: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, max_size=3).map(tuple)


def optional(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | items


LAYOUTS = st.builds(
    Layout,
    parts=st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=3).map(tuple),
    pack=st.integers(1, 1000),
    only=optional(st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=3).map(tuple)),
)
REQUESTS = st.builds(
    RunRequest,
    run_id=WORDS, project=WORDS, name=WORDS, queue=WORDS, definition=WORDS, kind=WORDS, command=tuples(WORDS),
    layout=LAYOUTS, vcpus=COUNTS, memory_mib=COUNTS, gpus=COUNTS, tasks=optional(COUNTS), array=optional(COUNTS),
    nodes=optional(COUNTS), inputs=tuples(references(NAMES)), outputs=tuples(NAMES), environment=PAIRS,
    image=optional(WORDS), own_definition=optional(WORDS), slots_per_node=optional(COUNTS), every_node=st.booleans(),
    workdir=optional(references(st.just("--workdir"))), destinations=PAIRS, patterns=tuples(WORDS),
    column_roles=tuples(WORDS), on_failure=st.sampled_from(ON_FAILURE), checkpoint_minutes=optional(COUNTS),
    signal=optional(st.builds(Signal, name=NAMES, before_s=COUNTS)), timeout_s=optional(COUNTS), sha256=WORDS,
    submitted_by=WORDS, submitted_at=WORDS, client=WORDS,
)  # fmt: skip
PLAIN = RunRequest(
    run_id="r", project="p", name="n", queue="q", definition="d", kind="single", command=("true",),
    layout=Layout(parts=((0, 1),)), vcpus=1, memory_mib=512, gpus=0,
)  # fmt: skip
NEWER: dict[str, Any] = {
    "slots_per_node": 2, "every_node": True, "workdir": InputReference(name="--workdir", tree="0" * 64),
    "destinations": {"A": "s3://b/k"}, "patterns": ("*.vtk",), "column_roles": ("--setenv",), "on_failure": "none",
    "checkpoint_minutes": 5, "signal": Signal(name="SIGUSR1", before_s=60),
    "inputs": (InputReference(name="A", object="0" * 64, file="a"),),
    "layout": Layout(parts=((0, 2),), pack=2),
}  # fmt: skip


@given(request=REQUESTS)
def test_a_request_is_read_as_it_was_written(request: RunRequest) -> None:
    raw = json.loads(json.dumps(request.to_json()))
    check_readable(raw)
    assert RunRequest.from_json(raw) == request


@given(request=REQUESTS)
def test_keys_of_a_later_contract_are_ignored(request: RunRequest) -> None:
    assert RunRequest.from_json(request.to_json() | {"later": {"a": 1}}) == request


@given(
    files=tuples(st.builds(ListedFile, path=WORDS, object=SHA256, size=COUNTS, executable=st.booleans())),
    empty=tuples(WORDS),
)
def test_a_listing_is_read_as_it_was_written(files: tuple[ListedFile, ...], empty: tuple[str, ...]) -> None:
    listing = FolderListing(files=files, empty_folders=empty)
    assert FolderListing.from_bytes(listing.to_bytes()) == listing


def test_a_plain_request_runs_on_images_of_the_first_contract() -> None:
    said = PLAIN.to_json()
    assert (said["needs"], said["version"], said["contract"]) == ("1.0", VERSION, VERSION)


@pytest.mark.parametrize("field", NEWER)
def test_what_older_images_would_silently_leave_out_makes_them_refuse(field: str) -> None:
    said = replace(PLAIN, **{field: NEWER[field]}).to_json()
    assert (said["needs"], said["version"]) == ("1.2", OLD_IMAGES_REFUSE)
    major_of_old_images = 1  # contract 1.0 and 1.1 refuse a request by `int(major) > 1` alone
    assert int(said["version"].partition(".")[0]) > major_of_old_images


def test_every_field_is_of_the_first_contract_or_says_since_when_it_is_known() -> None:
    """A new field needs `_since` with a new version, or older images ignore it silently."""
    first = {
        "run_id", "project", "name", "queue", "definition", "kind", "command", "layout", "vcpus", "memory_mib", "gpus",
        "tasks", "array", "nodes", "inputs", "outputs", "environment", "sha256", "submitted_by", "submitted_at",
        "client", "image", "own_definition", "timeout_s",
    }  # fmt: skip
    since = {field.name: field.metadata.get("since") for field in fields(RunRequest)}
    assert {name for name, version in since.items() if version is None} == first
    assert not any(is_newer(version) for version in since.values() if version)
    known_in_1_2 = {name for name, version in since.items() if version == "1.2"}
    assert known_in_1_2 == {*NEWER} - {"inputs", "layout"}


@pytest.mark.parametrize(
    "raw", [{"version": "2.0", "needs": "1.3"}, {"version": "1.3", "needs": "1.10"}, {"version": "2.0"}]
)
def test_an_image_refuses_what_needs_a_newer_one_and_names_both_ways_out(raw: dict[str, Any]) -> None:
    with pytest.raises(VersionMismatch) as caught:
        check_readable(raw | {"client": "hpc 0.3.0"})
    words = [str(raw.get("needs", "2.0")), VERSION, "hpc 0.3.0", "make push", "hpc-batch that the image was built from"]
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(("version", "needs"), [("1.0", None), ("1.1", None), ("2.0", "1.2"), ("1.9", "1.0")])
def test_an_image_takes_what_it_runs_right(version: str, needs: str | None) -> None:
    check_readable({"version": version} | ({"needs": needs} if needs else {}))


def test_the_digest_is_of_what_was_asked_and_not_of_who_asks_with_which_client() -> None:
    again = replace(PLAIN, submitted_by="ana", submitted_at="now", client="hpc 9.9.9", sha256="x")
    assert again.digest() == PLAIN.digest()
    assert replace(PLAIN, vcpus=2).digest() != PLAIN.digest()
    assert PLAIN.digest("other") != PLAIN.digest()


def test_the_digest_does_not_change_with_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `--once` run that a newer client continues is the same request."""
    before = PLAIN.digest()
    monkeypatch.setattr("hpc.contract.run_request.VERSION", "1.99")
    assert PLAIN.digest() == before


@pytest.mark.parametrize("raw", [{}, {"uri": "s3://b/k", "object": "0" * 64}])
def test_an_input_without_exactly_one_content_is_refused(raw: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="one of uri, object and tree"):
        InputReference.from_json(raw, "DATA")
