"""Roles: edits that each trip one rule."""

from __future__ import annotations

from typing import Any

from tests.constructs.rules.relations.cases import trips

POLICY = "AWS::IAM::ManagedPolicy"


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
