"""Verdicts on small templates, one fact each."""

import copy
from typing import Any

import pytest

from tools.diff.compare import compare
from tools.diff.model import Change, Comparison, Verdict
from tools.diff.properties import show_path
from tools.synthesis import Stacks

Resources = dict[str, Any]

FLEET: Resources = {
    "Template": {
        "Type": "AWS::EC2::LaunchTemplate",
        "Properties": {"LaunchTemplateData": {"UserData": "one"}},
    },
    "Fleet": {
        "Type": "AWS::Batch::ComputeEnvironment",
        "Properties": {
            "Type": "MANAGED",
            "ReplaceComputeEnvironment": False,
            "UpdatePolicy": {"TerminateJobsOnUpdate": False, "JobExecutionTimeoutMinutes": 90},
            "ComputeResources": {
                "Type": "EC2",
                "AllocationStrategy": "BEST_FIT_PROGRESSIVE",
                "MaxvCpus": 10,
                "InstanceTypes": ["c6i"],
                "LaunchTemplate": {
                    "LaunchTemplateId": {"Ref": "Template"},
                    "Version": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]},
                },
                "Subnets": [{"Ref": "Subnet"}],
            },
        },
    },
    "Queue": {
        "Type": "AWS::Batch::JobQueue",
        "Properties": {
            "Priority": 1,
            "ComputeEnvironmentOrder": [{"Order": 1, "ComputeEnvironment": {"Ref": "Fleet"}}],
        },
    },
    "Contract": {
        "Type": "AWS::SSM::Parameter",
        "Properties": {"Value": {"Fn::Join": ["", ["queue ", {"Fn::GetAtt": ["Queue", "JobQueueArn"]}]]}},
    },
    "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
    "Subnet": {
        "Type": "AWS::EC2::Subnet",
        "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.0.0/24"},
    },
    "Data": {"Type": "AWS::S3::Bucket", "Properties": {}, "DeletionPolicy": "RetainExceptOnCreate"},
    "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 30}},
}


def stacks(resources: Resources) -> Stacks:
    return {"S": {"Resources": resources}}


def after(path: str, value: Any, resources: Resources = FLEET) -> Comparison:
    """Compare with the same templates but for one value, at a path such as `Fleet.Properties.Type`."""
    changed = copy.deepcopy(resources)
    *way, last = path.split(".")
    place = changed
    for part in way:
        place = place.setdefault(part, {})
    if value is None:
        del place[last]
    else:
        place[last] = value
    return compare(stacks(resources), stacks(changed))


def verdicts(found: Comparison) -> dict[str, str]:
    return {change.logical_id: change.verdict.value for change in found.changes}


def change(found: Comparison, logical_id: str) -> Change:
    (only,) = [item for item in found.changes if item.logical_id == logical_id]
    return only


def test_the_same_templates_change_nothing() -> None:
    assert compare(stacks(FLEET), copy.deepcopy(stacks(FLEET))) == Comparison()


def test_metadata_changes_nothing() -> None:
    assert after("Fleet.Metadata", {"aws:cdk:path": "S/Elsewhere"}) == Comparison()


@pytest.mark.parametrize(
    ("path", "value", "verdict", "words"),
    [
        ("ComputeResources.MaxvCpus", 20, "in place", "scaling only"),
        ("State", "DISABLED", "in place", "scaling only"),
        ("UpdatePolicy.JobExecutionTimeoutMinutes", 60, "in place", "settings only"),
        ("ComputeResources.InstanceTypes", ["c6i", "c7i"], "infrastructure update", "for 90 minutes at most"),
        ("ComputeResources.Tags", {"a": "b"}, "infrastructure update", "TerminateJobsOnUpdate false"),
        ("ComputeResources.UpdateToLatestImageVersion", True, "infrastructure update", "as their jobs end"),
        ("ComputeResources.ScalingPolicy", {"MinScaleDownDelayMinutes": 20}, "infrastructure update", "as their jobs"),
        ("Tags", {"a": "b"}, "REPLACED", "Tags cannot be changed"),
        ("ComputeEnvironmentName", "mine", "REPLACED", "the jobs that run on it are lost"),
        ("ComputeResources.SpotIamFleetRole", "arn:aws:iam::1:role/x", "REPLACED", "ComputeResources"),
    ],
)
def test_a_compute_environment_is_updated_as_aws_says(path: str, value: Any, verdict: str, words: str) -> None:
    found = change(after(f"Fleet.Properties.{path}", value), "Fleet")
    assert found.verdict.value == verdict
    assert words in found.effect


def test_without_the_flag_the_conditional_properties_replace_it() -> None:
    replaceable = copy.deepcopy(FLEET)
    del replaceable["Fleet"]["Properties"]["ReplaceComputeEnvironment"]
    found = after("Fleet.Properties.ComputeResources.InstanceTypes", ["c7i"], replaceable)
    assert verdicts(found) == {"Fleet": "REPLACED", "Queue": "in place"}
    scaled = after("Fleet.Properties.ComputeResources.MaxvCpus", 20, replaceable)
    assert verdicts(scaled) == {"Fleet": "in place"}


def test_an_update_that_batch_would_refuse_is_said_to_be() -> None:
    rigid = copy.deepcopy(FLEET)
    del rigid["Fleet"]["Properties"]["ComputeResources"]["AllocationStrategy"]
    found = after("Fleet.Properties.ComputeResources.InstanceTypes", ["c7i"], rigid)
    assert "refused by Batch: AllocationStrategy is BEST_FIT" in change(found, "Fleet").effect
    owned = copy.deepcopy(FLEET)
    owned["Fleet"]["Properties"]["ServiceRole"] = "arn:aws:iam::1:role/x"
    found = after("Fleet.Properties.ComputeResources.InstanceTypes", ["c7i"], owned)
    assert "refused by Batch: it has a ServiceRole" in change(found, "Fleet").effect


def test_jobs_that_an_update_ends_are_named() -> None:
    hasty = copy.deepcopy(FLEET)
    hasty["Fleet"]["Properties"]["UpdatePolicy"] = {"TerminateJobsOnUpdate": True}
    found = after("Fleet.Properties.ComputeResources.InstanceTypes", ["c7i"], hasty)
    assert "running jobs are ended at once" in change(found, "Fleet").effect


def test_a_launch_template_edit_shows_on_the_compute_environment() -> None:
    found = after("Template.Properties.LaunchTemplateData.UserData", "two")
    assert verdicts(found) == {"Fleet": "infrastructure update", "Template": "in place"}
    (edit,) = change(found, "Fleet").edits
    assert show_path(edit.path) == "ComputeResources.LaunchTemplate.Version"
    assert edit.because == "Template"


def test_the_tags_of_a_launch_template_make_no_version() -> None:
    tags = [{"ResourceType": "launch-template", "Tags": [{"Key": "a", "Value": "b"}]}]
    assert verdicts(after("Template.Properties.TagSpecifications", tags)) == {"Template": "in place"}


def test_a_replacement_goes_through_everything_that_refers_to_it() -> None:
    """A VPC's block replaces it, that its subnet, that moves the fleet; the fleet's ARN and so the queue stay."""
    found = after("Vpc.Properties.CidrBlock", "10.1.0.0/16")
    assert verdicts(found) == {"Vpc": "REPLACED", "Subnet": "REPLACED", "Fleet": "infrastructure update"}
    assert change(found, "Subnet").edits[0].because == "Vpc"


def test_a_replaced_queue_loses_its_jobs_and_whoever_names_it_changes() -> None:
    found = after("Queue.Properties.JobQueueName", "mine")
    assert verdicts(found) == {"Queue": "REPLACED", "Contract": "in place"}
    assert "its jobs are lost" in change(found, "Queue").effect
    assert show_path(change(found, "Contract").edits[0].path) == "Value"


def test_an_update_in_place_moves_nothing_else() -> None:
    assert verdicts(after("Queue.Properties.Priority", 5)) == {"Queue": "in place"}


def test_a_new_revision_reaches_whoever_names_the_definition() -> None:
    resources = {
        "Job": {"Type": "AWS::Batch::JobDefinition", "Properties": {"Timeout": {"AttemptDurationSeconds": 60}}},
        "Contract": {"Type": "AWS::SSM::Parameter", "Properties": {"Value": {"Fn::Sub": "job ${Job}"}}},
    }
    found = after("Job.Properties.Timeout.AttemptDurationSeconds", 70, resources)
    assert verdicts(found) == {"Job": "in place", "Contract": "in place"}
    assert "the old revision is deregistered" in change(found, "Job").effect
    resources["Job"]["Properties"]["ResourceRetentionPolicy"] = {"SkipDeregisterOnUpdate": True}
    found = after("Job.Properties.Timeout.AttemptDurationSeconds", 70, resources)
    assert "jobs already submitted keep theirs" in change(found, "Job").effect


@pytest.mark.parametrize(("days", "words"), [(7, "events older than 7 days are deleted"), (90, "kept longer")])
def test_a_shorter_retention_deletes(days: int, words: str) -> None:
    found = change(after("Logs.Properties.RetentionInDays", days), "Logs")
    assert found.verdict is Verdict.IN_PLACE
    assert words in found.effect


def test_what_is_deleted_is_lost_unless_retained() -> None:
    found = compare(stacks(FLEET), stacks({}))
    effects = {item.logical_id: item.effect for item in found.changes}
    assert {item.verdict for item in found.changes} == {Verdict.DELETED}
    assert "stays in the account" in effects["Data"]
    assert "jobs' logs" in effects["Logs"]
    assert effects["Queue"] == "its jobs are lost"


def test_a_replaced_resource_that_is_retained_stays_behind() -> None:
    retained = {"Data": {**FLEET["Data"], "UpdateReplacePolicy": "Retain"}}
    found = after("Data.Properties.BucketName", "mine", retained)
    assert "the old one stays in the account" in change(found, "Data").effect


def test_a_deletion_policy_changes_nothing_at_once() -> None:
    found = change(after("Data.DeletionPolicy", "Delete"), "Data")
    assert found.verdict is Verdict.IN_PLACE
    assert "the resource itself stays as it is" in found.effect


def test_another_type_under_the_same_id_is_refused() -> None:
    found = change(after("Logs.Type", "AWS::S3::Bucket"), "Logs")
    assert found.verdict is Verdict.REPLACED
    assert "refused by CloudFormation" in found.effect


def test_a_type_without_schema_is_not_guessed() -> None:
    resources = {"Own": {"Type": "AWS::Unheard::Of", "Properties": {"A": 1}}}
    assert "no schema" in change(after("Own.Properties.A", 2, resources), "Own").effect


def test_outputs_and_other_sections_count() -> None:
    base = {"S": {"Resources": {}, "Outputs": {"A": {"Value": "1"}}, "Description": "one"}}
    head = {"S": {"Resources": {}, "Outputs": {"B": {"Value": "1"}}, "Description": "two"}}
    assert verdicts(compare(base, head)) == {"Outputs/A": "deleted", "Outputs/B": "added", "Description": "in place"}


def test_the_gravest_comes_first() -> None:
    head = copy.deepcopy(FLEET)
    head["Queue"]["Properties"]["JobQueueName"] = "mine"
    head["New"] = FLEET["Logs"]
    del head["Data"]
    found = [item.verdict.value for item in compare(stacks(FLEET), stacks(head)).changes]
    assert found == ["REPLACED", "deleted", "in place", "added"]
