"""Compute environments: edits that each trip one rule."""

from __future__ import annotations

from typing import Any

from tests.constructs.rules.relations.cases import trips

CE = "AWS::Batch::ComputeEnvironment"
DEFINITION = "AWS::Batch::JobDefinition"


@trips("HPC001")
def groups_twice(edit: Any) -> None:
    edit.environment("efa")["SecurityGroupIds"] = edit.environment("spot")["SecurityGroupIds"]


@trips("HPC001")
def groups_nowhere(edit: Any) -> None:
    del edit.environment("spot")["SecurityGroupIds"]


@trips("HPC002")
def burstable_type(edit: Any) -> None:
    edit.environment("spot")["InstanceTypes"].append("t3.large")


@trips("HPC003")
def gpu_types_with_the_general_image(edit: Any) -> None:
    edit.environment("ondemand")["InstanceTypes"] = ["g5.8xlarge"]


@trips("HPC003")
def general_types_with_the_gpu_image(edit: Any) -> None:
    edit.environment("spot")["Ec2Configuration"] = [{"ImageType": "ECS_AL2023_NVIDIA"}]


@trips("HPC004")
def role_arn_as_profile(edit: Any) -> None:
    edit.environment("spot")["InstanceRole"] = "arn:aws:iam::123456789012:role/instances"


@trips("HPC004")
def role_as_profile(edit: Any) -> None:
    edit.environment("spot")["InstanceRole"] = {"Fn::GetAtt": [edit.name_of("AWS::IAM::Role", "InstanceRole"), "Arn"]}


@trips("HPC005")
def no_dependency_on_the_policy(edit: Any) -> None:
    del edit.resource(CE, "spot")["DependsOn"]


@trips("HPC006")
def default_version(edit: Any) -> None:
    edit.environment("spot")["LaunchTemplate"]["Version"] = "$Default"


@trips("HPC006")
def no_version(edit: Any) -> None:
    del edit.environment("spot")["LaunchTemplate"]["Version"]


@trips("HPC006")
def version_of_another_template(edit: Any) -> None:
    other = edit.environment("ondemand")["LaunchTemplate"]["Version"]
    edit.environment("spot")["LaunchTemplate"]["Version"] = other


@trips("HPC007")
def no_room_for_one(edit: Any) -> None:
    edit.environment("ondemand").update({"InstanceTypes": ["c7i.48xlarge"], "MaxvCpus": 100})


@trips("HPC008")
def arm_with_x86(edit: Any) -> None:
    edit.environment("spot")["InstanceTypes"].append("c7g")


@trips("HPC009")
def idle_instances(edit: Any) -> None:
    edit.environment("spot")["MinvCpus"] = 192


@trips("HPC009")
def long_delay(edit: Any) -> None:
    edit.environment("spot")["ScalingPolicy"] = {"MinScaleDownDelayMinutes": 600}


@trips("HPC010")
def job_longer_than_the_update_waits(edit: Any) -> None:
    edit.properties(DEFINITION, "task")["Timeout"]["AttemptDurationSeconds"] = 90_000


@trips("HPC010")
def update_ends_jobs(edit: Any) -> None:
    edit.properties(CE, "spot")["UpdatePolicy"]["TerminateJobsOnUpdate"] = True
