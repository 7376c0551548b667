"""Compute environments, launch templates and queues, and how they fit each other."""

import base64
import re
from typing import Any

import pytest

from hpc_constructs.config.sizing import instance_types

KIND = "AWS::Batch::ComputeEnvironment"
UPDATABLE = {"BEST_FIT_PROGRESSIVE", "SPOT_CAPACITY_OPTIMIZED", "SPOT_PRICE_CAPACITY_OPTIMIZED"}


def environments(stacks: Any) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Name in the configuration, properties, ComputeResources."""
    names = stacks.environment.compute_environments
    assert len(stacks.compute.of(KIND)) == len(names)
    found = [(name, stacks.compute_environment(name)) for name in names]
    return [(name, item, item["ComputeResources"]) for name, item in found]


def test_all_are_updated_in_place(stacks: Any) -> None:
    for name, item, resources in environments(stacks):
        assert item["ReplaceComputeEnvironment"] is False, name
        assert not {"ComputeEnvironmentName", "Tags", "ServiceRole"} & set(item), name
        assert resources["AllocationStrategy"] in UPDATABLE, name


def test_a_running_job_survives_an_update(stacks: Any) -> None:
    for _, item, _ in environments(stacks):
        assert item["UpdatePolicy"]["TerminateJobsOnUpdate"] is False
        longest = max(definition.timeout_s for definition in stacks.environment.definitions.values())
        assert item["UpdatePolicy"]["JobExecutionTimeoutMinutes"] == min(-(-longest // 60), 7200)


def test_desired_vcpus_are_batchs_own(stacks: Any) -> None:
    assert not any("DesiredvCpus" in resources for _, _, resources in environments(stacks))


def test_spot_is_bought_by_price_and_capacity_and_needs_no_fleet_role(stacks: Any) -> None:
    resources = stacks.compute_environment("spot")["ComputeResources"]
    assert (resources["Type"], resources["AllocationStrategy"]) == ("SPOT", "SPOT_PRICE_CAPACITY_OPTIMIZED")
    assert not {"SpotIamFleetRole", "BidPercentage"} & set(resources)


def test_on_demand_is_type_ec2(stacks: Any) -> None:
    resources = stacks.compute_environment("on-demand")["ComputeResources"]
    assert (resources["Type"], resources["AllocationStrategy"]) == ("EC2", "BEST_FIT_PROGRESSIVE")


def test_loosely_coupled_work_may_run_in_all_zones(stacks: Any) -> None:
    for name in ("spot", "on-demand"):
        resources = stacks.compute_environment(name)["ComputeResources"]
        assert len(resources["Subnets"]) == stacks.environment.network.zone_count
        assert "PlacementGroup" not in resources


def test_a_placement_group_means_one_subnet_the_efa_subnet(stacks: Any) -> None:
    for name, _, resources in environments(stacks):
        if "PlacementGroup" in resources:
            (subnet,) = resources["Subnets"]
            assert "PrivateSubnet1" in subnet["Fn::ImportValue"], name
            group = stacks.compute.resources[resources["PlacementGroup"]["Ref"]]
            assert group["Properties"]["Strategy"] == "cluster"


def test_every_efa_environment_has_a_placement_group(stacks: Any) -> None:
    efa = [
        resources for name, _, resources in environments(stacks) if stacks.environment.compute_environments[name].efa
    ]
    assert efa
    assert all("PlacementGroup" in resources for resources in efa)


def test_security_groups_are_on_the_interfaces_or_on_the_environment_never_on_both(stacks: Any) -> None:
    for name, _, resources in environments(stacks):
        interfaces = stacks.launch_template_of(name).get("NetworkInterfaces", [])
        assert bool(interfaces) != bool(resources.get("SecurityGroupIds")), name
        assert bool(interfaces) == stacks.environment.compute_environments[name].efa, name
        assert "SecurityGroupIds" not in resources or resources["SecurityGroupIds"]


def test_every_efa_interface_is_in_the_nodes_group_and_the_egress_group(stacks: Any) -> None:
    for name in stacks.environment.compute_environments:
        for interface in stacks.launch_template_of(name).get("NetworkInterfaces", []):
            groups = [reference["Fn::ImportValue"] for reference in interface["Groups"]]
            assert len(groups) == 2
            assert any("Nodes" in group for group in groups)
            assert any("Egress" in group for group in groups)
            assert not {"AssociatePublicIpAddress", "SubnetId"} & set(interface)


def test_efa_interfaces_are_as_many_as_the_type_takes_and_leave_the_task_a_slot(stacks: Any) -> None:
    for name, settings in stacks.environment.compute_environments.items():
        if not settings.efa:
            continue
        (instance,) = instance_types(settings)
        interfaces = stacks.launch_template_of(name)["NetworkInterfaces"]
        assert sum(item["InterfaceType"] == "efa" for item in interfaces) == instance.efa_interfaces
        on_first_card = [item for item in interfaces if item["NetworkCardIndex"] == 0]
        assert instance.enis_per_card[0] - len(on_first_card) >= 1


def test_an_efa_launch_template_serves_one_environment_only(stacks: Any) -> None:
    used = [resources["LaunchTemplate"]["LaunchTemplateId"]["Ref"] for _, _, resources in environments(stacks)]
    assert len(set(used)) == len(used)


def test_multi_node_without_efa_has_the_nodes_group_on_the_environment(wide: Any) -> None:
    plain = wide.compute_environment("plain")["ComputeResources"]
    assert any("Nodes" in reference["Fn::ImportValue"] for reference in plain["SecurityGroupIds"])
    spot = wide.compute_environment("spot")["ComputeResources"]
    assert not any("Nodes" in reference["Fn::ImportValue"] for reference in spot["SecurityGroupIds"])


def test_amazon_linux_2023_with_the_nvidia_driver_where_there_are_gpus(stacks: Any) -> None:
    for name, _, resources in environments(stacks):
        gpus = instance_types(stacks.environment.compute_environments[name])[0].gpus
        expected = "ECS_AL2023_NVIDIA" if gpus else "ECS_AL2023"
        (image,) = resources["Ec2Configuration"]
        assert image["ImageType"] == expected, name


def test_an_image_of_ones_own_takes_the_place_of_awss(wide: Any) -> None:
    for name, settings in wide.environment.compute_environments.items():
        (image,) = wide.compute_environment(name)["ComputeResources"]["Ec2Configuration"]
        assert image.get("ImageIdOverride") == settings.image_id, name
    assert wide.environment.compute_environments["arm"].image_id


def test_an_update_of_the_instances_brings_the_newest_image(stacks: Any) -> None:
    assert all(resources["UpdateToLatestImageVersion"] is True for _, _, resources in environments(stacks))


def test_a_new_day_for_images_shows_on_every_compute_environment(synthesized: Any) -> None:
    first, second = synthesized("ami_refresh: 2026-11-22"), synthesized("ami_refresh: 2026-12-22")
    for (name, _, before), (_, _, after) in zip(environments(first), environments(second), strict=True):
        assert before["Tags"].pop("hpc:launch-template") != after["Tags"].pop("hpc:launch-template"), name
        assert before == after, name


def test_idle_instances_are_kept_only_where_the_configuration_says_so(wide: Any) -> None:
    for name, _, resources in environments(wide):
        delay = wide.environment.compute_environments[name].scale_down_delay_minutes
        assert resources.get("ScalingPolicy") == ({"MinScaleDownDelayMinutes": delay} if delay else None), name
    assert wide.compute_environment("gpu")["ComputeResources"]["ScalingPolicy"]


def test_instance_types_are_those_of_the_configuration_and_no_others(stacks: Any) -> None:
    for name, _, resources in environments(stacks):
        assert resources["InstanceTypes"] == list(stacks.environment.compute_environments[name].instance_types)


def test_the_launch_template_is_used_at_its_latest_version_by_number(stacks: Any) -> None:
    for _, _, resources in environments(stacks):
        template = resources["LaunchTemplate"]["LaunchTemplateId"]["Ref"]
        assert resources["LaunchTemplate"]["Version"] == {"Fn::GetAtt": [template, "LatestVersionNumber"]}
        assert re.fullmatch(r"[0-9a-f]{12}", resources["Tags"]["hpc:launch-template"])


def test_instances_have_a_profile_whose_rights_outlive_them(stacks: Any) -> None:
    for key, item in stacks.compute.resources.items():
        if item["Type"] != KIND:
            continue
        profile, attribute = item["Properties"]["ComputeResources"]["InstanceRole"]["Fn::GetAtt"]
        resources = stacks.compute.resources
        assert (resources[profile]["Type"], attribute) == ("AWS::IAM::InstanceProfile", "Arn")
        role = resources[profile]["Properties"]["Roles"][0]["Ref"]
        policies = [
            name
            for name, policy in stacks.compute.of("AWS::IAM::ManagedPolicy").items()
            if {"Ref": role} in policy.get("Roles", [])
        ]
        assert policies
        assert set(policies) <= set(item["DependsOn"]), key


def test_every_instance_has_imds_v2_only_and_a_large_encrypted_root_volume(stacks: Any) -> None:
    for name, settings in stacks.environment.compute_environments.items():
        data = stacks.launch_template_of(name)
        assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
        (device,) = data["BlockDeviceMappings"]
        assert device["DeviceName"] == "/dev/xvda"
        assert device["Ebs"] == {
            "VolumeType": "gp3",
            "VolumeSize": settings.root_volume_gib,
            "Iops": settings.root_volume_iops,
            "Throughput": settings.root_volume_throughput_mib_s,
            "Encrypted": True,
            "DeleteOnTermination": True,
        }
        assert settings.root_volume_gib >= 100


def test_launch_templates_hold_nothing_that_batch_ignores(stacks: Any) -> None:
    for name in stacks.environment.compute_environments:
        data = stacks.launch_template_of(name)
        assert not {
            "InstanceType",
            "IamInstanceProfile",
            "InstanceMarketOptions",
            "SecurityGroupIds",
            "CpuOptions",
        } & set(data)


def resolved(value: Any) -> str:
    """Do what CloudFormation does: join, and encode what asks for it."""
    match value:
        case str():
            return value
        case {"Fn::Join": [separator, parts]}:
            return separator.join(resolved(part) for part in parts)
        case {"Fn::Base64": inner}:
            return base64.b64encode(resolved(inner).encode()).decode()
    raise AssertionError(value)


def scripts(stacks: Any, name: str) -> str:
    """Text of the user data's scripts."""
    outer = base64.b64decode(resolved(stacks.launch_template_of(name)["UserData"])).decode()
    assert outer.startswith('Content-Type: multipart/mixed; boundary="')
    assert "MIME-Version: 1.0" in outer
    bodies = re.findall(r"base64\n\n([A-Za-z0-9+/=]+)\n", outer)
    return "\n".join(base64.b64decode(body).decode() for body in bodies)


def test_user_data_closes_the_metadata_service_to_tasks(stacks: Any) -> None:
    for name in stacks.environment.compute_environments:
        assert "ECS_AWSVPC_BLOCK_IMDS=true" in scripts(stacks, name)


def test_user_data_loads_the_efa_driver_where_there_is_efa(stacks: Any) -> None:
    for name, settings in stacks.environment.compute_environments.items():
        assert ("modprobe efa" in scripts(stacks, name)) == settings.efa
        hosts = set(re.findall(r"https?://([a-z0-9.-]+)", scripts(stacks, name)))
        assert hosts <= {"docs.aws.amazon.com", "169.254.169.254"}, "nothing is downloaded at boot"


def test_every_instance_has_a_scratch_folder_and_its_own_disks_where_asked_for(stacks: Any) -> None:
    for name, settings in stacks.environment.compute_environments.items():
        text = scripts(stacks, name)
        assert "mkdir -p /scratch && chmod 1777 /scratch" in text
        assert ("NVMe Instance Storage" in text) == (settings.scratch == "instance-store"), name


def test_the_teams_own_scripts_come_last(wide: Any) -> None:
    assert scripts(wide, "arm").endswith("#!/bin/bash\necho our own >> /etc/motd")


def test_queues_try_their_environments_in_the_order_of_the_configuration(stacks: Any) -> None:
    queues = list(stacks.compute.of("AWS::Batch::JobQueue").values())
    assert len(queues) == len(stacks.environment.queues)
    for settings, queue in zip(stacks.environment.queues.values(), queues, strict=True):
        assert queue["Priority"] == settings.priority
        order = sorted(queue["ComputeEnvironmentOrder"], key=lambda item: item["Order"])
        targets = [stacks.compute.resources[item["ComputeEnvironment"]["Fn::GetAtt"][0]] for item in order]
        names = [item["Properties"]["ComputeResources"]["Tags"]["Name"] for item in targets]
        assert names == [f"hpc-{stacks.environment.name}-{name}" for name in settings.compute_environments]


def test_spot_comes_first_for_loosely_coupled_work(stacks: Any) -> None:
    assert stacks.environment.queues["loosely-coupled"].compute_environments == ("spot", "on-demand")


def test_queues_have_neither_name_nor_tags(stacks: Any) -> None:
    for queue in stacks.compute.of("AWS::Batch::JobQueue").values():
        assert not {"JobQueueName", "Tags"} & set(queue)


@pytest.mark.parametrize("kind", [KIND, "AWS::Batch::JobQueue", "AWS::EC2::PlacementGroup"])
def test_the_stacks_tag_does_not_reach_what_it_would_replace(stacks: Any, kind: str) -> None:
    for item in stacks.compute.of(kind).values():
        assert "Tags" not in item


def test_the_stack_itself_has_no_tags_that_cloudformation_would_spread(stacks: Any) -> None:
    manifest = (stacks.folder / "manifest.json").read_text()
    assert '"aws:cdk:stack-tags"' not in manifest
    assert '"hpc:environment"' not in manifest


def test_everything_else_is_tagged_with_the_environment(stacks: Any) -> None:
    tag = {"Key": "hpc:environment", "Value": stacks.environment.name}
    for bucket in stacks.foundation.of("AWS::S3::Bucket").values():
        assert tag in bucket["Tags"]
    for role in stacks.compute.of("AWS::IAM::Role").values():
        assert tag in role["Tags"]
