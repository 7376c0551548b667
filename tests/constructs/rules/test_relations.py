"""Each rule that is checked in Python is tripped by an edit of the good templates, and no other rule is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hpc_constructs.rules.catalogue import catalogue
from hpc_constructs.rules.finding import CHECKS

Spoil = Callable[[Any], Any]
CASES: list[tuple[str, Spoil]] = []

CE = "AWS::Batch::ComputeEnvironment"
QUEUE = "AWS::Batch::JobQueue"
DEFINITION = "AWS::Batch::JobDefinition"
GROUP = "AWS::EC2::SecurityGroup"
POLICY = "AWS::IAM::ManagedPolicy"


def trips(rule: str) -> Callable[[Spoil], Spoil]:
    def add(spoil: Spoil) -> Spoil:
        CASES.append((rule, spoil))
        return spoil

    return add


def a_type(edit: Any, environment: str, name: str, **more: Any) -> None:
    """Give a compute environment another type, with room for two of it."""
    edit.environment(environment).update({"InstanceTypes": [name], "MaxvCpus": 1000, **more})


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
def arm_beside_x86(edit: Any) -> None:
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


@trips("HPC011")
def plain_script(edit: Any) -> None:
    edit.launch("spot")["UserData"] = {"Fn::Base64": "#!/bin/bash\nyum install -y htop"}


@trips("HPC012")
def newest_installer(edit: Any) -> None:
    parts = edit.launch("efa")["UserData"]["Fn::Base64"]["Fn::Join"][1]
    parts[1] = {"Fn::Base64": "curl -O https://efa-installer.amazonaws.com/aws-efa-installer-latest.tar.gz"}


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


@trips("HPC020")
def class_beside_efa(edit: Any) -> None:
    # What CDK's own construct does unless told otherwise.
    edit.environment("efa")["InstanceTypes"].append("optimal")


@trips("HPC020")
def family_of_efa(edit: Any) -> None:
    edit.environment("efa")["InstanceTypes"].append("c5n")


@trips("HPC021")
def efa_only_as_primary(edit: Any) -> None:
    edit.launch("efa")["NetworkInterfaces"][0]["InterfaceType"] = "efa-only"


@trips("HPC021")
def two_at_the_same_place(edit: Any) -> None:
    first = edit.launch("efa")["NetworkInterfaces"][0]
    edit.launch("efa")["NetworkInterfaces"].append({**first, "InterfaceType": "interface"})


@trips("HPC021")
def card_that_the_type_has_not(edit: Any) -> None:
    first = edit.launch("efa")["NetworkInterfaces"][0]
    edit.launch("efa")["NetworkInterfaces"].append({**first, "NetworkCardIndex": 1, "InterfaceType": "interface"})


@trips("HPC022")
def both_slots_taken(edit: Any) -> None:
    a_type(edit, "efa", "hpc8a.96xlarge")
    edit.properties("AWS::EC2::Subnet", "PrivateSubnet1").update({"AvailabilityZoneId": "use2-az2"})
    first = edit.launch("efa")["NetworkInterfaces"][0]
    edit.launch("efa")["NetworkInterfaces"].append({**first, "DeviceIndex": 1, "InterfaceType": "interface"})


@trips("HPC023")
def no_egress_to_itself(edit: Any) -> None:
    edit.remove("AWS::EC2::SecurityGroupEgress")


@trips("HPC023")
def only_tcp_to_itself(edit: Any) -> None:
    edit.properties("AWS::EC2::SecurityGroupIngress").update({"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535})


@trips("HPC024")
def inline_and_standalone_egress(edit: Any) -> None:
    edit.properties(GROUP, "Nodes")["SecurityGroupEgress"] = [{"CidrIp": "0.0.0.0/0", "IpProtocol": "-1"}]


@trips("HPC025")
def emptied_default_group(edit: Any) -> None:
    edit.add("Restrict", "Custom::VpcRestrictDefaultSG", CE, ServiceToken="arn:aws:lambda:us-east-1:123456789012:f")


@trips("HPC026")
def placement_group_on_spot(edit: Any) -> None:
    spot = edit.environment("spot")
    spot.update({"PlacementGroup": edit.environment("efa")["PlacementGroup"], "Subnets": spot["Subnets"][:1]})


@trips("HPC027")
def placement_group_over_two_subnets(edit: Any) -> None:
    edit.environment("ondemand")["PlacementGroup"] = edit.environment("efa")["PlacementGroup"]


@trips("HPC027")
def efa_over_two_subnets(edit: Any) -> None:
    del edit.environment("efa")["PlacementGroup"]
    edit.environment("efa")["Subnets"] = edit.environment("spot")["Subnets"]


@trips("HPC030")
def no_route_out(edit: Any) -> None:
    edit.remove("AWS::EC2::Route", "PrivateSubnet2")


@trips("HPC031")
def route_to_the_internet_gateway(edit: Any) -> None:
    public = edit.properties("AWS::EC2::Route", "PublicSubnet1")
    route = edit.properties("AWS::EC2::Route", "PrivateSubnet1")
    del route["NatGatewayId"]
    route["GatewayId"] = public["GatewayId"]


@trips("HPC031")
def public_addresses(edit: Any) -> None:
    edit.properties("AWS::EC2::Subnet", "PrivateSubnet2")["MapPublicIpOnLaunch"] = True


def endpoint(edit: Any, service: str, source: dict[str, Any]) -> None:
    vpc = {"Ref": edit.name_of("AWS::EC2::VPC")}
    group = f"Group{len(edit.contents)}{service.replace('.', '').replace('-', '')}"
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, **source}
    edit.add(group, GROUP, "AWS::EC2::VPC", GroupDescription="endpoint", VpcId=vpc, SecurityGroupIngress=[rule])
    edit.add(
        f"Endpoint{group}",
        "AWS::EC2::VPCEndpoint",
        "AWS::EC2::VPC",
        ServiceName={"Fn::Join": ["", ["com.amazonaws.", {"Ref": "AWS::Region"}, f".{service}"]]},
        SecurityGroupIds=[{"Fn::GetAtt": [group, "GroupId"]}],
        VpcEndpointType="Interface",
        VpcId=vpc,
    )


def vpc_block(edit: Any) -> dict[str, Any]:
    return {"CidrIp": {"Fn::GetAtt": [edit.name_of("AWS::EC2::VPC"), "CidrBlock"]}}


@trips("HPC030")
def one_endpoint_short(edit: Any) -> None:
    edit.remove("AWS::EC2::Route", "PrivateSubnet2")
    for service in ("ecs", "ecs-agent", "ecr.api", "ecr.dkr", "logs"):
        endpoint(edit, service, vpc_block(edit))


@trips("HPC032")
def endpoint_for_one_group_only(edit: Any) -> None:
    group = {"Fn::GetAtt": [edit.name_of(GROUP, "Egress"), "GroupId"]}
    endpoint(edit, "ecs", {"SourceSecurityGroupId": group})


@trips("HPC032")
def endpoint_for_another_port(edit: Any) -> None:
    endpoint(edit, "ecs", {**vpc_block(edit), "FromPort": 80, "ToPort": 80})


@trips("HPC033")
def group_of_another_vpc(edit: Any) -> None:
    vpc = edit.add("Other", "AWS::EC2::VPC", CE, CidrBlock="10.99.0.0/16")
    group = edit.add("Foreign", GROUP, CE, GroupDescription="elsewhere", VpcId=vpc)
    edit.environment("spot")["SecurityGroupIds"].append(group)


@trips("HPC034")
def six_groups(edit: Any) -> None:
    edit.environment("spot")["SecurityGroupIds"] *= 6


@trips("HPC035")
def rare_type_in_any_zone(edit: Any) -> None:
    edit.environment("ondemand").update({"InstanceTypes": ["hpc7a.12xlarge"]})


@trips("HPC040")
def four_environments(edit: Any) -> None:
    order = edit.properties(QUEUE, "looselycoupled")["ComputeEnvironmentOrder"]
    order.extend([{**order[0], "Order": 3}, {**order[0], "Order": 4}])


@trips("HPC041")
def arm_after_x86(edit: Any) -> None:
    edit.environment("spot")["InstanceTypes"] = ["default_arm64"]


def put_first(edit: Any, queue: str, environment: str) -> None:
    name = edit.name_of(CE, f"Environments{environment}")
    order = edit.properties(QUEUE, queue)["ComputeEnvironmentOrder"]
    order[0]["ComputeEnvironment"] = {"Fn::GetAtt": [name, "ComputeEnvironmentArn"]}


@trips("HPC042")
def spot_in_a_multi_node_queue(edit: Any) -> None:
    put_first(edit, "tightlycoupled", "spot")
    edit.container("mpi")["LinuxParameters"].pop("Devices")


@trips("HPC043")
def room_for_one_node_of_two(edit: Any) -> None:
    edit.environment("efa")["MaxvCpus"] = 143


def ask(edit: Any, definition: str, kind: str, amount: int) -> None:
    requirements = edit.container(definition)["ResourceRequirements"]
    requirements[:] = [item for item in requirements if item["Type"] != kind]
    requirements.append({"Type": kind, "Value": str(amount)})


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


@trips("HPC050")
def log_group_from_nowhere(edit: Any) -> None:
    edit.container("task")["LogConfiguration"]["Options"]["awslogs-group"] = "/hpc/jobs"


@trips("HPC051")
def instances_may_not_write_logs(edit: Any) -> None:
    statements = edit.properties(POLICY, "InstanceRole")["PolicyDocument"]["Statement"]
    statements[:] = [item for item in statements if item["Sid"] != "WriteLogs"]


def allow(edit: Any, policy: str, action: str) -> None:
    statements = edit.properties(POLICY, policy)["PolicyDocument"]["Statement"]
    statements.append({"Effect": "Allow", "Action": action, "Resource": "arn:aws:s3:::data/*"})


@trips("HPC060")
def instances_read_data(edit: Any) -> None:
    allow(edit, "InstanceRole", "s3:GetObject")


@trips("HPC061")
def jobs_push_images(edit: Any) -> None:
    allow(edit, "ProjectsdefaultJob", "ecr:PutImage")


@trips("HPC061")
def jobs_delete_data(edit: Any) -> None:
    allow(edit, "ProjectsdefaultJob", "s3:DeleteObjectVersion")


@trips("HPC062")
def no_bucket_policy(edit: Any) -> None:
    edit.remove("AWS::S3::BucketPolicy")


@trips("HPC063")
def no_topic_policy(edit: Any) -> None:
    edit.remove("AWS::SNS::TopicPolicy")


@trips("HPC063")
def topic_policy_without_the_refusal(edit: Any) -> None:
    document = edit.properties("AWS::SNS::TopicPolicy")["PolicyDocument"]
    document["Statement"] = [item for item in document["Statement"] if item["Effect"] == "Allow"]


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


@pytest.mark.parametrize(("rule", "spoil"), [pytest.param(*case, id=f"{case[0]} {case[1].__name__}") for case in CASES])
def test_an_edit_trips_exactly_its_rule(rule: str, spoil: Spoil, edit: Any, found: Callable[[Any], set[str]]) -> None:
    spoil(edit)
    assert found(edit) == {rule}


def test_every_rule_in_python_has_a_case_and_every_case_a_rule() -> None:
    rules = {rule.id for rule in catalogue().values() if rule.kind != "configuration" and not rule.guard}
    assert rules == set(CHECKS) == {rule for rule, _ in CASES}
