"""The templates of an environment as deployed: references resolved to ARNs."""

from __future__ import annotations

from typing import Any

from tests.stacks.conftest import Stacks, Template

ACCOUNT, REGION = "123456789012", "us-east-1"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
}
BATCH = f"arn:aws:batch:{REGION}:{ACCOUNT}"
ARNS = {
    ("AWS::Batch::JobQueue", "JobQueueArn"): f"{BATCH}:job-queue/{{name}}",
    ("AWS::ECR::Repository", "Arn"): f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{{name}}",
    ("AWS::ECR::Repository", "RepositoryUri"): f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{{name}}",
    ("AWS::EFS::AccessPoint", "Arn"): f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/{{name}}",
    ("AWS::IAM::Role", "Arn"): f"arn:aws:iam::{ACCOUNT}:role/{{name}}",
    ("AWS::KMS::Key", "Arn"): f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{{name}}",
    ("AWS::S3::Bucket", "Arn"): "arn:aws:s3:::{name}",
    ("AWS::StepFunctions::StateMachine", "Name"): "{name}",
    ("AWS::SQS::Queue", "Arn"): f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{name}}",
}
REFERENCES = {
    "AWS::StepFunctions::StateMachine": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{{name}}",
    "AWS::EFS::FileSystem": "{name}",
    "AWS::Logs::LogGroup": "{name}",
    "AWS::S3::Bucket": "{name}",
    "AWS::SNS::Topic": f"arn:aws:sns:{REGION}:{ACCOUNT}:{{name}}",
}


class Deployed:
    """The stacks of one environment, with invented names for what CloudFormation would name."""

    def __init__(self, stacks: Stacks) -> None:
        self.stacks = stacks

    def find(self, template: Template, kind: str, prefix: str) -> str:
        """Return the logical id of the only resource of the type whose id has the prefix."""
        (found,) = [key for key in template.of(kind) if key.startswith(prefix)]
        return found

    def arn(self, template: Template, kind: str, prefix: str, attribute: str = "Arn") -> str:
        return self.resolve(template, {"Fn::GetAtt": [self.find(template, kind, prefix), attribute]})

    def policy(self, template: Template, prefix: str) -> dict[str, Any]:
        """Return the document of a managed policy."""
        logical_id = self.find(template, "AWS::IAM::ManagedPolicy", prefix)
        return self.resolve(template, template.resources[logical_id]["Properties"]["PolicyDocument"])

    def endpoint_policy(self, service: str) -> dict[str, Any]:
        """Return the policy of the endpoint of a service, `s3` or `ecr.api`."""
        template = self.stacks.foundation
        endpoints = template.of("AWS::EC2::VPCEndpoint").values()
        names = [(self.resolve(template, item["ServiceName"]), item) for item in endpoints]
        (found,) = [item for name, item in names if name.endswith(f".{service}")]
        return self.resolve(template, found["PolicyDocument"])

    def resolve(self, template: Template, value: Any) -> Any:
        """Replace all references; an unknown one is an error."""
        match value:
            case list():
                return [self.resolve(template, item) for item in value]
            case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::Join": _} | {"Fn::ImportValue": _}:
                return self._text(template, value)
            case dict():
                assert not [key for key in value if key.startswith("Fn::")], value
                return {key: self.resolve(template, item) for key, item in value.items()}
        return value

    def _text(self, template: Template, value: dict[str, Any]) -> str:
        match value:
            case {"Fn::GetAtt": [name, attribute]}:
                kind = template.resources[name]["Type"]
                return ARNS[kind, attribute].format(name=self._name(template, name))
            case {"Fn::Join": [separator, parts]}:
                return separator.join(self.resolve(template, parts))
            case {"Fn::ImportValue": export}:
                return self._import(export)
        return self._reference(template, value["Ref"])

    def _name(self, template: Template, logical_id: str) -> str:
        return f"{template.path.name.partition('.')[0]}-{logical_id}".lower()

    def _reference(self, template: Template, name: str) -> str:
        if name in PSEUDO:
            return PSEUDO[name]
        if name in template.resources:
            return REFERENCES[template.resources[name]["Type"]].format(name=self._name(template, name))
        return self._parameter(template.raw["Parameters"][name]["Default"])

    def _parameter(self, name: str) -> str:
        """Return what a stack writes into an SSM parameter."""
        ((template, value),) = [
            (template, item["Value"])
            for template in self.stacks.templates
            for item in template.of("AWS::SSM::Parameter").values()
            if item["Name"] == name
        ]
        return self.resolve(template, value)

    def _import(self, export: str) -> str:
        for template in self.stacks.templates:
            for output in template.raw.get("Outputs", {}).values():
                if output.get("Export", {}).get("Name") == export:
                    return self.resolve(template, output["Value"])
        raise AssertionError(f"nobody exports {export}")
