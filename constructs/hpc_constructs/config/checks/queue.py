"""Checks that queues and compute environments fit each other.

AWS would report each of these problems late (at deployment) or never (jobs wait in RUNNABLE for ever).
Every check takes the whole environment and yields problems.
"""

from __future__ import annotations

from collections.abc import Iterator

from hpc_constructs.config.checks.rule import check
from hpc_constructs.config.models import Environment
from hpc_constructs.config.problems import Path, Problem, ce, names
from hpc_constructs.config.sizing import instance_types, queue_types, queues_of


@check("HPC207")
def references(environment: Environment) -> Iterator[Problem]:
    """Every referenced name exists."""
    for name, queue in environment.queues.items():
        for index, wanted in enumerate(queue.compute_environments):
            if wanted not in environment.compute_environments:
                yield Problem(
                    path=("queues", name, "compute_environments", index),
                    given=f"'{wanted}'",
                    allowed=names(environment.compute_environments),
                    fix="name one of these, or add it under compute_environments",
                    involves=(ce(wanted),),
                )
        definition = queue.default_definition
        if definition not in environment.definitions:
            yield Problem(
                path=("queues", name, "definition"),
                given=f"'{definition}'",
                allowed=names(environment.definitions),
                fix="name one of these, or add it under definitions",
                involves=(("definitions", definition),),
            )
        elif environment.definitions[definition].kind != queue.kind:
            fitting = [key for key, item in environment.definitions.items() if item.kind == queue.kind]
            yield Problem(
                path=("queues", name, "definition"),
                given=f"'{definition}', which is {environment.definitions[definition].kind}",
                allowed=f"a {queue.kind} definition: {names(fitting) or 'there is none yet'}",
                fix="name one of these, or change the queue's kind",
                involves=(("definitions", definition),),
            )


@check("HPC208")
def unused(environment: Environment) -> Iterator[Problem]:
    """Every compute environment and multi-node definition can be reached by jobs."""
    used = {name for queue in environment.queues.values() for name in queue.compute_environments}
    for name in environment.compute_environments:
        if name not in used:
            yield Problem(
                path=ce(name),
                given="a compute environment that no queue uses",
                allowed="compute environments of a queue",
                fix=f"name it in a queue, or leave it out: `{name}: null`",
            )
    for name, item in environment.definitions.items():
        if item.kind == "multi-node" and not queues_of(environment, name):
            yield Problem(
                path=("definitions", name),
                given="a multi-node definition that no queue takes",
                allowed="multi-node definitions of a queue, whose instance type determines their size",
                fix=f"name it in a queue, or leave it out: `{name}: null`",
            )


@check("HPC209")
def architectures(environment: Environment) -> Iterator[Problem]:
    """A queue has one architecture (https://docs.aws.amazon.com/batch/latest/APIReference/API_CreateJobQueue.html)."""
    for name, queue in environment.queues.items():
        found = {kind.architecture for kind in queue_types(environment, queue)}
        if len(found) > 1:
            yield Problem(
                path=("queues", name, "compute_environments"),
                given=names(queue.compute_environments) + ": x86_64 and arm64",
                allowed="one architecture in a queue",
                fix="add a queue for each architecture",
                involves=tuple(map(ce, queue.compute_environments)),
            )


@check("HPC210")
def multi_node(environment: Environment) -> Iterator[Problem]:
    """A multi-node job runs on one On-Demand environment of one instance type
    (https://docs.aws.amazon.com/batch/latest/userguide/multi-node-parallel-jobs.html)."""
    for name, queue in environment.queues.items():
        if queue.kind != "multi-node":
            continue
        path: Path = ("queues", name, "compute_environments")
        if len(queue.compute_environments) > 1:
            yield Problem(
                path=path,
                given=names(queue.compute_environments),
                allowed="exactly one compute environment for a multi-node queue",
                fix="add a queue for each",
            )
        for wanted in queue.compute_environments:
            item = environment.compute_environments[wanted]
            types = instance_types(item)
            if item.purchasing == "spot":
                yield Problem(
                    path=path,
                    given=f"'{wanted}', which is Spot",
                    allowed="On-Demand: multi-node jobs do not run on Spot",
                    fix=f"set purchasing: on-demand for {wanted}, or name another compute environment",
                    involves=(ce(wanted),),
                )
            if item.instance_types != (types[0].name,):
                if not item.efa:  # with EFA, another check reports it
                    yield Problem(
                        path=ce(wanted, "instance_types"),
                        given=names(f"'{given}'" for given in item.instance_types),
                        allowed=f"exactly one instance type, since queue {name} is multi-node",
                        fix="name one type, such as c5n.18xlarge",
                        involves=(("queues", name),),
                    )
            elif item.max_vcpus < 2 * types[0].vcpus:
                yield Problem(
                    path=ce(wanted, "max_vcpus"),
                    given=str(item.max_vcpus),
                    allowed=f"at least {2 * types[0].vcpus}, two nodes of {types[0].name}, in queue {name}",
                    fix="raise it to the vCPUs of the largest multi-node job",
                    involves=(("queues", name),),
                )


@check("HPC223")
def shares(environment: Environment) -> Iterator[Problem]:
    """No share is listed twice, and no two projects have the same share identifier by accident
    (https://docs.aws.amazon.com/batch/latest/APIReference/API_ShareAttributes.html)."""
    for name, queue in environment.queues.items():
        given = list(queue.fair_share.shares) if queue.fair_share else []
        for share in given:
            wider = [
                other
                for other in given
                if other != share and other.endswith("*") and share.rstrip("*").startswith(other[:-1])
            ]
            if wider:
                yield Problem(
                    path=("queues", name, "fair_share", "shares", share),
                    given=f"'{share}' together with '{wider[0]}'",
                    allowed="share identifiers that do not overlap",
                    fix="remove one of the two",
                )
    first: dict[str, str] = {}
    for name, project in environment.projects.items():
        share = environment.share_identifier(name)
        other = first.setdefault(share, name)
        if other != name and not project.share_identifier:
            yield Problem(
                path=("projects", name),
                given=f"share identifier '{share}', as of project {other}",
                allowed="a share identifier for each project",
                fix="set share_identifier",
                involves=(("projects", other),),
            )


RELATIONS = (architectures, multi_node, shares)
"""Checks that follow the references of queues, which must be valid."""
