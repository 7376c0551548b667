from __future__ import annotations

from dataclasses import replace

from hpc.aws.environment import Environment
from hpc.plan.plan import plan
from hpc.request.dependencies import Parent
from tests.hpc.plan.planning import RUN_ID, complaints, spec


def test_more_than_twenty_parents_go_through_jobs_that_wait_for_them(environment: Environment) -> None:
    made = plan(spec(after=tuple(f"job-{number}" for number in range(25))), environment, RUN_ID)
    (barrier,), (job,) = made.barriers, made.jobs
    assert barrier["containerOverrides"]["command"] == ["true"]
    assert [item["jobId"] for item in barrier["dependsOn"]] == [f"job-{number}" for number in range(6)]
    assert job["dependsOn"][-1] == {"jobId": barrier["jobName"]}
    assert len(job["dependsOn"]) == 20


def test_the_barriers_of_a_multi_node_job_wait_on_a_queue_of_single_jobs(environment: Environment) -> None:
    made = plan(spec(queue="tightly-coupled", nodes=2, after=("j",) * 21), environment, RUN_ID)
    assert made.barriers[0]["jobQueue"].endswith("/loosely-coupled")
    assert made.barriers[0]["jobDefinition"].endswith("hpc-dev-default-task:3")


def test_without_a_queue_of_single_jobs_twenty_parents_are_the_most(environment: Environment) -> None:
    only = {"tightly-coupled": environment.queues["tightly-coupled"]}
    wanted = spec(queue="tightly-coupled", nodes=2, after=("j",) * 21)
    (complaint,) = complaints(wanted, replace(environment, queues=only))
    assert "21 jobs given" in complaint
    assert "allows 20" in complaint


def test_one_by_one_goes_on_from_part_to_part(environment: Environment) -> None:
    first, second = plan(spec(array=10_002, one_by_one=True, after=("j",)), environment, RUN_ID).jobs
    assert first["dependsOn"] == [{"jobId": "j"}, {"type": "SEQUENTIAL"}]
    assert second["dependsOn"] == [{"jobId": "j"}, {"jobId": first["jobName"]}, {"type": "SEQUENTIAL"}]


def test_each_part_waits_for_the_same_part_of_the_other_run(environment: Environment) -> None:
    parents = (Parent(job_id="a", children=10_000), Parent(job_id="b", children=1))
    first, second = plan(spec(array=10_001, after_each=parents), environment, RUN_ID).jobs
    assert first["dependsOn"] == [{"jobId": "a", "type": "N_TO_N"}]
    assert second["dependsOn"] == [{"jobId": "b"}]
