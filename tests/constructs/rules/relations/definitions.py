"""Job definitions: edits that each trip one rule."""

from __future__ import annotations

from typing import Any

from tests.constructs.rules.relations.cases import trips

DEFINITION = "AWS::Batch::JobDefinition"
POLICY = "AWS::IAM::ManagedPolicy"


@trips("HPC050")
def log_group_from_nowhere(edit: Any) -> None:
    edit.container("task")["LogConfiguration"]["Options"]["awslogs-group"] = "/hpc/jobs"


@trips("HPC051")
def instances_may_not_write_logs(edit: Any) -> None:
    statements = edit.properties(POLICY, "InstanceRole")["PolicyDocument"]["Statement"]
    statements[:] = [item for item in statements if item["Sid"] != "WriteLogs"]


@trips("HPC105")
def image_by_tag(edit: Any) -> None:
    edit.container("task")["Image"] = "public.ecr.aws/docker/library/busybox:latest"


@trips("HPC105")
def own_image_by_tag(edit: Any) -> None:
    parts = edit.container("mpi")["Image"]["Fn::Join"][1]
    parts[-1] = ":v1"


@trips("HPC120")
def no_final_exit(edit: Any) -> None:
    edit.properties(DEFINITION, "task")["RetryStrategy"]["EvaluateOnExit"].pop()


@trips("HPC120")
def final_rule_with_a_condition(edit: Any) -> None:
    edit.properties(DEFINITION, "mpi")["RetryStrategy"]["EvaluateOnExit"][-1]["OnExitCode"] = "1"


@trips("HPC121")
def small_shared_memory(edit: Any) -> None:
    del edit.container("mpi")["LinuxParameters"]["SharedMemorySize"]


@trips("HPC122")
def hundreds_of_secrets(edit: Any) -> None:
    arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:licences-AbCdEf:licence"
    edit.container("task")["Secrets"] = [
        {"Name": f"KEY_{index}", "ValueFrom": f"{arn}{index}::"} for index in range(220)
    ]


@trips("HPC124")
def facts_that_jobs_may_change(edit: Any) -> None:
    (mount,) = [item for item in edit.container("task")["MountPoints"] if item["SourceVolume"] == "run-hpc"]
    mount["ReadOnly"] = False
