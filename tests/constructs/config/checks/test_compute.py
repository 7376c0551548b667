"""Compute environments that AWS would refuse, or that would never start an instance."""

import pytest

from hpc_constructs.config import ConfigError, parse

C5N_QUEUE = "queues: {tightly-coupled: {compute_environments: [efa]}}\n"


def complaints(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, file="environments/x.yaml", name="x")
    return str(caught.value)


def efa(types: str, more: str = "") -> str:
    return f"compute_environments: {{efa: {{instance_types: [{types}], max_vcpus: 768{more}}}}}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "network: {zones: 3, zone_ids: [use1-az1, use1-az2]}", "3 with 2 zone_ids given", id="zones and zone_ids"
        ),
        pytest.param("network: {zone_ids: [use1-az1, use1-az1]}", "each entry once", id="a zone twice"),
        pytest.param(
            "compute_environments: {spot: {instance_types: [c7i.48xlarge], max_vcpus: 100}}",
            "100 given; allowed: at least 192, the vCPUs of c7i.48xlarge",
            id="no instance fits below max_vcpus",
        ),
        pytest.param(
            "compute_environments: {spot: {min_vcpus: 300}}",
            "300 given; allowed: at most max_vcpus, 256",
            id="min > max",
        ),
        pytest.param(
            "compute_environments: {on-demand: {allocation_strategy: SPOT_CAPACITY_OPTIMIZED}}",
            "allowed: BEST_FIT_PROGRESSIVE for purchasing: on-demand",
            id="Spot strategy on On-Demand",
        ),
        pytest.param(
            "compute_environments: {spot: {allocation_strategy: BEST_FIT}}",
            "allowed: 'BEST_FIT_PROGRESSIVE', 'SPOT_CAPACITY_OPTIMIZED' or 'SPOT_PRICE_CAPACITY_OPTIMIZED'",
            id="a strategy that forbids updates",
        ),
        pytest.param(
            "compute_environments: {spot: {instance_types: [hpc6a.48xlarge]}}",
            "spot for hpc6a.48xlarge given",
            id="a type without Spot",
        ),
        pytest.param(
            "compute_environments: {spot: {instance_types: [c5n.18xlarge], efa: true}}",
            "true with purchasing: spot given",
            id="EFA on Spot",
        ),
        pytest.param(
            "compute_environments: {spot: {instance_types: [c6i, c6g]}}",
            "x86_64 and arm64 types given; allowed: one architecture",
            id="mixed architectures",
        ),
        pytest.param(
            "compute_environments: {spot: {instance_types: [c6i, g5]}}",
            "types with and without GPUs given",
            id="mixed GPU and CPU",
        ),
        pytest.param(
            "compute_environments: {on-demand: {instance_types: [p3dn.24xlarge]}}",
            "p3dn.24xlarge given; allowed: GPU types that Amazon Linux 2023 for NVIDIA supports",
            id="GPUs without a driver",
        ),
        pytest.param(
            efa("c5n"), "'c5n' given; allowed: exactly one instance type with efa: true", id="EFA of a family"
        ),
        pytest.param(
            efa("hpc6a"), "'hpc6a' given; allowed: exactly one instance type", id="EFA of a family of one type"
        ),
        pytest.param(
            efa("c5n.18xlarge, c5n.9xlarge"),
            "'c5n.18xlarge', 'c5n.9xlarge' given; allowed: exactly one instance type",
            id="EFA of two types",
        ),
        pytest.param(efa("c5n.4xlarge"), "allowed: a type with EFA, such as c5n.18xlarge, c5n.9xlarge", id="no EFA"),
        pytest.param(
            efa("hpc6id.32xlarge") + "network: {zone_ids: [use2-az2]}",
            "allowed: types whose first network card takes two interfaces",
            id="no slot for the task's interface",
        ),
        pytest.param(
            efa("hpc7a.96xlarge"),
            "'hpc7a.96xlarge' and no network.zone_ids given; allowed: zones that offer it: eun1-az2, euw1-az1, "
            "euw3-az1, use2-az2, as the first of network.zone_ids",
            id="a rare type without zones",
        ),
        pytest.param(
            efa("hpc7a.96xlarge") + "network: {zone_ids: [use2-az1, use2-az2]}",
            "'hpc7a.96xlarge' and network.zone_ids use2-az1, use2-az2 given",
            id="a rare type, and its zone not first",
        ),
        pytest.param(
            "compute_environments: {spot: {root_volume_iops: 60000}}",
            "60000 with 100 GiB given; allowed: at most 500 for each GiB, 50000",
            id="more IOPS than the volume's size allows",
        ),
        pytest.param(
            "compute_environments: {spot: {root_volume_throughput_mib_s: 1000}}",
            "1000 with 3000 IOPS given; allowed: at most a quarter of the IOPS, 750; fix: lower it, or set "
            "root_volume_iops: 4000",
            id="more throughput than the IOPS allow",
        ),
        pytest.param(
            "compute_environments: {spot: {instance_types: [c6id, c6i.large], scratch: instance-store}}",
            "instance-store for c6i.large given; allowed: instance-store only for types with NVMe instance store",
            id="instance store without one",
        ),
        pytest.param(
            f"compute_environments: {{spot: {{user_data: ['{'x' * 5000}', '{'y' * 5000}']}}}}",
            "10,000 bytes given; allowed: at most 4,096 bytes together",
            id="user data too long",
        ),
        pytest.param("compute_environments: {spot: {user_data: [' ']}}", "allowed: the lines of a script", id="blank"),
        pytest.param("compute_environments: {spot: {image_id: al2023}}", "allowed: an AMI id such as", id="no AMI"),
        pytest.param(
            "compute_environments: {spot: {scale_down_delay_minutes: 5}}", "5 given; allowed: at least 20", id="delay"
        ),
        pytest.param("ami_refresh: yesterday", "allowed: a date such as 2026-11-22", id="no day"),
        pytest.param("ami_refresh: 2026-02-30", "allowed: a date such as 2026-11-22", id="no such day"),
    ],
)
def test_is_refused(text: str, expected: str) -> None:
    assert expected in complaints(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("network: {zone_ids: [use1-az4, use1-az1, use1-az2]}", id="three zones by id"),
        pytest.param(efa("hpc7a.96xlarge") + "network: {zone_ids: [use2-az2, use2-az1]}", id="a rare type in its zone"),
        pytest.param(efa("p5.48xlarge"), id="32 network cards"),
        pytest.param("compute_environments: {spot: {instance_types: [c6i, m6i.large, optimal]}}", id="families"),
        pytest.param("compute_environments: {efa: {efa: false}}", id="multi-node without EFA"),
        pytest.param("compute_environments: {efa: {placement_group: false}}", id="EFA, not close together"),
        pytest.param("compute_environments: {spot: {instance_types: [c6id], scratch: instance-store}}", id="NVMe"),
        pytest.param(
            "compute_environments: {spot: {root_volume_iops: 16000, root_volume_throughput_mib_s: 1000}}", id="fast"
        ),
    ],
)
def test_is_accepted(text: str) -> None:
    assert parse(text, file="environments/x.yaml", name="x").name == "x"
