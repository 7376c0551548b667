# ruff: noqa: E501 (a table: one question, one line)
"""Table of questions to the policies of the templates. Names in braces are those of `asker.py`.

They are asked of `environments/dev.yaml` with a second project, a secret, and a registry that developers may
also use; those about endpoints of `environments/isolated.yaml`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.stacks.iam.deployed import ACCOUNT, BATCH, REGION
from tests.stacks.iam.evaluator import Context

THIEF = "999999999999"
LICENSE = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:license-AbCdEf"
PARAMETER = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/team/token"

# What requests bring along.
TLS = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
OWN = {"aws:RequestTag/hpc:project": "default"}
FOREIGN = {"aws:RequestTag/hpc:project": "other"}
OWN_JOB = {"aws:ResourceTag/hpc:project": "default", "aws:ResourceTag/hpc:environment": "dev"}
FOREIGN_JOB = {"aws:ResourceTag/hpc:project": "other", "aws:ResourceTag/hpc:environment": "dev"}
PROD_JOB = {"aws:ResourceTag/hpc:project": "default", "aws:ResourceTag/hpc:environment": "prod"}
SOUND = {"batch:Image": "{own_uri}@sha256:0a", "batch:User": "1000", "batch:Privileged": "false", **OWN}
TO_CONTAINERS = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
TO_INSTANCES = {"iam:PassedToService": "ec2.amazonaws.com"}
HERE = {"aws:PrincipalAccount": ACCOUNT}
ELSEWHERE = {"aws:PrincipalAccount": THIEF}


def without(context: Context, key: str) -> Context:
    return {name: value for name, value in context.items() if name != key}


@dataclass(frozen=True)
class Question:
    """A row of the tables below."""

    who: str
    action: str
    resource: str
    allowed: bool
    why: str
    context: Context | None = None
    via: str | None = None
    """The VPC endpoint through which the request comes, in `isolated`."""
    owner: str = ACCOUNT

    def __str__(self) -> str:
        return f"{self.who}: {'may' if self.allowed else 'must not'} {self.action}: {self.why}"


def may(who: str, action: str, resource: str, why: str, context: Context | None = None, **more: Any) -> Question:
    return Question(who, action, resource, True, why, context, **more)


def must_not(who: str, action: str, resource: str, why: str, context: Context | None = None, **more: Any) -> Question:
    return Question(who, action, resource, False, why, context, **more)


LIST_OWN, LIST_FOREIGN, LIST_ALL = ({"s3:prefix": prefix, **TLS} for prefix in ("default/runs/", "other/runs/", ""))
DEFINITION = f"{BATCH}:job-definition"
ANY_JOB = f"{BATCH}:job/0f1e2d3c"

DATA = [
    may("job", "s3:GetObject", "{bucket}/default/runs/r/inputs/a", "inputs of its run", TLS),
    may("job", "s3:PutObject", "{bucket}/default/runs/r/outputs/0/a", "outputs of its run", TLS),
    may("job", "s3:ListBucket", "{bucket}", "own prefix", LIST_OWN),
    must_not("job", "s3:GetObject", "{bucket}/default/runs/r/inputs/a", "not without TLS", {"aws:SecureTransport": "false"}),
    must_not("job", "s3:GetObject", "{bucket}/other/runs/r/inputs/a", "foreign prefix", TLS),
    must_not("job", "s3:PutObject", "{bucket}/other/runs/r/outputs/0/a", "foreign prefix", TLS),
    must_not("job", "s3:ListBucket", "{bucket}", "foreign prefix", LIST_FOREIGN),
    must_not("job", "s3:ListBucket", "{bucket}", "the names of all projects", LIST_ALL),
    must_not("job", "s3:DeleteObject", "{bucket}/default/runs/r/outputs/0/a", "jobs delete nothing", TLS),
    must_not("job", "s3:DeleteObject", "{bucket}/other/runs/r/outputs/0/a", "least of all foreign data", TLS),
    may("submitter", "s3:GetObject", "{bucket}/default/runs/r/outputs/0/a", "hpc fetch", TLS),
    may("submitter", "s3:PutObject", "{bucket}/default/runs/r/request.json", "hpc submit", TLS),
    must_not("submitter", "s3:GetObject", "{bucket}/other/runs/r/outputs/0/a", "foreign results", TLS),
    must_not("submitter", "s3:DeleteObject", "{bucket}/default/runs/r/outputs/0/a", "what was run stays", TLS),
    must_not("instance role", "s3:GetObject", "{bucket}/default/runs/r/inputs/a", "instances have no data", TLS),
    must_not("execution role", "s3:GetObject", "{bucket}/default/runs/r/inputs/a", "nor has the ECS agent", TLS),
    must_not("operator", "s3:GetObject", "{bucket}/default/runs/r/outputs/0/a", "operators see no data", TLS),
    must_not("operator", "s3:ListBucket", "{bucket}", "not even its names", LIST_OWN),
    must_not("developer", "s3:GetObject", "{bucket}/default/runs/r/inputs/a", "that is the submitter policy's", TLS),
]  # fmt: skip

JOBS = [
    may("submitter", "batch:SubmitJob", DEFINITION + "/hpc-dev-default-task:3", "own definition, any revision"),
    may("submitter", "batch:SubmitJob", DEFINITION + "/hpc-dev-default-task", "own definition by name"),
    may("submitter", "batch:SubmitJob", DEFINITION + "/hpc_dev_default_0a1b2c:1", "what its developers registered"),
    may("submitter", "batch:SubmitJob", "{queue}", "queue of the environment"),
    must_not("submitter", "batch:SubmitJob", DEFINITION + "/hpc-dev-other-task:3", "foreign project's definition"),
    must_not("submitter", "batch:SubmitJob", DEFINITION + "/hpc_dev_other_0a1b2c:1", "foreign developers' definition"),
    must_not("submitter", "batch:SubmitJob", DEFINITION + "/hpc-prod-default-task:3", "foreign environment's definition"),
    must_not("submitter", "batch:SubmitJob", BATCH + ":job-queue/hpcprodcompute-queues", "foreign environment's queue"),
    must_not("submitter", "batch:SubmitJob", "{queue}", "at another project's costs", FOREIGN),
    may("submitter", "batch:TagResource", "{queue}", "SubmitJob with tags asks for that", OWN),
    must_not("submitter", "batch:TagResource", "{queue}", "a queue is no other project's", FOREIGN),
    may("submitter", "batch:TagResource", ANY_JOB, "own project at submission", OWN),
    must_not("submitter", "batch:TagResource", ANY_JOB, "as another project's costs", FOREIGN),
    must_not("submitter", "batch:TagResource", ANY_JOB, "somebody else's job", {**OWN, **FOREIGN_JOB}),
    must_not("submitter", "batch:TagResource", "{compute_environment}", "it would name whose costs they are", OWN),
    may("submitter", "batch:TerminateJob", ANY_JOB, "job of the project", OWN_JOB),
    must_not("submitter", "batch:TerminateJob", ANY_JOB, "foreign project's job", FOREIGN_JOB),
    must_not("submitter", "batch:TerminateJob", ANY_JOB, "same project of another environment", PROD_JOB),
    must_not("submitter", "batch:CancelJob", ANY_JOB, "job of nobody known"),
    must_not("submitter", "batch:UpdateJobQueue", "{queue}", "queues are the operators'"),
    must_not("submitter", "batch:RegisterJobDefinition", DEFINITION + "/hpc_dev_default_x", "that is the developers'", SOUND),
    must_not("submitter", "iam:PassRole", "{job_role}", "nobody passes roles without need", TO_CONTAINERS),
    must_not("submitter", "ssm:GetParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/hpc/prod/meta", "foreign contract"),
    must_not("job", "batch:SubmitJob", "{queue}", "jobs do not beget jobs"),
]  # fmt: skip

EVENTS = f"arn:aws:events:{REGION}:{ACCOUNT}:rule"
WORKFLOW = [
    may("workflow", "batch:SubmitJob", DEFINITION + "/hpc-dev-default-task:3", "definition of the project"),
    may("workflow", "batch:SubmitJob", "{workflow_queue}", "its queue"),
    may("workflow", "batch:TagResource", ANY_JOB, "at the project's costs", OWN),
    may("workflow", "batch:TerminateJob", ANY_JOB, "an execution that is stopped ends its job", OWN_JOB),
    may("workflow", "batch:DescribeJobs", "*", "how the job ended"),
    may("workflow", "events:PutRule", f"{EVENTS}/StepFunctionsGetEventsForBatchJobsRule", "the rule by which it waits"),
    may("workflow", "xray:PutTraceSegments", "*", "traces"),
    may("workflow", "logs:CreateLogDelivery", "*", "its log"),
    must_not("workflow", "batch:SubmitJob", DEFINITION + "/hpc-dev-other-task:3", "definition of another project"),
    must_not("workflow", "batch:SubmitJob", "{queue}", "a queue that is not its own"),
    must_not("workflow", "batch:TagResource", ANY_JOB, "at others' costs", FOREIGN),
    must_not("workflow", "batch:TerminateJob", ANY_JOB, "job of another project", FOREIGN_JOB),
    must_not("workflow", "events:PutRule", f"{EVENTS}/other", "any other rule"),
    must_not("workflow", "batch:RegisterJobDefinition", DEFINITION + "/hpc_dev_default_x", "it makes no definitions", SOUND),
    must_not("workflow", "s3:GetObject", "{bucket}/default/runs/r/inputs/a", "its jobs have the data, not it", TLS),
    may("runner", "states:StartExecution", "{machine}", "the project's state machine"),
    must_not("runner", "states:UpdateStateMachine", "{machine}", "another workflow with its rights"),
    must_not("runner", "states:StartExecution", "{machine}-other", "another state machine"),
    must_not("runner", "batch:SubmitJob", "{workflow_queue}", "that is the submitter policy's"),
]  # fmt: skip

REGISTER, NEW = "batch:RegisterJobDefinition", DEFINITION + "/hpc_dev_default_0a1b2c"
OWN_IMAGES = [
    may("developer", REGISTER, NEW, "own image, no root, not privileged", SOUND),
    may("developer", REGISTER, NEW, "the environment's image", SOUND | {"batch:Image": "{uri}@sha256:0a"}),
    may("developer", REGISTER, NEW, "a source that the YAML names", SOUND | {"batch:Image": "public.ecr.aws/biocontainers/samtools@sha256:0a"}),
    must_not("developer", REGISTER, NEW, "privileged", SOUND | {"batch:Privileged": "true"}),
    must_not("developer", REGISTER, NEW, "privileged is not said", without(SOUND, "batch:Privileged")),
    must_not("developer", REGISTER, NEW, "foreign image", SOUND | {"batch:Image": "docker.io/library/miner@sha256:0a"}),
    must_not("developer", REGISTER, NEW, "foreign image behind our name", SOUND | {"batch:Image": "evil.example/{own_uri}@sha256:0a"}),
    must_not("developer", REGISTER, NEW, "source whose name only begins so", SOUND | {"batch:Image": "public.ecr.aws/biocontainersx/a@sha256:0a"}),
    must_not("developer", REGISTER, NEW, "another project's image", SOUND | {"batch:Image": "{other_uri}@sha256:0a"}),
    must_not("developer", REGISTER, NEW, "image by tag", SOUND | {"batch:Image": "{own_uri}:latest"}),
    must_not("developer", REGISTER, NEW, "no image", without(SOUND, "batch:Image")),
    must_not("developer", REGISTER, NEW, "EKS has separate keys", without(SOUND, "batch:Image") | {"batch:EKSImage": "{own_uri}@sha256:0a"}),
    must_not("developer", REGISTER, NEW, "root", SOUND | {"batch:User": "0"}),
    must_not("developer", REGISTER, NEW, "root in disguise", SOUND | {"batch:User": "00"}),
    must_not("developer", REGISTER, NEW, "with the group of Docker's socket", SOUND | {"batch:User": "1000:docker"}),
    must_not("developer", REGISTER, NEW, "user is not said: the image's own may be root", without(SOUND, "batch:User")),
    must_not("developer", REGISTER, NEW, "at another project's costs", SOUND | FOREIGN),
    must_not("developer", REGISTER, NEW, "at nobody's costs", without(SOUND, "aws:RequestTag/hpc:project")),
    must_not("developer", REGISTER, DEFINITION + "/hpc_dev_other_0a1b2c", "foreign project's name", SOUND),
    must_not("developer", REGISTER, DEFINITION + "/hpc_prod_default_0a1b2c", "foreign environment's name", SOUND),
    must_not("developer", REGISTER, DEFINITION + "/hpc-dev-default-task", "a revision of what is deployed", SOUND),
    must_not("developer", REGISTER, DEFINITION + "/hpc_dev_default-2_0a1b2c", "project whose name begins so", SOUND),
    may("developer", "batch:TagResource", NEW + ":1", "the tag that registering asks for", OWN),
    may("developer", "batch:DeregisterJobDefinition", NEW + ":1", "own definition"),
    must_not("developer", "batch:DeregisterJobDefinition", DEFINITION + "/hpc-dev-default-task:1", "what is deployed"),
    may("developer", "iam:PassRole", "{job_role}", "role of the project's jobs", TO_CONTAINERS),
    may("developer", "iam:PassRole", "{execution_role}", "role that pulls and logs", TO_CONTAINERS),
    must_not("developer", "iam:PassRole", "{job_role}", "to another service", TO_INSTANCES),
    must_not("developer", "iam:PassRole", "{job_role}", "to who knows what"),
    must_not("developer", "iam:PassRole", "{other_job_role}", "another project's data", TO_CONTAINERS),
    must_not("developer", "iam:PassRole", "{instance_role}", "the instances' role", TO_CONTAINERS),
    may("developer", "ecr:PutImage", "{own_repository}", "own image"),
    may("developer", "ecr:BatchGetImage", "{repository}", "to begin an image with the environment's"),
    may("developer", "ecr:GetDownloadUrlForLayer", "{own_repository}", "to see whether an image starts hpc-node"),
    must_not("developer", "ecr:BatchGetImage", "{other_repository}", "another project's image"),
    must_not("developer", "ecr:PutImage", "{repository}", "what everybody's jobs run"),
    must_not("developer", "ecr:PutImage", "{other_repository}", "another project's image"),
    must_not("developer", "ecr:BatchDeleteImage", "{own_repository}", "queued jobs need it"),
    must_not("developer", "batch:UpdateComputeEnvironment", "{compute_environment}", "the platform is not theirs"),
    must_not("job", "ecr:PutImage", "{own_repository}", "a job poisons no image"),
    must_not("execution role", "ecr:PutImage", "{repository}", "nor does the ECS agent"),
    must_not("instance role", "ecr:PutImage", "{repository}", "nor an instance"),
    may("instance role", "ecr:BatchGetImage", "{own_repository}", "instances pull it"),
    may("execution role", "ecr:BatchGetImage", "{repository}", "the agent pulls it"),
]  # fmt: skip

PLATFORM = [
    may("execution role", "secretsmanager:GetSecretValue", LICENSE, "a definition names it"),
    may("execution role", "ssm:GetParameters", PARAMETER, "a project lists it for custom containers"),
    must_not("execution role", "ssm:GetParameters", PARAMETER + "-x", "no project lists it"),
    must_not("developer", "ssm:GetParameters", PARAMETER, "who may name a secret may not read it"),
    must_not("execution role", "secretsmanager:GetSecretValue", LICENSE.replace("license", "payroll"), "secrets of others"),
    must_not("job", "secretsmanager:GetSecretValue", LICENSE, "a job gets it as a variable, or not at all"),
    must_not("developer", "secretsmanager:GetSecretValue", LICENSE, "nor does a person"),
    must_not("instance role", "batch:SubmitJob", "{queue}", "instances submit nothing"),
    must_not("instance role", "iam:PassRole", "{job_role}", "nor take a role", TO_CONTAINERS),
    must_not("job", "sts:AssumeRole", "{other_job_role}", "nor do jobs"),
    may("operator", "batch:TerminateJob", ANY_JOB, "any project's job", FOREIGN_JOB),
    may("operator", "batch:CancelJob", ANY_JOB, "a job without tags that blocks a queue"),
    must_not("operator", "batch:TerminateJob", ANY_JOB, "another environment's job", PROD_JOB),
    may("operator", "batch:UpdateJobQueue", "{queue}", "close it, open it"),
    must_not("operator", "batch:UpdateJobQueue", "{compute_environment}", "not to send its jobs elsewhere"),
    must_not("operator", "batch:UpdateJobQueue", BATCH + ":job-queue/hpcprodcompute-queues", "foreign environment's queue"),
    must_not("operator", "batch:UpdateComputeEnvironment", "{compute_environment}", "that could change the machine image"),
    must_not("operator", "batch:DeleteJobQueue", "{queue}", "CloudFormation's"),
    must_not("operator", "batch:SubmitJob", "{queue}", "operators run nothing"),
    must_not("operator", REGISTER, NEW, "nor prepare it", SOUND),
    must_not("operator", "iam:PassRole", "{instance_role}", "no roles", TO_INSTANCES),
    may("operator", "logs:FilterLogEvents", "{logs}", "what jobs said"),
    may("operator", "logs:StartQuery", "{history}", "history of jobs"),
    must_not("operator", "logs:DeleteLogGroup", "{history}", "history stays"),
    must_not("operator", "sqs:ReceiveMessage", "{dead_letters}", "whole events hold variables of jobs"),
    may("operator", "cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:Any", "alarms"),
]  # fmt: skip

LAYERS = f"arn:aws:s3:::prod-{REGION}-starport-layer-bucket/layer"
LOOT = "arn:aws:s3:::loot"
ENDPOINTS = [
    may("administrator", "s3:PutObject", "{bucket}/default/a", "own bucket", HERE | TLS, via="s3"),
    must_not("administrator", "s3:PutObject", LOOT + "/a", "a bucket that is not the environment's, own credentials", HERE, via="s3"),
    must_not("administrator", "s3:DeleteObject", "{bucket}/default/a", "from instances nothing is deleted", HERE | TLS, via="s3"),
    must_not("thief", "s3:PutObject", LOOT + "/a", "foreign bucket, foreign credentials", ELSEWHERE, via="s3", owner=THIEF),
    may("thief", "s3:GetObject", LAYERS, "ECR's layers, which others sign", ELSEWHERE, via="s3", owner=THIEF),
    may("administrator", "logs:PutLogEvents", "{logs}:log-stream:s", "own log group", HERE, via="logs"),
    must_not("administrator", "logs:PutLogEvents", "{foreign_logs}:log-stream:s", "another log group", HERE, via="logs"),
    must_not("thief", "logs:PutLogEvents", "{thiefs_logs}:log-stream:s", "foreign credentials", ELSEWHERE, via="logs", owner=THIEF),
    may("administrator", "ecr:BatchGetImage", "{repository}", "own repository", HERE, via="ecr.api"),
    must_not("administrator", "ecr:PutImage", "{repository}", "instances push nothing", HERE, via="ecr.api"),
    must_not("thief", "ecr:GetAuthorizationToken", "*", "foreign registry", ELSEWHERE, via="ecr.dkr", owner=THIEF),
    must_not("thief", "ecs:Poll", f"arn:aws:ecs:{REGION}:{THIEF}:container-instance/c/i", "foreign cluster", ELSEWHERE, via="ecs", owner=THIEF),
]  # fmt: skip

QUESTIONS = [*DATA, *JOBS, *WORKFLOW, *OWN_IMAGES, *PLATFORM, *ENDPOINTS]
