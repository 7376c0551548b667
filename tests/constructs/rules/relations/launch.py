"""Launch templates: edits that each trip one rule."""

from __future__ import annotations

import json
from typing import Any

from tests.constructs.rules.relations.cases import trips

CE = "AWS::Batch::ComputeEnvironment"


@trips("HPC011")
def plain_script(edit: Any) -> None:
    edit.launch("spot")["UserData"] = {"Fn::Base64": "#!/bin/bash\nyum install -y htop"}


@trips("HPC012")
def newest_installer(edit: Any) -> None:
    parts = edit.launch("efa")["UserData"]["Fn::Base64"]["Fn::Join"][1]
    parts[-2] = {"Fn::Base64": "curl -O https://efa-installer.amazonaws.com/aws-efa-installer-latest.tar.gz"}


@trips("HPC013")
def small_root_volume(edit: Any) -> None:
    edit.launch("spot")["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] = 30


@trips("HPC013")
def no_root_volume(edit: Any) -> None:
    edit.launch("spot")["BlockDeviceMappings"][0]["DeviceName"] = "/dev/sdf"


@trips("HPC014")
def key_without_auto_scaling(edit: Any) -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "kms:*"}
    policy = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": "*"}]}
    key = edit.add("Key", "AWS::KMS::Key", CE, KeyPolicy=policy, EnableKeyRotation=True)
    edit.launch("spot")["BlockDeviceMappings"][0]["Ebs"]["KmsKeyId"] = key


@trips("HPC015")
def half_of_the_cpu_options(edit: Any) -> None:
    edit.launch("efa")["CpuOptions"] = {"ThreadsPerCore": 1}


@trips("HPC015")
def cpu_options_on_bare_metal(edit: Any) -> None:
    edit.environment("ondemand")["InstanceTypes"] = ["c7i.metal-48xl"]
    edit.launch("ondemand")["CpuOptions"] = {"CoreCount": 96, "ThreadsPerCore": 1}


def user_data_without(edit: Any, text: str) -> None:
    """Remove a text from an instance's scripts, wherever it is in the joined parts."""
    before = edit.launch("spot")["UserData"]
    after = json.loads(json.dumps(before).replace(json.dumps(text)[1:-1], ""))
    assert after != before
    edit.launch("spot")["UserData"] = after


@trips("HPC017")
def metadata_open_to_tasks(edit: Any) -> None:
    user_data_without(edit, "ECS_AWSVPC_BLOCK_IMDS=true")


@trips("HPC017")
def metadata_open_to_users(edit: Any) -> None:
    user_data_without(edit, "! --uid-owner 0")


@trips("HPC017")
def agent_that_does_not_wait_for_the_rule(edit: Any) -> None:
    user_data_without(edit, "ExecStartPre=/bin/bash /usr/local/lib/hpc/close-imds")
