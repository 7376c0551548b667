"""Resources that another one needs as long as it exists, in addition to those that its properties name."""

from __future__ import annotations

from tests.stacks.lifetimes import Key, Lifetimes

ENVIRONMENT, QUEUE, DEFINITION = (f"AWS::Batch::{kind}" for kind in ("ComputeEnvironment", "JobQueue", "JobDefinition"))
FLOW_LOG, NAT = "AWS::EC2::FlowLog", "AWS::EC2::NatGateway"
POLICIES = ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::IAM::RolePolicy")
ROUTE, ASSOCIATION = "AWS::EC2::Route", "AWS::EC2::SubnetRouteTableAssociation"
GROUP_RULES = ("AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress")


def faults(order: Lifetimes) -> list[str]:
    """Return what may go before that which needs it."""
    return [
        f"{needed[1]} may be missing while {key[1]} stands"
        for key in order.resources
        for needed in sorted(_needs(order, key) - order.before(key))
    ]


def _needs(order: Lifetimes, key: Key) -> set[Key]:
    direct = set(order.referred(order.properties(key), key[0]))
    match order.resources[key]["Type"]:
        case "AWS::Batch::ComputeEnvironment":
            # Batch scales down and deletes with these; without them it hangs in DELETING
            # (https://docs.aws.amazon.com/batch/latest/userguide/troubleshooting.html).
            found = direct | _rights(order, direct) | _network(order, key)
        case "AWS::Batch::JobQueue":
            # A queue that is deleted ends its jobs, which have two minutes to save their files
            # (https://docs.aws.amazon.com/batch/latest/APIReference/API_DeleteJobQueue.html).
            definitions = {role for item in order.of(DEFINITION) for role in _roles_of(order, item)}
            found = direct | _rights(order, definitions)
        case "AWS::Batch::JobDefinition" | "AWS::EC2::FlowLog":
            found = direct | _rights(order, direct)
        case "AWS::EC2::NatGateway":
            # Its address keeps the internet gateway from being detached
            # (https://docs.aws.amazon.com/vpc/latest/userguide/delete-igw.html).
            found = direct | set(order.of("AWS::EC2::VPCGatewayAttachment")) | _ways(order, direct)
        case _:
            found = direct
    return found


def _roles_of(order: Lifetimes, key: Key) -> set[Key]:
    return {item for item in order.referred(order.properties(key), key[0]) if order.resources[item]["Type"] == ROLE}


ROLE, PROFILE = "AWS::IAM::Role", "AWS::IAM::InstanceProfile"


def _rights(order: Lifetimes, used: set[Key]) -> set[Key]:
    """Return the roles among what is used, of instance profiles too, and all policies with their permissions."""
    profiles = {key for key in used if order.resources[key]["Type"] == PROFILE}
    roles = {key for key in used if order.resources[key]["Type"] == ROLE}
    roles = roles.union(*(_roles_of(order, key) for key in profiles))
    policies = {
        key
        for key in order.of(*POLICIES)
        for attached in ("Roles", "RoleName")
        if roles & set(order.referred(order.properties(key).get(attached), key[0]))
    }
    return roles | policies


def _network(order: Lifetimes, environment: Key) -> set[Key]:
    """Return the network resources through which instances and tasks reach AWS and each other."""
    around = {
        item for key in (environment, *order.referred(order.properties(environment), environment[0]))
        for item in order.referred(order.properties(key), key[0])
    }  # fmt: skip
    groups = {key for key in around if order.resources[key]["Type"] == "AWS::EC2::SecurityGroup"}
    rules = {key for key in order.of(*GROUP_RULES) if groups & set(order.referred(order.properties(key), key[0]))}
    return groups | rules | _ways(order, around) | set(order.of("AWS::EC2::VPCEndpoint"))


def _ways(order: Lifetimes, used: set[Key]) -> set[Key]:
    """Return the routes of the subnets among what is used, and what ties them to these."""
    subnets = {key for key in used if order.resources[key]["Type"] == "AWS::EC2::Subnet"}
    ties = {
        key for key in order.of(ASSOCIATION) if subnets & set(order.referred(order.properties(key)["SubnetId"], key[0]))
    }
    tables = {table for key in ties for table in order.referred(order.properties(key)["RouteTableId"], key[0])}
    return ties | {
        key for key in order.of(ROUTE) if tables & set(order.referred(order.properties(key)["RouteTableId"], key[0]))
    }
