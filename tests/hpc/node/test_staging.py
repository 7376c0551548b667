"""From this machine through the content store into a container: hpc/submit/content_store.py and hpc/node/staging.py."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from hpc.contract.s3_keys import object_key
from hpc.errors import HpcError
from hpc.node.s3 import download
from hpc.plan import local_files
from hpc.plan.local_files import Upload
from hpc.request.job_spec import Input, JobSpec
from hpc.submit import content_store
from tests.hpc.node.conftest import Job

NAMES = ["plain", "two words", "ünï", "$(touch x); 'q\"", "*", "-rf", "new\nline", "deep/er/file", "l" * 255]


def sent(job: Job, spec: JobSpec, name: str) -> dict[str, Any]:
    """Upload the files of a request; return the entry of one input in request.json."""
    files = local_files.find(spec)
    assert list(local_files.check_files(files, spec)) == []
    content = local_files.read(files)
    assert content.complaints == ()
    references = {item.name: item for item in content.inputs}
    reference = content.workdir if name == "workdir" else references[name]
    assert reference is not None
    content_store.send(job.s3, job.bucket, "default", content.uploads, lambda _: None)
    return reference.to_json() | {"name": name}


def test_a_folder_arrives_as_it_was(job: Job, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for number, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(bytes([number]) * number)
    (folder / "plain").chmod(0o755)
    (folder / "empty").mkdir()
    (folder / "link").symlink_to("two words")
    job.ask(inputs=[sent(job, JobSpec(command=(), inputs=(Input("DATA", str(folder)),)), "DATA")])
    program = """import json, os, pathlib
root = pathlib.Path(os.environ["DATA"])
print(json.dumps([[str(p.relative_to(root)), p.is_dir() or [p.read_bytes().hex(), os.access(p, os.X_OK)]]
                  for p in sorted(root.rglob("*"))]))"""
    node = job.start("python", "-c", program)
    assert node.wait() == 0, node.err
    found = dict(json.loads(node.out))
    assert {name: found[name] for name in NAMES} == {
        name: [(bytes([number]) * number).hex(), name == "plain"] for number, name in enumerate(NAMES)
    }
    assert found["link"] == found["two words"]
    assert found["empty"] is True


def test_a_large_file_of_this_machine_arrives_as_it_was(job: Job, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(os.urandom(1 << 20) * (1 + download.LARGE // (1 << 20)))
    reference = sent(job, JobSpec(command=(), inputs=(Input("LARGE", str(path)),)), "LARGE")
    job.ask(inputs=[reference])
    node = job.start("sh", "-c", "sha256sum < $LARGE")
    assert node.wait() == 0, node.err
    assert node.out.split()[0] == reference["object"]


def test_a_damaged_object_is_noticed(job: Job, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("right")
    reference = sent(job, JobSpec(command=(), inputs=(Input("A", str(tmp_path / "a")),)), "A")
    job.write(object_key("default", reference["object"]), "wrong")
    job.ask(inputs=[reference])
    node = job.start("true")
    assert node.wait() == 71
    assert "the content has SHA-256" in node.err


def test_a_disk_without_room_is_noticed_before_anything_is_fetched(job: Job) -> None:
    job.ask(inputs=[{"name": "A", "object": "0" * 64, "file": "a", "size": 1 << 60, "executable": False}])
    node = job.start("true")
    assert node.wait() == 71
    assert "needs 1073741824.00 GiB" in node.err
    assert "root_volume_gib" in node.err


@pytest.mark.parametrize("size", [10, content_store.IN_PARTS + 1])
def test_a_file_that_changed_is_not_stored(job: Job, tmp_path: Path, size: int) -> None:
    path = tmp_path / "growing"
    path.write_bytes(b"b" * size)
    sha256 = hashlib.sha256(b"a" * size).hexdigest()
    with pytest.raises(HpcError, match="growing changed while it was sent"):
        content_store.send(job.s3, job.bucket, "default", [Upload(sha256=sha256, size=size, path=path)], lambda _: None)
    with pytest.raises(ClientError, match="404"):
        job.s3.head_object(Bucket=job.bucket, Key=object_key("default", sha256))


@pytest.mark.parametrize("size", [content_store.IN_PARTS - 1, 3 * content_store.IN_PARTS + 7])
def test_progress_counts_every_byte_also_of_what_is_there_already(job: Job, tmp_path: Path, size: int) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"x" * size)
    upload = Upload(sha256=hashlib.sha256(path.read_bytes()).hexdigest(), size=size, path=path)
    for _ in range(2):
        counts = list[int]()
        content_store.send(job.s3, job.bucket, "default", [upload], counts.append)
        assert sum(counts) == size
    stored = job.s3.get_object(Bucket=job.bucket, Key=object_key("default", upload.sha256))["Body"].read()
    assert hashlib.sha256(stored).hexdigest() == upload.sha256


def test_the_command_runs_in_a_copy_of_the_working_directory_and_patterns_take_what_it_makes(
    job: Job, tmp_path: Path
) -> None:
    work = tmp_path / "my work"
    (work / "out").mkdir(parents=True)
    (work / "out" / "old.vtk").write_text("of an earlier run on this machine")
    (work / "out" / "both.vtk").write_text("old")
    (work / "model.sh").write_text(
        "#!/bin/sh\npwd; echo new > out/both.vtk; echo 1 > out/1.vtk; mkdir -p d; echo 2 > d/x"
    )
    (work / "model.sh").chmod(0o755)
    reference = sent(job, JobSpec(command=(), workdir=work), "workdir")
    job.ask(workdir=reference, patterns=["out/*.vtk", "d/"])
    node = job.start("./model.sh")
    assert node.wait() == 0, node.err
    assert job.keys("outputs/") == ["outputs/0/d/x", "outputs/0/out/1.vtk", "outputs/0/out/both.vtk"]
    assert not Path(node.out.strip()).exists()


def test_a_pattern_that_nothing_new_matches_is_a_missing_output(job: Job) -> None:
    job.ask(patterns=["*.none"])
    node = job.start("true")
    assert node.wait() == 66
    assert "left nothing at *.none in " in node.err


def test_an_output_with_a_destination_is_kept_there(job: Job) -> None:
    where = f"default/kept/{job.run_id}"
    job.ask(
        outputs=["FILE", "FOLDER", "PLAIN"],
        destinations={"FILE": f"s3://data/{where}/a.txt", "FOLDER": f"s3://data/{where}/all/"},
    )
    node = job.start("bash", "-c", "echo 1 > $FILE; mkdir -p $FOLDER/sub; echo 2 > $FOLDER/sub/b; echo 3 > $PLAIN")
    assert node.wait() == 0, node.err
    assert (job.read(f"{where}/a.txt"), job.read(f"{where}/all/sub/b")) == ("1\n", "2\n")
    assert job.keys("outputs/") == ["outputs/0/PLAIN"]


def test_a_command_of_200_kib_arrives_byte_for_byte_through_the_request(job: Job) -> None:
    words = ["", "x" * 100_000, "caf\udce9", "Ref::a", "$HOME 'ünï\n", *(["y z"] * 40_000)]
    program = "import os,sys; open(os.environ['ARGS'],'wb').write(b'\\0'.join(map(os.fsencode, sys.argv[1:])))"
    job.ask(command=["python", "-c", program, *words], outputs=["ARGS"])
    node = job.start("command:", "see", "request.json", HPC_COMMAND="request")
    assert node.wait() == 0, node.err
    stored = job.s3.get_object(Bucket=job.bucket, Key=job.paths.output(0) + "ARGS")["Body"].read()
    assert stored == b"\0".join(word.encode(errors="surrogateescape") for word in words)
