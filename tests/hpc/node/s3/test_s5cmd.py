"""Many small files: s5cmd transfers them, and its reports are verified."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from pathlib import Path
from unittest.mock import patch

import pytest

from hpc.node.s3.client import S3
from hpc.node.s3.download import Source
from hpc.node.s3.s5cmd import MANY, fetch_folder
from tests.hpc.node.conftest import BIN, Job

pytestmark = pytest.mark.slow

COUNT = MANY + 20
ODD = ["two words", "ünï", "$(touch x); 'q\"", "-rf", "deep/er/file", "a\\b", "new\nline"]
LIAR = """#!/usr/bin/env python3
import json, pathlib, sys
uri, target = sys.argv[-2:]
for number in range(%d):
    path = pathlib.Path(target, f"{number:03}")
    if number %% 3:
        path.write_text("x" * number if number %% 2 else "half")
    print(json.dumps({"operation": "cp", "success": True, "source": uri, "destination": str(path)}))
"""


def wrapped(job: Job, folder: Path) -> str:
    """Return a PATH with the real s5cmd in a wrapper that records each call."""
    real = shutil.which("s5cmd", path=str(BIN))
    assert real, "s5cmd is among what `make install` installs"
    return shim(job, folder, f'#!/bin/sh\necho "$@" >> {folder}/called\nexec {real} "$@"\n')


def shim(job: Job, folder: Path, text: str) -> str:
    path = folder / "bin" / "s5cmd"
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return f"{path.parent}:{job.environment()['PATH']}"


def filled(job: Job, prefix: str, odd: list[str]) -> dict[str, str]:
    """Write many objects; return their contents by name."""
    content = {f"{number:03}": "y" * number for number in range(COUNT)} | {name: f"odd {name}" for name in odd}
    for name, text in content.items():
        job.write(f"{prefix}{name}", text)
    return content


PRINT = """import json, os, pathlib
root = pathlib.Path(os.environ["IN"])
print(json.dumps({str(p.relative_to(root)): p.read_text() for p in root.rglob("*") if p.is_file()}))"""


def test_a_folder_of_many_small_objects_arrives_as_it_is(job: Job, tmp_path: Path) -> None:
    prefix = f"shared/{job.run_id}/"
    content = filled(job, prefix, ODD)
    job.ask(inputs=[{"name": "IN", "uri": f"s3://data/{prefix}"}])
    node = job.start("python", "-c", PRINT, PATH=wrapped(job, tmp_path))
    assert node.wait() == 0, node.err
    assert json.loads(node.out) == content
    assert f"cp s3://data/{prefix}*" in (tmp_path / "called").read_text()
    assert job.status()["phases"]["stage_in"]["files"] == len(content)


def test_what_s5cmd_did_not_do_well_is_fetched_anew(job: Job, tmp_path: Path) -> None:
    prefix = f"shared/{job.run_id}/"
    content = filled(job, prefix, [])
    job.ask(inputs=[{"name": "IN", "uri": f"s3://data/{prefix}"}])
    node = job.start("python", "-c", PRINT, PATH=shim(job, tmp_path, LIAR % COUNT))
    assert node.wait() == 0, node.err
    assert json.loads(node.out) == content


def test_an_object_whose_name_is_a_folder_of_others_is_told_in_words(job: Job, tmp_path: Path) -> None:
    prefix = f"shared/{job.run_id}/"
    filled(job, prefix, ["deep", "deep/er"])
    job.ask(inputs=[{"name": "IN", "uri": f"s3://data/{prefix}"}])
    node = job.start("true", PATH=wrapped(job, tmp_path))
    assert node.wait() == 71
    assert f"{prefix}deep to " in node.err
    assert "Traceback" not in node.err


def test_where_etags_are_no_md5s_every_object_is_checked_by_what_s3_answers(job: Job, tmp_path: Path) -> None:
    prefix = f"shared/{job.run_id}/"
    content = filled(job, prefix, [])
    sources = [
        Source(bucket="data", key=prefix + name, path=tmp_path / name, size=len(text), etag="0" * 32)
        for name, text in content.items()
    ]  # as they are where a key of KMS encrypts
    with patch.dict(os.environ, job.environment(PATH=wrapped(job, tmp_path))):
        assert fetch_folder(S3(), f"s3://data/{prefix}", tmp_path, sources) == sources
    assert not (tmp_path / "called").exists()


def test_a_folder_of_the_content_store_keeps_its_names(job: Job, tmp_path: Path) -> None:
    files, content = [], {}
    for name in [*(f"{number:03}" for number in range(COUNT)), *ODD]:
        content[name] = f"content of {name}"
        sha256 = hashlib.sha256(content[name].encode()).hexdigest()
        job.write(f"default/objects/{sha256}", content[name])
        files.append({"path": name, "object": sha256, "size": len(content[name].encode()), "executable": False})
    listing = json.dumps({"files": files, "empty_folders": []})
    tree = hashlib.sha256(listing.encode()).hexdigest()
    job.write(f"default/objects/{tree}", listing)
    job.ask(inputs=[{"name": "IN", "tree": tree}])
    node = job.start("python", "-c", PRINT, PATH=wrapped(job, tmp_path))
    assert node.wait() == 0, node.err
    assert json.loads(node.out) == content
    assert "run " in (tmp_path / "called").read_text()


def test_many_small_outputs_are_stored_under_their_names(job: Job, tmp_path: Path) -> None:
    job.ask()
    names = [*(f"{number:03}" for number in range(COUNT)), *ODD]
    program = f"""import os, pathlib
for name in {names!r}:
    path = pathlib.Path(os.environ["HPC_OUTPUT_DIR"], name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(name)"""
    node = job.start("python", "-c", program, PATH=wrapped(job, tmp_path))
    assert node.wait() == 0, node.err
    assert sorted(job.keys("outputs/")) == sorted(f"outputs/0/{name}" for name in names)
    for name in (*names[:3], *ODD):
        assert job.read(job.paths.output(0) + name) == name
    assert " cp " in (tmp_path / "called").read_text()


def test_where_s5cmd_fails_the_outputs_are_stored_all_the_same(job: Job, tmp_path: Path) -> None:
    job.ask()
    script = f"for n in $(seq {COUNT}); do echo $n > $HPC_OUTPUT_DIR/$n; done"
    node = job.start("bash", "-c", script, PATH=shim(job, tmp_path, "#!/bin/sh\nexit 1\n"))
    assert node.wait() == 0, node.err
    assert len(job.keys("outputs/")) == COUNT


@pytest.mark.parametrize(("own", "told"), [({}, "400 64MiB"), ({"GOGC": "50"}, "50 64MiB")])
def test_its_memory_has_a_bound_that_the_container_can_change(
    job: Job, tmp_path: Path, own: dict[str, str], told: str
) -> None:
    job.ask()
    script = f"for n in $(seq {COUNT}); do echo $n > $HPC_OUTPUT_DIR/$n; done"
    path = shim(job, tmp_path, f"#!/bin/sh\necho $GOGC $GOMEMLIMIT > {tmp_path}/told\nexit 1\n")
    node = job.start("bash", "-c", script, PATH=path, **own)
    assert node.wait() == 0, node.err
    assert (tmp_path / "told").read_text().strip() == told
