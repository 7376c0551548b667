"""Write `instance_types.csv` from EC2's descriptions of its instance types.

    python -m hpc_constructs.instances.generate --regions us-east-1 us-east-2 ...   # queries the EC2 API
    python -m hpc_constructs.instances.generate --moto PATH_OF_THE_MOTO_PACKAGE     # offline, moto's snapshot of it

Both read the same records: `DescribeInstanceTypes`
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceTypeInfo.html) and `DescribeInstanceTypeOfferings`
by zone id. moto is needed by this script only: unpack its wheel anywhere and give the folder.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import boto3

from hpc_constructs.instances.catalogue import COLUMNS, DATA

Record = Mapping[str, Any]


def usable(record: Record) -> bool:
    """Return whether Batch can launch the type with the images that this project uses.

    Batch supports neither burstable nor Mac types, and A1 cannot run Amazon Linux 2023
    (https://docs.aws.amazon.com/batch/latest/APIReference/API_Ec2Configuration.html).
    """
    name: str = record["InstanceType"]
    return not (record["BurstablePerformanceSupported"] or name.startswith(("mac", "a1.")))


def row(record: Record, zone_ids: Iterable[str]) -> dict[str, str | int]:
    """Return the catalogue's line for one type."""
    network = record["NetworkInfo"]
    cards = sorted(network["NetworkCards"], key=lambda card: card["NetworkCardIndex"])
    gpus = record.get("GpuInfo", {}).get("Gpus", [])
    efa = network.get("EfaInfo", {}).get("MaximumEfaInterfaces", 0)
    # Older records do not list interface types; in these, every card of an EFA type supports EFA.
    efa_cards = [card["NetworkCardIndex"] for card in cards if efa and "efa" in card.get("InterfaceTypes", ["efa"])]
    # The few old types with other volumes do not count: their device names differ, and nothing here looks for them.
    store = record.get("InstanceStorageInfo", {})
    architectures = record["ProcessorInfo"]["SupportedArchitectures"]
    return {
        "instance_type": record["InstanceType"],
        "architecture": "arm64" if "arm64" in architectures else "x86_64",
        "vcpus": record["VCpuInfo"]["DefaultVCpus"],
        "memory_mib": record["MemoryInfo"]["SizeInMiB"],
        # Batch schedules NVIDIA devices only.
        "gpus": sum(gpu["Count"] for gpu in gpus if gpu["Manufacturer"] == "NVIDIA"),
        "spot": int("spot" in record["SupportedUsageClasses"]),
        "efa_interfaces": efa,
        "enis_per_card": " ".join(str(card["MaximumNetworkInterfaces"]) for card in cards),
        "efa_cards": " ".join(map(str, efa_cards)),
        "zone_ids": " ".join(sorted(zone_ids)),
        "instance_store_gb": 0 if store.get("NvmeSupport", "unsupported") == "unsupported" else store["TotalSizeInGB"],
    }


def few_zones(name: str) -> bool:
    """Return whether few enough zones offer the type for the catalogue to list them."""
    return name.startswith("hpc")


def from_moto(package: Path) -> tuple[list[Record], dict[str, set[str]]]:
    """Read moto's snapshot: records of all types, and the zone ids of each."""
    resources = package / "ec2" / "resources"
    records = json.loads(gzip.decompress((resources / "instance_types.json.gz").read_bytes()))
    zones: dict[str, set[str]] = defaultdict(set)
    for path in (resources / "instance_type_offerings" / "availability-zone-id").glob("*.json.gz"):
        for offering in json.loads(gzip.decompress(path.read_bytes())):
            zones[offering["InstanceType"]].add(offering["Location"])
    return list(records.values()), zones


def from_ec2(regions: Iterable[str]) -> tuple[list[Record], dict[str, set[str]]]:
    """Query the EC2 API of each region; the first record of a type counts."""
    records: dict[str, Record] = {}
    zones: dict[str, set[str]] = defaultdict(set)
    for region in regions:
        ec2 = cast("Any", boto3).client("ec2", region_name=region)
        for page in ec2.get_paginator("describe_instance_types").paginate():
            for record in page["InstanceTypes"]:
                records.setdefault(record["InstanceType"], record)
        offerings = ec2.get_paginator("describe_instance_type_offerings")
        for page in offerings.paginate(LocationType="availability-zone-id"):
            for offering in page["InstanceTypeOfferings"]:
                zones[offering["InstanceType"]].add(offering["Location"])
    return list(records.values()), zones


def write(records: Iterable[Record], zones: Mapping[str, set[str]], path: Path) -> int:
    """Write the catalogue and return how many types it holds."""
    chosen = sorted(filter(usable, records), key=lambda record: record["InstanceType"])
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list[str](COLUMNS), lineterminator="\n")
        writer.writeheader()
        for record in chosen:
            name = record["InstanceType"]
            writer.writerow(row(record, zones.get(name, ()) if few_zones(name) else ()))
    return len(chosen)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--moto", type=Path, metavar="FOLDER", help="the folder of the moto package")
    source.add_argument("--regions", nargs="+", help="regions whose EC2 API is queried, with your credentials")
    parser.add_argument("--output", type=Path, default=DATA)
    options = parser.parse_args(argv)
    records, zones = from_moto(options.moto) if options.moto else from_ec2(options.regions)
    count = write(records, zones, options.output)
    print(f"{count} instance types written to {options.output}", file=sys.stderr)


if __name__ == "__main__":
    main()
