"""Queues: edits that each trip one rule."""

from __future__ import annotations

from typing import Any

from tests.constructs.rules.relations.cases import trips

CE = "AWS::Batch::ComputeEnvironment"
QUEUE = "AWS::Batch::JobQueue"


def put_first(edit: Any, queue: str, environment: str) -> None:
    name = edit.name_of(CE, f"Environments{environment}")
    order = edit.properties(QUEUE, queue)["ComputeEnvironmentOrder"]
    order[0]["ComputeEnvironment"] = {"Fn::GetAtt": [name, "ComputeEnvironmentArn"]}


def ask(edit: Any, definition: str, kind: str, amount: int) -> None:
    requirements = edit.container(definition)["ResourceRequirements"]
    requirements[:] = [item for item in requirements if item["Type"] != kind]
    requirements.append({"Type": kind, "Value": str(amount)})


@trips("HPC040")
def four_environments(edit: Any) -> None:
    order = edit.properties(QUEUE, "looselycoupled")["ComputeEnvironmentOrder"]
    order.extend([{**order[0], "Order": 3}, {**order[0], "Order": 4}])


@trips("HPC041")
def arm_after_x86(edit: Any) -> None:
    edit.environment("spot")["InstanceTypes"] = ["default_arm64"]


@trips("HPC042")
def spot_in_a_multi_node_queue(edit: Any) -> None:
    put_first(edit, "tightlycoupled", "spot")
    edit.container("mpi")["LinuxParameters"].pop("Devices")


@trips("HPC043")
def room_for_one_node_of_two(edit: Any) -> None:
    edit.environment("efa")["MaxvCpus"] = 143


@trips("HPC044")
def all_memory_of_the_type(edit: Any) -> None:
    ask(edit, "mpi", "MEMORY", 192 * 1024)


@trips("HPC045")
def more_vcpus_than_there_are(edit: Any) -> None:
    ask(edit, "mpi", "VCPU", 73)


@trips("HPC045")
def hyperthreads_off(edit: Any) -> None:
    edit.launch("efa")["CpuOptions"] = {"CoreCount": 36, "ThreadsPerCore": 1}


@trips("HPC046")
def gpus_without_gpus(edit: Any) -> None:
    ask(edit, "task", "GPU", 1)


@trips("HPC047")
def one_device_too_many(edit: Any) -> None:
    devices = edit.container("mpi")["LinuxParameters"]["Devices"]
    devices.append({**devices[0], "HostPath": "/dev/infiniband/uverbs1"})


@trips("HPC047")
def efa_definition_on_a_plain_queue(edit: Any) -> None:
    devices = edit.container("mpi")["LinuxParameters"]["Devices"]
    edit.container("task")["LinuxParameters"]["Devices"] = devices


@trips("HPC048")
def definition_of_another_kind(edit: Any) -> None:
    parameter = edit.properties("AWS::SSM::Parameter", "queuestightlycoupled")
    parts = parameter["Value"]["Fn::Join"][1]
    parts[-1] = parts[-1].replace('"multi-node"', '"single"')


@trips("HPC049")
def policy_that_nobody_knows(edit: Any) -> None:
    arn = "arn:aws:batch:us-east-1:123456789012:scheduling-policy/fair"
    edit.properties(QUEUE, "ondemand")["SchedulingPolicyArn"] = arn


@trips("HPC049")
def fair_share_without_a_policy(edit: Any) -> None:
    parameter = edit.properties("AWS::SSM::Parameter", "queuesondemand")
    parts = parameter["Value"]["Fn::Join"][1]
    parts[-1] = parts[-1].replace('"fair_share": false', '"fair_share": true')


@trips("HPC052")
def no_limit_for_a_blocked_queue(edit: Any) -> None:
    del edit.properties(QUEUE, "ondemand")["JobStateTimeLimitActions"]
