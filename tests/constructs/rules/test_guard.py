"""Each rule in Guard is tripped by an edit of the good templates, and no other rule is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hpc_constructs.rules.catalogue import catalogue

CE = "AWS::Batch::ComputeEnvironment"
DEFINITION = "AWS::Batch::JobDefinition"
POLICY = "AWS::IAM::ManagedPolicy"
ROLE = "AWS::IAM::Role"
BUCKET = "AWS::S3::Bucket"
REPOSITORY = "AWS::ECR::Repository"


def both(change: Callable[[Any], Any], rule: str, what: str) -> list[Any]:
    """The same change of a container, in a definition of one container and in one of nodes."""
    return [
        pytest.param(rule, lambda edit, name=name: change(edit.container(name)), id=f"{rule} {what} ({name})")
        for name in ("task", "mpi")
    ]


def case(rule: str, what: str, spoil: Callable[[Any], Any]) -> Any:
    return pytest.param(rule, spoil, id=f"{rule} {what}")


def variable(name: str) -> Callable[[Any], Any]:
    return lambda container: container["Environment"].append({"Name": name, "Value": "x"})


def mount(path: str) -> Callable[[Any], Any]:
    return lambda container: container.update(Volumes=[{"Name": "host", "Host": {"SourcePath": path}}])


def shared(container: Any) -> Any:
    (found,) = [item for item in container["Volumes"] if "EfsVolumeConfiguration" in item]
    return found["EfsVolumeConfiguration"]


def nfs_from_everywhere(edit: Any) -> None:
    group = edit.properties("AWS::EFS::MountTarget")["SecurityGroups"][0]
    rule = {"IpProtocol": "tcp", "FromPort": 2049, "ToPort": 2049, "CidrIp": "0.0.0.0/0"}
    edit.add("World", "AWS::EC2::SecurityGroupIngress", "AWS::EFS::MountTarget", GroupId=group, **rule)


def retry(edit: Any) -> Any:
    return edit.properties(DEFINITION, "task")["RetryStrategy"]["EvaluateOnExit"]


def statement(edit: Any, action: Any, resource: Any, **more: Any) -> None:
    edit.properties(POLICY, "ProjectsdefaultSubmitter")["PolicyDocument"]["Statement"].append(
        {"Effect": "Allow", "Action": action, "Resource": resource, **more}
    )


def trust(edit: Any) -> Any:
    return edit.properties(ROLE, "JobRole")["AssumeRolePolicyDocument"]["Statement"][0]


def resources(edit: Any, name: str = "spot") -> Any:
    return edit.environment(name)


def time_limit(edit: Any) -> Any:
    return edit.properties("AWS::Batch::JobQueue")["JobStateTimeLimitActions"][0]


def inline_policy(edit: Any) -> None:
    document = {"Version": "2012-10-17", "Statement": []}
    role = {"Ref": edit.name_of(ROLE, "ExecutionRole")}
    edit.add("Inline", "AWS::IAM::Policy", CE, PolicyName="x", PolicyDocument=document, Roles=[role])


def second_bucket(edit: Any) -> None:
    """A second bucket without the lifecycle rule: that of the first must not count for it."""
    good = {**edit.properties(BUCKET)}
    del good["LifecycleConfiguration"]
    bucket = edit.add("Second", BUCKET, BUCKET, **good)
    policy = edit.properties("AWS::S3::BucketPolicy")
    edit.add("SecondPolicy", "AWS::S3::BucketPolicy", BUCKET, **{**policy, "Bucket": bucket})


def target(edit: Any) -> Any:
    return edit.properties("AWS::Events::Rule")["Targets"][0]


def second_target(edit: Any) -> None:
    """A second target that keeps nothing: the queue of the first must not count for it."""
    bare = {key: value for key, value in target(edit).items() if key != "DeadLetterConfig"}
    edit.properties("AWS::Events::Rule")["Targets"].append({**bare, "Id": "Second"})


CASES = [
    *both(lambda container: container.update(Privileged=True), "HPC101", "privileged"),
    case("HPC102", "no timeout", lambda edit: edit.properties(DEFINITION, "task").pop("Timeout")),
    case(
        "HPC102",
        "timeout below a minute",
        lambda edit: edit.properties(DEFINITION, "mpi")["Timeout"].update(AttemptDurationSeconds=30),
    ),
    *both(lambda container: container.pop("LogConfiguration"), "HPC103", "no log configuration"),
    *both(lambda container: container.pop("JobRoleArn"), "HPC104", "no job role"),
    *both(mount("/var/run/docker.sock"), "HPC106", "the container engine's socket"),
    *both(mount("/"), "HPC106", "everything"),
    *both(mount("/mnt-secret"), "HPC106", "beginning like an allowed one"),
    *both(lambda container: shared(container).update(TransitEncryption="DISABLED"), "HPC116", "plain text"),
    *both(lambda container: shared(container).pop("TransitEncryption"), "HPC116", "unsaid"),
    *both(lambda container: shared(container)["AuthorizationConfig"].update(Iam="DISABLED"), "HPC117", "without IAM"),
    *both(lambda container: shared(container)["AuthorizationConfig"].pop("AccessPointId"), "HPC117", "everything"),
    *both(lambda container: shared(container).pop("AuthorizationConfig"), "HPC117", "unsaid"),
    *[
        case("HPC118", user, lambda edit, user=user: edit.container("task").update(User=user))
        for user in ("root", "0", "0:1000", "root:staff")
    ],
    case("HPC150", "NFS from everywhere", nfs_from_everywhere),
    *both(variable("DB_PASSWORD"), "HPC107", "password"),
    *both(variable("github_token"), "HPC107", "token"),
    *both(variable("AWS_SECRET_ACCESS_KEY"), "HPC107", "access key"),
    *both(variable("AWS_BATCH_JOB_ID"), "HPC108", "reserved variable"),
    *both(lambda container: container.update(Vcpus=1), "HPC109", "deprecated vCPUs"),
    *both(lambda container: container.update(Memory=2048), "HPC109", "deprecated memory"),
    case(
        "HPC110",
        "closed range",
        lambda edit: edit.properties(DEFINITION, "mpi")["NodeProperties"]["NodeRangeProperties"][0].update(
            TargetNodes="0:1"
        ),
    ),
    case("HPC111", "no limits", lambda edit: edit.container("mpi").pop("Ulimits")),
    case("HPC111", "a soft limit", lambda edit: edit.container("mpi")["Ulimits"][0].update(SoftLimit=65536)),
    case("HPC112", "a hyphen", lambda edit: retry(edit)[0].update(OnStatusReason="Host-EC2*")),
    case("HPC112", "a star inside", lambda edit: retry(edit)[1].update(OnReason="Cannot*Error")),
    case("HPC112", "letters in an exit code", lambda edit: retry(edit)[0].update(OnExitCode="1x")),
    case("HPC113", "no retention", lambda edit: edit.properties(DEFINITION, "task").pop("ResourceRetentionPolicy")),
    case("HPC130", "Amazon Linux 2", lambda edit: resources(edit).update(Ec2Configuration=[{"ImageType": "ECS_AL2"}])),
    case("HPC130", "no image", lambda edit: resources(edit).pop("Ec2Configuration")),
    case("HPC131", "name", lambda edit: edit.properties(CE, "spot").update(ComputeEnvironmentName="spot")),
    case("HPC132", "replacement", lambda edit: edit.properties(CE, "spot").pop("ReplaceComputeEnvironment")),
    case("HPC133", "tags", lambda edit: edit.properties(CE, "spot").update(Tags={"team": "a"})),
    case("HPC134", "BEST_FIT", lambda edit: resources(edit).update(AllocationStrategy="BEST_FIT")),
    case("HPC134", "no strategy", lambda edit: resources(edit).pop("AllocationStrategy")),
    case(
        "HPC135",
        "service role",
        lambda edit: edit.properties(CE, "spot").update(ServiceRole="arn:aws:iam::123456789012:role/batch"),
    ),
    case("HPC136", "desired vCPUs", lambda edit: resources(edit).update(DesiredvCpus=4)),
    case("HPC137", "name", lambda edit: edit.properties("AWS::Batch::JobQueue").update(JobQueueName="q")),
    case("HPC138", "tags", lambda edit: edit.properties("AWS::Batch::JobQueue").update(Tags={"team": "a"})),
    case("HPC123", "no attempts", lambda edit: edit.properties(DEFINITION, "task")["RetryStrategy"].pop("Attempts")),
    case("HPC123", "attempts", lambda edit: edit.properties(DEFINITION, "mpi")["RetryStrategy"].update(Attempts=11)),
    case("HPC123", "six rules", lambda edit: retry(edit).insert(0, {**retry(edit)[0]})),
    case("HPC139", "too short", lambda edit: time_limit(edit).update(MaxTimeSeconds=60)),
    case("HPC139", "too long", lambda edit: time_limit(edit).update(MaxTimeSeconds=90_000)),
    case("HPC139", "another state", lambda edit: time_limit(edit).update(State="PENDING")),
    case("HPC139", "another action", lambda edit: time_limit(edit).update(Action="RETRY")),
    case("HPC140", "version 1", lambda edit: edit.launch("spot")["MetadataOptions"].update(HttpTokens="optional")),
    case("HPC140", "no options", lambda edit: edit.launch("spot")["MetadataOptions"].pop("HttpTokens")),
    case("HPC141", "two hops", lambda edit: edit.launch("spot")["MetadataOptions"].update(HttpPutResponseHopLimit=2)),
    case("HPC142", "plain", lambda edit: edit.launch("spot")["BlockDeviceMappings"][0]["Ebs"].update(Encrypted=False)),
    case("HPC142", "unsaid", lambda edit: edit.launch("spot")["BlockDeviceMappings"][0]["Ebs"].pop("Encrypted")),
    case(
        "HPC143",
        "public address",
        lambda edit: edit.launch("efa")["NetworkInterfaces"][0].update(AssociatePublicIpAddress=True),
    ),
    case("HPC144", "key", lambda edit: edit.launch("spot").update(KeyName="mine")),
    case(
        "HPC150",
        "inline",
        lambda edit: edit.properties("AWS::EC2::SecurityGroup", "Egress").update(
            SecurityGroupIngress=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}]
        ),
    ),
    case(
        "HPC150",
        "standalone IPv6",
        lambda edit: edit.add(
            "Open",
            "AWS::EC2::SecurityGroupIngress",
            "AWS::EC2::VPC",
            GroupId={"Ref": edit.name_of("AWS::EC2::SecurityGroup", "Egress")},
            IpProtocol="-1",
            CidrIpv6="::/0",
        ),
    ),
    case("HPC160", "resource", inline_policy),
    case(
        "HPC160",
        "in the role",
        lambda edit: edit.properties(ROLE, "ExecutionRole").update(
            Policies=[{"PolicyName": "x", "PolicyDocument": {}}]
        ),
    ),
    case("HPC161", "one", lambda edit: statement(edit, "s3:*", "arn:aws:s3:::b/*")),
    case("HPC161", "among others", lambda edit: statement(edit, ["s3:GetObject", "batch:*"], "arn:aws:s3:::b/*")),
    case("HPC161", "everything", lambda edit: statement(edit, "*", "arn:aws:s3:::b/*")),
    case("HPC162", "one", lambda edit: statement(edit, "batch:SubmitJob", "*")),
    case("HPC162", "among others", lambda edit: statement(edit, ["batch:ListJobs", "batch:SubmitJob"], "*")),
    case("HPC162", "in a list", lambda edit: statement(edit, "batch:SubmitJob", ["arn:aws:batch:::x", "*"])),
    case("HPC163", "no condition", lambda edit: statement(edit, "iam:PassRole", "arn:aws:iam::123456789012:role/job")),
    case("HPC164", "no condition", lambda edit: trust(edit).pop("Condition")),
    case("HPC164", "another condition", lambda edit: trust(edit)["Condition"].pop("StringEquals")),
    case("HPC165", "everyone", lambda edit: trust(edit).update(Principal="*")),
    case(
        "HPC165",
        "every account in a list",
        lambda edit: trust(edit).update(Principal={"AWS": [{"Ref": "AWS::AccountId"}, "*"]}),
    ),
    case("HPC165", "every account", lambda edit: trust(edit).update(Principal={"AWS": "*"})),
    case(
        "HPC166",
        "policy of AWS",
        lambda edit: edit.properties(ROLE, "ExecutionRole").update(
            ManagedPolicyArns=["arn:aws:iam::aws:policy/AdministratorAccess"]
        ),
    ),
    case("HPC170", "unsaid", lambda edit: edit.properties(BUCKET).pop("BucketEncryption")),
    case("HPC171", "nothing", lambda edit: edit.properties(BUCKET).pop("PublicAccessBlockConfiguration")),
    case(
        "HPC171",
        "one of four",
        lambda edit: edit.properties(BUCKET)["PublicAccessBlockConfiguration"].update(RestrictPublicBuckets=False),
    ),
    case("HPC172", "unsaid", lambda edit: edit.properties(BUCKET).pop("VersioningConfiguration")),
    case("HPC173", "no rule", lambda edit: edit.properties(BUCKET).pop("LifecycleConfiguration")),
    case("HPC173", "in one of two buckets", second_bucket),
    case("HPC174", "unsaid", lambda edit: edit.properties(BUCKET).pop("OwnershipControls")),
    case("HPC175", "mutable", lambda edit: edit.properties(REPOSITORY).update(ImageTagMutability="MUTABLE")),
    case("HPC176", "unsaid", lambda edit: edit.properties(REPOSITORY).pop("ImageScanningConfiguration")),
    case("HPC177", "unsaid", lambda edit: edit.properties(REPOSITORY).pop("LifecyclePolicy")),
    case("HPC178", "unsaid", lambda edit: edit.properties(REPOSITORY).pop("EmptyOnDelete")),
    case("HPC179", "unsaid", lambda edit: edit.properties("AWS::Logs::LogGroup").pop("RetentionInDays")),
    case("HPC180", "unsaid", lambda edit: edit.properties("AWS::EFS::FileSystem").pop("Encrypted")),
    case(
        "HPC181",
        "unsaid",
        lambda edit: edit.add("Key", "AWS::KMS::Key", CE, KeyPolicy={"Version": "2012-10-17", "Statement": []}),
    ),
    case("HPC182", "unsaid", lambda edit: edit.properties("AWS::SNS::Topic").pop("KmsMasterKeyId")),
    case("HPC183", "unsaid", lambda edit: edit.add("Messages", "AWS::SQS::Queue", CE)),
    case("HPC183", "off", lambda edit: edit.add("Messages", "AWS::SQS::Queue", CE, SqsManagedSseEnabled=False)),
    case("HPC184", "unsaid", lambda edit: target(edit).pop("DeadLetterConfig")),
    case("HPC184", "in one of two targets", second_target),
]


@pytest.mark.parametrize(("rule", "spoil"), CASES)
def test_an_edit_trips_exactly_its_rule(
    rule: str, spoil: Callable[[Any], Any], edit: Any, found: Callable[[Any], set[str]]
) -> None:
    spoil(edit)
    assert found(edit) == {rule}


@pytest.mark.parametrize(
    "allow",
    [
        pytest.param(lambda edit: mount("/run/hpc")(edit.container("task")), id="mount of /run/hpc"),
        pytest.param(lambda edit: edit.container("task").update(User="1000:0"), id="user of the root group"),
        pytest.param(lambda edit: edit.container("mpi").update(User="root"), id="root in a separate network"),
        pytest.param(lambda edit: mount("/scratch/nvme")(edit.container("mpi")), id="mount below /scratch"),
        pytest.param(
            lambda edit: trust(edit).update(Principal={"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::1:root"}}),
            id="trust of an account by reference",
        ),
        pytest.param(
            lambda edit: trust(edit).update(Principal={"AWS": [{"Ref": "AWS::AccountId"}]}),
            id="trust of accounts by reference",
        ),
        pytest.param(lambda edit: statement(edit, ["batch:ListJobs", "batch:DescribeJobs"], "*"), id="reading"),
        pytest.param(
            lambda edit: statement(
                edit,
                "iam:PassRole",
                "arn:aws:iam::123456789012:role/job",
                Condition={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
            ),
            id="PassRole to one service",
        ),
        pytest.param(
            lambda edit: resources(edit).update(Ec2Configuration=[{"ImageType": "X", "ImageIdOverride": "ami-1"}]),
            id="own machine image",
        ),
        pytest.param(
            lambda edit: edit.add("Messages", "AWS::SQS::Queue", CE, SqsManagedSseEnabled=True), id="encrypted queue"
        ),
        pytest.param(
            lambda edit: edit.properties("AWS::SNS::Topic").update(KmsMasterKeyId="alias/notices"), id="encrypted topic"
        ),
        pytest.param(lambda edit: edit.properties("AWS::Events::Rule").pop("Targets"), id="rule without targets"),
    ],
)
def test_what_is_right_is_no_finding(allow: Callable[[Any], Any], edit: Any, found: Callable[[Any], set[str]]) -> None:
    allow(edit)
    assert found(edit) == set()


def test_every_rule_in_guard_has_a_case_and_every_case_a_rule() -> None:
    assert {rule.id for rule in catalogue().values() if rule.guard} == {item.values[0] for item in CASES}
