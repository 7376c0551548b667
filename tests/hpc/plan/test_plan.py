from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session
from botocore.validate import validate_parameters
from hypothesis import given
from hypothesis import strategies as st

from hpc.aws.environment import Environment
from hpc.common import run_ids
from hpc.errors import BadInput
from hpc.plan.plan import plan
from hpc.request.dependencies import Parent
from hpc.request.job_spec import Input, JobSpec
from hpc.request.tasks_file import TasksFile
from tests.hpc.plan.planning import RUN_ID, complaints, spec


@pytest.fixture(scope="session")
def submit_job_shape() -> Any:
    return get_session().get_service_model("batch").operation_model("SubmitJob").input_shape


def test_a_plain_job_is_one_request_with_the_queues_definition(environment: Environment) -> None:
    made = plan(spec("python", "-c", "print(1)"), environment, RUN_ID)
    (job,) = made.jobs
    assert job["jobName"] == f"{RUN_ID}-0-python"
    assert job["jobQueue"].endswith("/loosely-coupled")
    assert job["jobDefinition"].endswith("hpc-dev-default-task:3")
    assert job["containerOverrides"]["command"] == ["python", "-c", "print(1)"]
    assert {"name": "HPC_RUN_ID", "value": RUN_ID} in job["containerOverrides"]["environment"]
    assert not {"arrayProperties", "nodeOverrides", "dependsOn", "retryStrategy", "timeout"} & set(job)


def test_every_option_has_its_place_in_the_request(environment: Environment) -> None:
    made = plan(
        spec(
            queue="shared", array=7, vcpus=2, memory_mib=4096, after=("a", "b"), retries=2, timeout_s=120,
            share="team", priority=5, name="big", environment={"A": "1"}, outputs=("OUT",),
        ),
        environment,
        RUN_ID,
    )  # fmt: skip
    (job,) = made.jobs
    assert job["arrayProperties"] == {"size": 7}
    assert job["containerOverrides"]["resourceRequirements"] == [
        {"type": "VCPU", "value": "2"},
        {"type": "MEMORY", "value": "4096"},
    ]
    assert job["dependsOn"] == [{"jobId": "a"}, {"jobId": "b"}]
    assert job["retryStrategy"]["attempts"] == 3
    assert job["timeout"] == {"attemptDurationSeconds": 120}
    assert (job["shareIdentifier"], job["schedulingPriorityOverride"]) == ("team", 5)
    assert (made.request.environment, made.request.outputs) == ({"A": "1"}, ("OUT",))


@pytest.mark.parametrize(("share", "expected"), [(None, "climate"), ("urgent", "urgent")])
def test_in_a_fair_share_queue_a_job_counts_as_its_projects_unless_it_says_otherwise(
    environment: Environment, share: str | None, expected: str
) -> None:
    (job,) = plan(spec(queue="shared", project="climate", share=share), environment, RUN_ID).jobs
    assert job["shareIdentifier"] == expected


def test_elsewhere_a_job_has_no_share(environment: Environment) -> None:
    (job,) = plan(spec(project="climate"), environment, RUN_ID).jobs
    assert "shareIdentifier" not in job


def test_retries_never_repeat_a_duplicate_start(environment: Environment) -> None:
    (job,) = plan(spec(retries=1), environment, RUN_ID).jobs
    assert job["retryStrategy"]["evaluateOnExit"][0] == {"onExitCode": "75", "action": "EXIT"}


def test_the_request_says_whether_the_command_runs_on_every_node(environment: Environment) -> None:
    assert plan(spec(nodes=4, every_node=True), environment, RUN_ID).request.every_node is True
    assert plan(spec(nodes=4), environment, RUN_ID).request.every_node is False


def test_nodes_go_to_the_multi_node_queue_as_node_overrides(environment: Environment) -> None:
    (job,) = plan(spec(nodes=4), environment, RUN_ID).jobs
    assert job["jobQueue"].endswith("/tightly-coupled")
    assert job["jobDefinition"].endswith("mpi:3")
    assert job["nodeOverrides"]["numNodes"] == 4
    assert job["nodeOverrides"]["nodePropertyOverrides"][0]["targetNodes"] == "0:"
    assert "containerOverrides" not in job


def test_a_tasks_file_is_an_array_of_its_rows(environment: Environment, tasks: TasksFile) -> None:
    made = plan(spec("model", "{alpha}", tasks=tasks), environment, RUN_ID)
    assert made.jobs[0]["arrayProperties"] == {"size": 3}
    assert made.request.tasks == 3
    assert made.request.layout.parts == ((0, 3),)
    assert made.jobs[0]["containerOverrides"]["command"] == ["model", "{alpha}"]


def test_a_tasks_file_of_one_row_is_a_plain_job(environment: Environment, tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text("alpha\n1\n")
    made = plan(spec("model", "{alpha}", tasks=TasksFile(path)), environment, RUN_ID)
    assert "arrayProperties" not in made.jobs[0]
    assert (made.request.tasks, made.request.array) == (1, None)


def test_a_tasks_file_beyond_the_largest_array_is_several_jobs_of_one_run(
    environment: Environment, tmp_path: Path
) -> None:
    path = tmp_path / "many.csv"
    path.write_text("alpha\n" + "1\n" * 20_001)
    made = plan(spec("model", "{alpha}", tasks=TasksFile(path)), environment, RUN_ID)
    assert made.request.layout.parts == ((0, 10_000), (10_000, 10_000), (20_000, 1))
    assert [job.get("arrayProperties") for job in made.jobs] == [{"size": 10_000}, {"size": 10_000}, None]
    assert [job["jobName"] for job in made.jobs] == [f"{RUN_ID}-{part}-model" for part in range(3)]
    parts = [{"name": "HPC_PART", "value": str(part)} for part in range(3)]
    assert [part in job["containerOverrides"]["environment"] for part, job in zip(parts, made.jobs, strict=True)]


def test_local_inputs_are_objects_named_by_their_content_each_once(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "mesh" / "sub").mkdir(parents=True)
    (tmp_path / "mesh" / "sub" / "a.dat").write_text("same")
    (tmp_path / "one.dat").write_text("same")
    inputs = (
        Input("MESH", str(tmp_path / "mesh")),
        Input("ONE", str(tmp_path / "one.dat")),
        Input("FAR", "s3://public-data/x/"),
    )
    made = plan(spec(inputs=inputs), environment, RUN_ID)
    content = hashlib.sha256(b"same").hexdigest()
    file, listing = made.uploads
    assert (file.sha256, file.size, file.path) == (content, 4, tmp_path / "mesh" / "sub" / "a.dat")
    assert json.loads(listing.body) == {
        "files": [{"path": "sub/a.dat", "object": content, "size": 4, "executable": False}],
        "empty_folders": [],
    }
    assert [item.to_json() for item in made.request.inputs] == [
        {"name": "FAR", "uri": "s3://public-data/x/"},
        {"name": "MESH", "tree": listing.sha256, "size": 4, "files": 1},
        {"name": "ONE", "object": content, "size": 4, "file": "one.dat"},
    ]


@pytest.mark.parametrize("command", [("x" * 40_000,), ("echo", ""), ("echo", "Ref::alpha"), ("echo", "caf\udce9")])
def test_what_the_api_would_not_pass_on_as_it_is_travels_in_the_request(
    environment: Environment, command: tuple[str, ...]
) -> None:
    made = plan(spec(*command), environment, RUN_ID)
    override = made.jobs[0]["containerOverrides"]
    assert made.request.command == command
    assert {"name": "HPC_COMMAND", "value": "request"} in override["environment"]
    assert override["command"] == ["command:", "see", "request.json"]


def test_a_script_is_an_executable_input_and_the_command_its_arguments(
    environment: Environment, tmp_path: Path
) -> None:
    script = tmp_path / "fit.sh"
    script.write_text("#!/bin/bash\necho $1\n")
    made = plan(JobSpec(command=("{a}", "two words"), script=script), environment, RUN_ID)
    assert made.request.command == ("/bin/sh", "-c", 'exec "$HPC_SCRIPT" "$@"', "fit.sh", "{a}", "two words")
    assert made.request.name == "fit"
    (sent,) = made.request.inputs
    assert (sent.name, sent.file, sent.executable) == ("HPC_SCRIPT", "fit.sh", True)


def test_outputs_are_names_patterns_and_destinations(environment: Environment) -> None:
    outputs = ("A", "B=s3://data/default/kept/b", "out/*.vtk", "result.csv")
    request = plan(spec(outputs=outputs), environment, RUN_ID).request
    assert request.outputs == ("A", "B")
    assert request.destinations == {"B": "s3://data/default/kept/b"}
    assert request.patterns == ("out/*.vtk", "result.csv")


def test_the_hash_tells_requests_apart_by_options_and_by_content(environment: Environment, tmp_path: Path) -> None:
    path = tmp_path / "in.dat"
    path.write_text("1")
    wanted = spec(inputs=(Input("IN", str(path)),))
    first = plan(wanted, environment, RUN_ID).request.sha256
    assert plan(wanted, environment, RUN_ID).request.sha256 == first
    assert plan(replace(wanted, retries=1), environment, RUN_ID).request.sha256 != first
    path.write_text("2")
    assert plan(wanted, environment, RUN_ID).request.sha256 != first


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"queue": "loosley-coupled"}, ["loosely-coupled, on-demand, shared", "did you mean loosely-coupled?"]),
        ({"project": "nobody"}, ["--project nobody", "there is climate, default"]),
        ({"definition": "mpj"}, ["--definition mpj", "did you mean mpi?"]),
        ({"definition": "mpi"}, ["multi-node jobs", "single jobs"]),
        ({"definition": "mpi"}, ["needs 1 EFA devices", "queue loosely-coupled has 0"]),
        ({"array": 1}, ["--array 1", "2 or more", "leave --array out"]),
        ({"name": "my run"}, ["'my run'", "letters, digits, - and _"]),
        ({"name": "x" * 129}, ["129 characters", "at most 100"]),
        ({"nodes": 2, "queue": "loosely-coupled"}, ["--nodes 2", "Spot"]),
        ({"nodes": 2, "queue": "on-demand"}, ["--nodes 2", "runs single jobs"]),
        ({"nodes": 2, "array": 4}, ["--nodes and --array", "no arrays of multi-node jobs"]),
        ({"nodes": 5}, ["--nodes 5", "288 vCPUs", "4 nodes of c5n.18xlarge"]),
        ({"nodes": 0}, ["--nodes 0"]),
        ({"every_node": True}, ["--every-node", "add --nodes N"]),
        ({"queue": "tightly-coupled"}, ["add --nodes N, 1 to 4"]),
        ({"vcpus": 129}, ["--vcpus 129", "has 128", "c6i.32xlarge"]),
        ({"memory_mib": 500_000}, ["488.3 GiB", "471 GiB", "r6i.16xlarge"]),
        ({"vcpus": 128, "memory_mib": 400_000}, ["no instance of queue loosely-coupled has all of it"]),
        ({"gpus": 1}, ["--gpus 1", "at most 0"]),
        ({"timeout_s": 30}, ["30 s", "60 s or more"]),
        ({"retries": 10}, ["--retries 10", "0 to 9"]),
        ({"one_by_one": True}, ["--one-by-one", "single job", "--array or --tasks"]),
        ({"after_each": (Parent(job_id="j", children=3),)}, ["--after-each", "single job"]),
        (
            {"after_each": (Parent(job_id="j", children=3),), "array": 4},
            ["array of 3 children", "array of 4"],
        ),
        ({"on_failure": "some"}, ["--on-failure some", "all, logs, none"]),
        ({"checkpoint_minutes": 0}, ["--checkpoint 0", "1 or more"]),
        ({"signal": "USR9@60"}, ["--signal 'USR9@60'", "as in USR1@60"]),
        ({"signal": "B:USR1@60"}, ["--signal 'B:USR1@60'", "SIGNAL@SECONDS"]),
        ({"signal": "KILL@60"}, ["--signal 'KILL@60'", "that can be caught"]),
        ({"signal": "USR1@0"}, ["--signal 'USR1@0'", "1 to 65,535 seconds"]),
        ({"environment": {"AWS_BATCH_X": "1"}}, ["AWS_BATCH_X", "reserved by AWS Batch"]),
        ({"environment": {"HPC_RUN_ID": "1"}}, ["HPC_RUN_ID", "reserved"]),
        ({"environment": {"A-B": "1"}}, ["'A-B'"]),
        ({"inputs": (Input("IN", "no/such/file"),)}, ["no/such/file", "no such file"]),
        ({"inputs": (Input("IN", "s3://other/key"),)}, ["s3://other/key", "public-data", "read_buckets"]),
        ({"inputs": (Input("IN", "s3://bucket"),)}, ["write s3://bucket/key"]),
        ({"outputs": ("HPC_X",)}, ["'HPC_X'", "letters, digits and _"]),
        ({"outputs": ("/abs/x",)}, ["/abs/x", "relative to the command's working directory"]),
        ({"outputs": ("a/../../x",)}, ["stays in it"]),
        ({"outputs": ("A=out.csv",)}, ["write NAME=s3://bucket/key"]),
        ({"outputs": ("A=s3://other/x",)}, ["write below s3://data/default/ only"]),
        ({"outputs": ("A=s3://data/default/runs/x",)}, ["belong to hpc"]),
        ({"outputs": ("A=s3://data/default/x",), "array": 3}, ["all tasks of --array would write it"]),
        ({"outputs": ("A=s3://data/default/x", "B=s3://data/default/x")}, ["another output goes to"]),
        ({"workdir": Path("no/such/dir")}, ["--workdir no/such/dir", "no such folder"]),
        ({"script": Path("no/such/file")}, ["--script no/such/file", "cannot be read"]),
        ({"script": Path("/etc/hostname")}, ["#!/bin/bash"]),
        ({"environment": {"DB_PASSWORD": "x"}}, ["DB_PASSWORD", "--secret DB_PASSWORD=<its ARN>"]),
        ({"environment": {"K": "AKIA" + "A" * 16}}, ["an AWS access key", "--secret K="]),
        ({"command": ("curl", "-H", "ghp_" + "a" * 36)}, ["word 3", "a GitHub token", "--secret"]),
        ({"outputs": ("OUT", "OUT")}, ["OUT", "taken"]),
        ({"share": "team"}, ["--share", "first in, first out"]),
        ({"queue": "shared"}, ["fair share", "add --share ID"]),
        ({"command": ()}, ["no command given"]),
        ({"command": ("x" * 131_072,)}, ["word 1", "131,072 bytes", "--script FILE"]),
    ],
)
def test_what_cannot_be_right_is_refused_with_what_is_allowed(
    environment: Environment, options: dict[str, Any], words: list[str]
) -> None:
    text = "\n".join(complaints(replace(spec(), **options), environment))
    assert [word for word in words if word not in text] == []


def test_a_column_that_the_tasks_file_lacks_is_named_with_those_it_has(
    environment: Environment, tasks: TasksFile
) -> None:
    (text,) = complaints(spec("model", "{alhpa}", tasks=tasks), environment)
    assert "{alhpa}" in text
    assert "alpha, beta" in text
    assert "did you mean alpha?" in text


def test_all_complaints_come_at_once(environment: Environment) -> None:
    wanted = spec(queue="nope", array=1, name="a b", timeout_s=1, environment={"AWS_BATCH": ""})
    assert len(complaints(wanted, environment)) == 5


def test_an_environment_without_an_image_says_what_to_do(environment: Environment) -> None:
    empty = replace(environment, meta=replace(environment.meta, image=None))
    (text,) = complaints(spec(), empty)
    assert "no image yet" in text
    assert "image_digest=" in text


def test_a_definition_with_an_image_of_its_own_needs_none_of_the_environment(environment: Environment) -> None:
    own = replace(environment.definitions["default", "task"], image="registry.example/tool@sha256:0")
    definitions = {**environment.definitions, ("default", "task"): own}
    empty = replace(environment, meta=replace(environment.meta, image=None), definitions=definitions)
    (job,) = plan(spec(), empty, RUN_ID).jobs
    assert job["jobDefinition"] == own.arn


WORD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=50)


@given(
    command=st.lists(WORD, min_size=1, max_size=5),
    name=st.none() | st.text(max_size=140),
    array=st.none() | st.integers(-5, 20_000),
    nodes=st.none() | st.integers(-5, 2_000),
    retries=st.none() | st.integers(-5, 20),
    timeout_s=st.none() | st.integers(-5, 100_000),
    variables=st.dictionaries(st.text(max_size=8), WORD, max_size=3),
)
def test_every_request_is_refused_in_words_or_is_one_that_the_service_can_take(
    environment: Environment, submit_job_shape: Any, command: list[str], variables: dict[str, str], **options: Any
) -> None:
    try:
        made = plan(JobSpec(command=tuple(command), environment=variables, **options), environment, RUN_ID)
    except BadInput as error:
        assert all(error.complaints)
        return
    job = made.jobs[-1]
    validate_parameters(job, submit_job_shape)
    overrides = job.get("containerOverrides") or job["nodeOverrides"]["nodePropertyOverrides"][0]["containerOverrides"]
    assert overrides["command"] == command
    assert len(job["jobName"]) <= run_ids.MAX_JOB_NAME
    assert json.loads(json.dumps(made.request.to_json())).get("environment", {}) == variables


@pytest.mark.parametrize(("options", "needs"), [({}, None), ({"pack": 2, "array": 4}, "1.2")])
def test_what_images_of_an_older_environment_would_run_wrongly_is_refused_before_it_is_sent(
    environment: Environment, options: dict[str, Any], needs: str | None
) -> None:
    older = replace(environment, meta=replace(environment.meta, version="1.1"))
    if needs is None:
        assert plan(spec(**options), older, RUN_ID).request.needs == "1.0"
        return
    (text,) = complaints(spec(**options), older)
    words = [f"contract {needs}", "environment dev was deployed with 1.1", "make push ENV=dev", "install the hpc-batch"]
    assert [word for word in words if word not in text] == []


def test_complaints_about_reading_and_about_the_request_come_together(environment: Environment) -> None:
    with pytest.raises(BadInput) as caught:
        plan(spec(queue="none"), environment, RUN_ID, complaints=["--only x: no number"])
    assert [text.split()[0] for text in caught.value.complaints] == ["--only", "--queue"]
