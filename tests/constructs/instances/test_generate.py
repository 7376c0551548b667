"""The script that writes the catalogue from EC2's answers."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from hpc_constructs.instances import generate


def record(name: str = "c6in.32xlarge", **changes: Any) -> dict[str, Any]:
    """An answer of DescribeInstanceTypes, reduced to the fields of the catalogue."""
    return {
        "InstanceType": name,
        "BurstablePerformanceSupported": False,
        "SupportedUsageClasses": ["on-demand", "spot"],
        "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
        "VCpuInfo": {"DefaultVCpus": 128},
        "MemoryInfo": {"SizeInMiB": 262144},
        "NetworkInfo": {
            "EfaInfo": {"MaximumEfaInterfaces": 2},
            "NetworkCards": [
                {"NetworkCardIndex": 1, "MaximumNetworkInterfaces": 8, "InterfaceTypes": ["interface", "efa"]},
                {"NetworkCardIndex": 0, "MaximumNetworkInterfaces": 8, "InterfaceTypes": ["interface", "efa"]},
            ],
        },
        **changes,
    }


def moto_package(folder: Path, records: list[dict[str, Any]], zones: dict[str, list[str]]) -> Path:
    resources = folder / "ec2" / "resources"
    offerings = resources / "instance_type_offerings" / "availability-zone-id"
    offerings.mkdir(parents=True)
    types = {item["InstanceType"]: item for item in records}
    (resources / "instance_types.json.gz").write_bytes(gzip.compress(json.dumps(types).encode()))
    entries = [{"InstanceType": name, "Location": zone} for name, found in zones.items() for zone in found]
    (offerings / "us-east-2.json.gz").write_bytes(gzip.compress(json.dumps(entries).encode()))
    return folder


def generated(tmp_path: Path, records: list[dict[str, Any]], zones: dict[str, list[str]]) -> list[dict[str, str]]:
    output = tmp_path / "out.csv"
    generate.main(["--moto", str(moto_package(tmp_path / "moto", records, zones)), "--output", str(output)])
    with output.open() as stream:
        return list(csv.DictReader(stream))


def test_a_type_becomes_a_line(tmp_path: Path) -> None:
    assert generated(tmp_path, [record()], {}) == [
        {
            "instance_type": "c6in.32xlarge",
            "architecture": "x86_64",
            "vcpus": "128",
            "memory_mib": "262144",
            "gpus": "0",
            "spot": "1",
            "efa_interfaces": "2",
            "enis_per_card": "8 8",
            "efa_cards": "0 1",
            "zone_ids": "",
            "instance_store_gb": "0",
        }
    ]


def test_cards_without_efa_are_distinguished_from_those_with(tmp_path: Path) -> None:
    network = {
        "EfaInfo": {"MaximumEfaInterfaces": 1},
        "NetworkCards": [
            {"NetworkCardIndex": 0, "MaximumNetworkInterfaces": 4, "InterfaceTypes": ["interface"]},
            {"NetworkCardIndex": 1, "MaximumNetworkInterfaces": 4, "InterfaceTypes": ["interface", "efa"]},
        ],
    }
    assert generated(tmp_path, [record(NetworkInfo=network)], {})[0]["efa_cards"] == "1"


def test_only_nvidia_gpus_count(tmp_path: Path) -> None:
    gpus = {"Gpus": [{"Manufacturer": "AMD", "Count": 4}, {"Manufacturer": "NVIDIA", "Count": 2}]}
    assert generated(tmp_path, [record(GpuInfo=gpus)], {})[0]["gpus"] == "2"


def test_zones_are_named_for_hpc_types_only(tmp_path: Path) -> None:
    rows = generated(
        tmp_path,
        [record("hpc7a.96xlarge", SupportedUsageClasses=["on-demand"]), record()],
        {"hpc7a.96xlarge": ["use2-az2"], "c6in.32xlarge": ["use2-az1"]},
    )
    assert [(row["zone_ids"], row["spot"]) for row in rows] == [("", "1"), ("use2-az2", "0")]


@pytest.mark.parametrize(
    ("name", "changes"),
    [("t3.large", {"BurstablePerformanceSupported": True}), ("mac2.metal", {}), ("a1.large", {})],
)
def test_what_batch_cannot_launch_is_left_out(tmp_path: Path, name: str, changes: dict[str, Any]) -> None:
    assert generated(tmp_path, [record(name, **changes)], {}) == []


def test_lines_are_sorted_by_name(tmp_path: Path) -> None:
    rows = generated(tmp_path, [record("m7i.large"), record("c7i.large")], {})
    assert [row["instance_type"] for row in rows] == ["c7i.large", "m7i.large"]


class Ec2:
    """EC2 client of the script: two paginators."""

    def get_paginator(self, operation: str) -> "Ec2":
        self.operation = operation
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        if self.operation == "describe_instance_types":
            return [{"InstanceTypes": [record("hpc7a.96xlarge")]}, {"InstanceTypes": [record("c7i.large")]}]
        return [{"InstanceTypeOfferings": [{"InstanceType": "hpc7a.96xlarge", "Location": "use2-az2"}]}]


def test_the_ec2_api_gives_the_same_as_the_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate.boto3, "client", lambda *_, **__: Ec2())
    output = tmp_path / "api.csv"
    generate.main(["--regions", "us-east-2", "--output", str(output)])
    snapshot = generated(tmp_path, [record("hpc7a.96xlarge"), record("c7i.large")], {"hpc7a.96xlarge": ["use2-az2"]})
    with output.open() as stream:
        assert list(csv.DictReader(stream)) == snapshot


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        (None, 0),
        ({"TotalSizeInGB": 7600, "NvmeSupport": "required"}, 7600),
        ({"TotalSizeInGB": 32, "NvmeSupport": "unsupported"}, 0),
    ],
)
def test_only_nvme_volumes_count_as_instance_store(store: dict[str, Any] | None, expected: int) -> None:
    changes = {"InstanceStorageInfo": store} if store else {}
    assert generate.row(record(**changes), ())["instance_store_gb"] == expected
