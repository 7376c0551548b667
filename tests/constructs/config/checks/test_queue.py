"""Queues and definitions whose jobs would be refused, or would wait for ever."""

import pytest

from hpc_constructs.config import ConfigError, parse

GPU = "compute_environments: {gpu: {instance_types: [g5.2xlarge]}}\n"
ARM = "compute_environments: {arm: {instance_types: [default_arm64]}}\n"


def complaints(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, file="environments/x.yaml", name="x")
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "queues: {on-demand: {compute_environments: [on-damand]}}",
            "queues.on-demand.compute_environments[0]: 'on-damand' given; allowed: spot, on-demand, efa",
            id="unknown compute environment",
        ),
        pytest.param(
            "queues: {on-demand: {definition: tsk}}",
            "queues.on-demand.definition: 'tsk' given; allowed: task, mpi",
            id="unknown definition",
        ),
        pytest.param(
            "queues: {on-demand: {definition: mpi}}",
            "'mpi', which is multi-node given; allowed: a single definition: task",
            id="definition of the other kind",
        ),
        pytest.param(
            "queues: {loosely-coupled: {compute_environments: [spot, spot]}}", "each entry once", id="environment twice"
        ),
        pytest.param(
            "queues: {loosely-coupled: {compute_environments: [a, b, c, d]}}",
            "at most 3 of them",
            id="four environments",
        ),
        pytest.param("queues: {on-demand: {priority: 1001}}", "at most 1000", id="priority"),
        pytest.param(
            "queues: {tightly-coupled: {compute_environments: [spot]}}",
            "'spot', which is Spot given; allowed: On-Demand: multi-node jobs do not run on Spot",
            id="multi-node on Spot",
        ),
        pytest.param(
            "queues: {tightly-coupled: {compute_environments: [efa, on-demand]}}",
            "allowed: exactly one compute environment for a multi-node queue",
            id="multi-node over two environments",
        ),
        pytest.param(
            "queues: {tightly-coupled: {compute_environments: [on-demand]}}",
            "'default_x86_64' given; allowed: exactly one instance type, since queue tightly-coupled is multi-node",
            id="multi-node over many types",
        ),
        pytest.param(
            "compute_environments: {efa: {max_vcpus: 72}}",
            "72 given; allowed: at least 144, two nodes of c5n.18xlarge",
            id="no room for two nodes",
        ),
        pytest.param(
            ARM + "queues: {on-demand: {compute_environments: [on-demand, arm]}}",
            "on-demand, arm: x86_64 and arm64 given; allowed: one architecture in a queue",
            id="architectures in a queue",
        ),
        pytest.param(
            "definitions: {task: {vcpus: 193}}",
            "193 vCPUs, 2048 MiB, 0 GPUs given; allowed: what one instance of queue",
            id="too many vCPUs",
        ),
        pytest.param("definitions: {task: {memory_mib: 2000000}}", "1 vCPUs, 2000000 MiB", id="too much memory"),
        pytest.param(
            "definitions: {task: {vcpus: 192, memory_mib: 900000}}",
            "192 vCPUs, 900000 MiB",
            id="each fits, both do not",
        ),
        pytest.param("definitions: {task: {gpus: 1}}", "1 vCPUs, 2048 MiB, 1 GPUs", id="GPUs where there are none"),
        pytest.param(
            "definitions: {mpi: {memory_mib: 196608}}",
            "c5n.18xlarge 72 vCPUs, 180879 MiB",
            id="the nominal memory of an instance",
        ),
        pytest.param(
            "definitions: {task: {memory_mib: 1000, shared_memory_mib: 1001}}",
            "1001 given; allowed: at most the memory, 1000",
            id="shared memory",
        ),
        pytest.param(
            "compute_environments: {idle: {}}",
            "a compute environment that no queue uses given; allowed: compute environments of a queue; "
            "fix: name it in a queue, or leave it out: `idle: null`",
            id="unused environment",
        ),
        pytest.param(
            "definitions: {lonely: {kind: multi-node}}",
            "a multi-node definition that no queue takes",
            id="unused definition",
        ),
        pytest.param(
            "compute_environments: {other: {instance_types: [c6in.32xlarge], efa: true}}\n"
            "queues: {other: {kind: multi-node, compute_environments: [other]}}\n",
            "one definition for queues tightly-coupled, other of different instances",
            id="one definition, two instance types",
        ),
        pytest.param(
            "queues: {on-demand: {fair_share: {shares: {'team*': 1, teamA: 2}}}}",
            "on-demand.fair_share.shares.teamA: 'teamA' together with 'team*' given; allowed: share identifiers that",
            id="overlapping shares",
        ),
        pytest.param(
            "queues: {on-demand: {fair_share: {shares: {team-a: 1}}}}", "allowed: letters and digits, with", id="share"
        ),
        pytest.param(
            "queues: {on-demand: {fair_share: {shares: {a: 0}}}}",
            "queues.on-demand.fair_share.shares.a: 0 given; allowed: at least 0.0001",
            id="weight",
        ),
        pytest.param(
            "queues: {on-demand: {fair_share: {share_decay: 1}}}", "fix: write 'share_decay_s'", id="key of fair share"
        ),
        pytest.param(
            "queues: {on-demand: {fair_share: {share_decay_s: 700000}}}",
            "allowed: at most 604800; fix: change it, or remove it for the default, 0",
            id="decay",
        ),
        pytest.param(
            "queues: {on-demand: {job_state_time_limits: {job_resource_requirement_s: 60}}}",
            "60 given; allowed: at least 600; fix: change it, or remove it for the default, 3600",
            id="time limit",
        ),
        pytest.param(
            "projects: {a-b: {}, ab: {}}",
            "projects.ab: share identifier 'ab', as of project a-b given; allowed: a share identifier for each project",
            id="two projects, one share",
        ),
    ],
)
def test_is_refused(text: str, expected: str) -> None:
    lines = complaints(text)
    assert any(expected in line for line in lines), lines


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            GPU + "queues: {gpu: {compute_environments: [gpu], definition: gpu}}\n"
            "definitions: {gpu: {gpus: 1, vcpus: 8, memory_mib: 30000}}\n",
            id="GPUs",
        ),
        pytest.param(ARM + "queues: {arm: {compute_environments: [arm]}}", id="Arm"),
        pytest.param("definitions: {extra: {vcpus: 1000}}", id="a single definition that no queue takes by default"),
        pytest.param(
            "compute_environments: {other: {instance_types: [c6in.32xlarge], efa: true}}\n"
            "queues: {other: {kind: multi-node, compute_environments: [other], definition: mpi-other}}\n"
            "definitions: {mpi-other: {kind: multi-node}}\n",
            id="a definition for each instance type",
        ),
    ],
)
def test_is_accepted(text: str) -> None:
    assert parse(text, file="environments/x.yaml", name="x").name == "x"


def test_a_project_counts_as_its_name_without_hyphens_or_as_it_says() -> None:
    environment = parse("projects: {a-b: {}, c: {share_identifier: physics}}", file="x.yaml", name="x")
    assert [environment.share_identifier(name) for name in environment.projects] == ["ab", "physics"]


def test_a_broken_reference_does_not_hide_other_errors() -> None:
    lines = complaints(
        "queues:\n  on-demand: {compute_environments: [nope]}\n  tightly-coupled: {compute_environments: [spot]}\n"
    )
    assert any("'nope' given" in line for line in lines)
    assert any("'spot', which is Spot given" in line for line in lines)
