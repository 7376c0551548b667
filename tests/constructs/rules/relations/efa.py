"""EFA: edits that each trip one rule."""

from __future__ import annotations

from typing import Any

from tests.constructs.rules.relations.cases import trips

CE = "AWS::Batch::ComputeEnvironment"
GROUP = "AWS::EC2::SecurityGroup"


def a_type(edit: Any, environment: str, name: str, **more: Any) -> None:
    """Give a compute environment another type, with room for two of it."""
    edit.environment(environment).update({"InstanceTypes": [name], "MaxvCpus": 1000, **more})


@trips("HPC020")
def class_with_efa(edit: Any) -> None:
    # The default of CDK's construct.
    edit.environment("efa")["InstanceTypes"].append("optimal")


@trips("HPC020")
def family_of_efa(edit: Any) -> None:
    edit.environment("efa")["InstanceTypes"].append("c5n")


@trips("HPC021")
def efa_only_as_primary(edit: Any) -> None:
    edit.launch("efa")["NetworkInterfaces"][0]["InterfaceType"] = "efa-only"


@trips("HPC021")
def two_at_the_same_place(edit: Any) -> None:
    first = edit.launch("efa")["NetworkInterfaces"][0]
    edit.launch("efa")["NetworkInterfaces"].append({**first, "InterfaceType": "interface"})


@trips("HPC021")
def card_that_the_type_has_not(edit: Any) -> None:
    first = edit.launch("efa")["NetworkInterfaces"][0]
    edit.launch("efa")["NetworkInterfaces"].append({**first, "NetworkCardIndex": 1, "InterfaceType": "interface"})


@trips("HPC022")
def both_slots_taken(edit: Any) -> None:
    a_type(edit, "efa", "hpc8a.96xlarge")
    edit.properties("AWS::EC2::Subnet", "PrivateSubnet1").update({"AvailabilityZoneId": "use2-az2"})
    first = edit.launch("efa")["NetworkInterfaces"][0]
    edit.launch("efa")["NetworkInterfaces"].append({**first, "DeviceIndex": 1, "InterfaceType": "interface"})


@trips("HPC023")
def no_egress_to_itself(edit: Any) -> None:
    edit.remove("AWS::EC2::SecurityGroupEgress")


@trips("HPC023")
def only_tcp_to_itself(edit: Any) -> None:
    edit.properties("AWS::EC2::SecurityGroupIngress").update({"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535})


@trips("HPC024")
def inline_and_standalone_egress(edit: Any) -> None:
    edit.properties(GROUP, "Nodes")["SecurityGroupEgress"] = [{"CidrIp": "0.0.0.0/0", "IpProtocol": "-1"}]


@trips("HPC025")
def emptied_default_group(edit: Any) -> None:
    edit.add("Restrict", "Custom::VpcRestrictDefaultSG", CE, ServiceToken="arn:aws:lambda:us-east-1:123456789012:f")


@trips("HPC026")
def placement_group_on_spot(edit: Any) -> None:
    spot = edit.environment("spot")
    spot.update({"PlacementGroup": edit.environment("efa")["PlacementGroup"], "Subnets": spot["Subnets"][:1]})


@trips("HPC027")
def placement_group_over_two_subnets(edit: Any) -> None:
    edit.environment("ondemand")["PlacementGroup"] = edit.environment("efa")["PlacementGroup"]


@trips("HPC027")
def efa_over_two_subnets(edit: Any) -> None:
    del edit.environment("efa")["PlacementGroup"]
    edit.environment("efa")["Subnets"] = edit.environment("spot")["Subnets"]
