"""Translation of questions into requests to the policies of the templates."""

from __future__ import annotations

from typing import Any

from tests.stacks.conftest import Stacks
from tests.stacks.iam.deployed import ACCOUNT, BATCH, REGION, Deployed
from tests.stacks.iam.evaluator import Request
from tests.stacks.iam.questions import THIEF, Question

EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class Asker:
    """`two` holds the roles and policies, `isolated` the endpoints."""

    def __init__(self, two: Stacks, isolated: Stacks) -> None:
        self.two, self.isolated = Deployed(two), Deployed(isolated)
        foundation, compute, operations = two.foundation, two.compute, two.operations
        self.policies = {
            "job": self.two.policy(compute, "ProjectsdefaultJob"),
            "submitter": self.two.policy(compute, "ProjectsdefaultSubmitter"),
            "developer": self.two.policy(compute, "ProjectsdefaultDeveloper"),
            "execution role": self.two.policy(compute, "ExecutionRole"),
            "instance role": self.two.policy(compute, "InstanceRole"),
            "operator": self.two.policy(operations, "Operators"),
            "workflow": self.two.policy(compute, "WorkflowsdefaultRole"),
            "runner": self.two.policy(compute, "WorkflowsdefaultRunners"),
            "administrator": EVERYTHING,
            "thief": EVERYTHING,
        }
        self.endpoints = {
            name: self.isolated.endpoint_policy(name) for name in ("s3", "logs", "ecr.api", "ecr.dkr", "ecs")
        }
        self.bucket_policy = self._bucket_policy(self.two)
        self.isolated_bucket_policy = self._bucket_policy(self.isolated)
        role = "AWS::IAM::Role"
        repository, uri = "AWS::ECR::Repository", "RepositoryUri"
        self.names = {
            **self._shared_names(self.two),
            "own_repository": self.two.arn(foundation, repository, "OwnImagesdefault"),
            "other_repository": self.two.arn(foundation, repository, "OwnImagesother"),
            "uri": self.two.arn(foundation, repository, "ImagesRepository", uri),
            "own_uri": self.two.arn(foundation, repository, "OwnImagesdefault", uri),
            "other_uri": self.two.arn(foundation, repository, "OwnImagesother", uri),
            "queue": self.two.arn(compute, "AWS::Batch::JobQueue", "Queuesondemand", "JobQueueArn"),
            "workflow_queue": self.two.arn(compute, "AWS::Batch::JobQueue", "Queueslooselycoupled", "JobQueueArn"),
            "machine": self.two.resolve(
                compute, {"Ref": self.two.find(compute, "AWS::StepFunctions::StateMachine", "Workflowsdefault")}
            ),
            "compute_environment": BATCH + ":compute-environment/hpcdevcompute-spot",
            "job_role": self.two.arn(compute, role, "ProjectsdefaultJob"),
            "other_job_role": self.two.arn(compute, role, "ProjectsotherJob"),
            "execution_role": self.two.arn(compute, role, "ExecutionRole"),
            "instance_role": self.two.arn(compute, role, "InstanceRole"),
            "history": self._group(self.two, operations, "History"),
            "dead_letters": self.two.arn(operations, "AWS::SQS::Queue", "DeadLetters"),
            "foreign_logs": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:elsewhere",
            "thiefs_logs": f"arn:aws:logs:{REGION}:{THIEF}:log-group:loot",
        }

    def request(self, question: Question) -> Request:
        names = self.names | (self._shared_names(self.isolated) if question.via else {})
        resource = question.resource.format_map(names)
        account = THIEF if question.who == "thief" else ACCOUNT
        own_bucket = resource.startswith(names["bucket"])
        bucket_policy = self.isolated_bucket_policy if question.via else self.bucket_policy
        return Request(
            principal=f"arn:aws:iam::{account}:role/{question.who.replace(' ', '-')}",
            policies=[self.policies[question.who]],
            action=question.action,
            resource=resource,
            owner=question.owner,
            context={key: str(value).format_map(names) for key, value in (question.context or {}).items()},
            resource_policy=bucket_policy if own_bucket else None,
            endpoint_policy=self.endpoints[question.via] if question.via else None,
        )

    def _shared_names(self, deployed: Deployed) -> dict[str, str]:
        foundation = deployed.stacks.foundation
        return {
            "bucket": deployed.arn(foundation, "AWS::S3::Bucket", "DataBucket"),
            "repository": deployed.arn(foundation, "AWS::ECR::Repository", "ImagesRepository"),
            "logs": self._group(deployed, foundation, "LogsGroup"),
        }

    @staticmethod
    def _group(deployed: Deployed, template: Any, prefix: str) -> str:
        name = deployed.resolve(template, {"Ref": deployed.find(template, "AWS::Logs::LogGroup", prefix)})
        return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}"

    @staticmethod
    def _bucket_policy(deployed: Deployed) -> Any:
        foundation = deployed.stacks.foundation
        logical_id = deployed.find(foundation, "AWS::S3::BucketPolicy", "DataBucketPolicy")
        return deployed.resolve(foundation, foundation.of("AWS::S3::BucketPolicy")[logical_id]["PolicyDocument"])
