"""Fair share and time limits of queues."""

from pathlib import Path
from typing import Any

from hpc.contract import objects
from tools import golden

KIND = "AWS::Batch::JobQueue"
DEFAULT_LIMITS = {
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT": 3600,
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE": 3600,
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY": 86400,
}


def queues(stacks: Any) -> dict[str, dict[str, Any]]:
    """Properties of every queue, by its name in the configuration."""
    return dict(zip(stacks.environment.queues, stacks.compute.of(KIND).values(), strict=True))


def limits(queue: dict[str, Any]) -> dict[str, int]:
    return {item["Reason"]: item["MaxTimeSeconds"] for item in queue["JobStateTimeLimitActions"]}


def test_a_job_that_cannot_start_never_blocks_a_queue_for_ever(stacks: Any) -> None:
    for name, queue in queues(stacks).items():
        if name != "shared":
            assert limits(queue) == DEFAULT_LIMITS
        assert {(item["State"], item["Action"]) for item in queue["JobStateTimeLimitActions"]} == {
            ("RUNNABLE", "CANCEL")
        }


def test_limits_are_set_and_taken_away_one_by_one(wide: Any) -> None:
    found = limits(queues(wide)["shared"])
    assert "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY" not in found
    assert found["MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED"] == 600
    assert found["MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"] == 3600


def test_a_queue_with_shares_has_a_policy_and_no_other_has(wide: Any) -> None:
    reference = {
        name: queue["SchedulingPolicyArn"] for name, queue in queues(wide).items() if "SchedulingPolicyArn" in queue
    }
    (policy,) = wide.compute.of("AWS::Batch::SchedulingPolicy")
    assert reference == {"shared": {"Fn::GetAtt": [policy, "Arn"]}}
    properties = wide.compute.only("AWS::Batch::SchedulingPolicy")
    assert not {"Name"} & set(properties)
    assert properties["FairsharePolicy"] == {
        "ShareDecaySeconds": 86400,
        "ComputeReservation": 10,
        "ShareDistribution": [
            {"ShareIdentifier": "alpha", "WeightFactor": 0.5},
            {"ShareIdentifier": "test*", "WeightFactor": 2},
        ],
    }


def test_a_queue_that_gets_shares_is_a_new_queue(synthesized: Any) -> None:
    text = "queues: {{on-demand: {{{}}}}}"
    before, after = synthesized(text.format("")), synthesized(text.format("fair_share: {}"))
    old, new = set(before.compute.of(KIND)), set(after.compute.of(KIND))
    assert len(old - new) == len(new - old) == 1


def test_the_guard_of_logical_ids_asks_before_a_queue_gets_shares(synthesized: Any, tmp_path: Path) -> None:
    text = "queues: {{on-demand: {{{}}}}}"
    before, after = synthesized(text.format("")), synthesized(text.format("fair_share: {}"))
    assert golden.accept(tmp_path, {"Compute": before.compute.raw}, frozenset()) == []
    (lost,) = golden.accept(tmp_path, {"Compute": after.compute.raw}, frozenset())
    assert lost.startswith("Compute/Queuesondemand")
    assert lost.endswith(" AWS::Batch::JobQueue")


def test_submitters_know_which_queues_have_shares_and_what_their_project_counts_as(wide: Any, dev: Any) -> None:
    shared = objects.from_json(objects.Queue, wide.published("queues", "shared"))
    loose = objects.from_json(objects.Queue, wide.published("queues", "loosely-coupled"))
    assert (shared.fair_share, loose.fair_share) == (True, False)
    assert objects.from_json(objects.Project, wide.published("projects", "alpha")).share_identifier == "alpha"
    assert objects.from_json(objects.Project, dev.published("projects", "default")).share_identifier is None


def test_a_submitter_may_only_name_the_share_of_the_project(wide: Any, dev: Any) -> None:
    (submit,) = [item for item in wide.policy("ProjectsalphaSubmitter") if item["Sid"] == "Submit"]
    assert submit["Condition"]["StringEqualsIfExists"]["batch:ShareIdentifier"] == "alpha"
    (free,) = [item for item in dev.policy("ProjectsdefaultSubmitter") if item["Sid"] == "Submit"]
    assert "batch:ShareIdentifier" not in free["Condition"]["StringEqualsIfExists"]
