"""The job context, read from the environment, and the settings of MPI."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from hpc.node import job_context
from hpc.node.failure import Failure
from hpc.node.wireup import mpi
from hpc.node.wireup.address import own_address, task_address

HOSTS = ("10.0.0.1", "10.0.0.2")
RUN = {"HPC_RUN_ID": "r", "HPC_BUCKET": "b", "HPC_PROJECT": "p"}


def test_outside_batch_a_process_is_the_only_node_of_the_first_attempt() -> None:
    here = job_context.from_environment(RUN)
    assert (here.job_id, here.attempt, here.node, here.nodes, here.is_main) == ("local", 1, 0, 1, True)


def test_all_nodes_of_a_job_have_the_same_job_id() -> None:
    env = {**RUN, "AWS_BATCH_JOB_ID": "abc#2", "AWS_BATCH_JOB_NODE_INDEX": "2", "AWS_BATCH_JOB_NUM_NODES": "4"}
    here = job_context.from_environment(env)
    assert (here.job_id, here.node, here.nodes, here.is_main) == ("abc", 2, 4, False)


@pytest.mark.parametrize("value", ["-1", "x", "1.5", "²"])
def test_a_variable_that_is_no_number_is_named(value: str) -> None:
    with pytest.raises(Failure, match="HPC_PART") as error:
        job_context.from_environment({**RUN, "HPC_PART": value})
    assert error.value.exit_code == 76


def test_missing_variables_are_all_named() -> None:
    with pytest.raises(Failure, match="HPC_BUCKET and HPC_PROJECT not set"):
        job_context.from_environment({"HPC_RUN_ID": "r"})


def test_scratch_has_the_same_path_on_every_node_and_another_for_every_attempt(tmp_path: Path) -> None:
    env = {"HPC_SCRATCH": str(tmp_path)}
    one = job_context.scratch(job_context.from_environment({**RUN, "AWS_BATCH_JOB_NODE_INDEX": "1"}), env)
    assert one == job_context.scratch(job_context.from_environment(RUN), env)
    assert one != job_context.scratch(job_context.from_environment({**RUN, "AWS_BATCH_JOB_ATTEMPT": "2"}), env)
    assert one.stat().st_mode & 0o777 == 0o700


def test_scratch_does_not_follow_a_link_that_somebody_laid(tmp_path: Path) -> None:
    here, env = job_context.from_environment(RUN), {"HPC_SCRATCH": str(tmp_path)}
    path = job_context.scratch(here, env)
    path.rmdir()
    (tmp_path / "elsewhere").mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Failure, match="belongs to"):
        job_context.scratch(here, env)


def test_the_address_is_the_one_of_the_tasks_own_interface() -> None:
    networks = [
        {"NetworkMode": "bridge", "IPv4Addresses": ["172.17.0.2"]},
        {"NetworkMode": "awsvpc", "IPv4Addresses": ["169.254.172.2", "10.0.1.7"]},
    ]
    assert task_address({"Networks": networks}) == "10.0.1.7"
    assert task_address({"Networks": networks[:1]}) is None
    assert task_address({}) is None


def test_without_metadata_there_is_still_an_address() -> None:
    own = own_address({"ECS_CONTAINER_METADATA_URI_V4": "http://127.0.0.1:9/v4"})
    assert len(own.split(".")) == 4


def settings(folder: Path, *addresses: str, present: dict[str, str] | None = None, **more: Any) -> dict[str, str]:
    """Return the settings of MPI on a node with 36 cores."""
    machine = mpi.Machine(cores=36, interfaces=present or {"lo": "127.0.0.1", "eth0": addresses[0]})
    given = {"slots": 36, "pure": True, **more}
    launch = mpi.environment(addresses, addresses[0], folder=folder, socket_name="name", machine=machine, **given)
    return launch | mpi.on_every_node(machine.interfaces, addresses[0])


def test_hostfiles_list_every_node_with_its_slots_as_each_launcher_reads_them(tmp_path: Path) -> None:
    env = settings(tmp_path, *HOSTS)
    assert Path(env["HPC_HOSTFILE"]).read_text() == "10.0.0.1 slots=36\n10.0.0.2 slots=36\n"
    assert env["PRTE_MCA_prte_default_hostfile"] == env["HPC_HOSTFILE"]
    assert Path(env["HYDRA_HOST_FILE"]).read_text() == "10.0.0.1:36\n10.0.0.2:36\n"
    assert env["I_MPI_HYDRA_HOST_FILE"] == env["HYDRA_HOST_FILE"]


def test_every_launcher_starts_through_the_agent(tmp_path: Path) -> None:
    env = settings(tmp_path, *HOSTS)
    agents = {env[name] for name in ("PRTE_MCA_plm_ssh_agent", "HYDRA_LAUNCHER_EXEC", "I_MPI_HYDRA_BOOTSTRAP_EXEC")}
    assert sys.executable in Path(agents.pop()).read_text()
    assert not agents


def test_a_rank_is_bound_to_a_core_where_each_has_one_for_itself(tmp_path: Path) -> None:
    policy = "PRTE_MCA_hwloc_default_binding_policy"
    assert settings(tmp_path, *HOSTS)[policy] == "core"
    assert policy not in settings(tmp_path, *HOSTS, slots=72)
    assert policy not in settings(tmp_path, *HOSTS, slots=4)
    assert policy not in settings(tmp_path, *HOSTS, pure=False)


def test_frameworks_take_the_interface_of_the_nodes_own_address(tmp_path: Path) -> None:
    env = settings(tmp_path, *HOSTS, present={"lo": "127.0.0.1", "ecs-eth0": "169.254.172.2", "eth0": "10.0.0.1"})
    takers = ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME", "HYDRA_IFACE", "I_MPI_HYDRA_IFACE", "FI_TCP_IFACE")
    assert {env[name] for name in takers} == {"eth0"}


def test_where_all_interfaces_lead_somewhere_none_is_excluded(tmp_path: Path) -> None:
    assert not [name for name in settings(tmp_path, *HOSTS) if "if_exclude" in name]


@pytest.mark.parametrize(
    ("name", "address"),
    [("ecs-eth0", "169.254.172.2"), ("docker0", "172.17.0.1"), ("odd0", "169.254.1.1"), ("odd0", "172.17.3.4")],
)
def test_interfaces_that_lead_nowhere_are_excluded(tmp_path: Path, name: str, address: str) -> None:
    env = settings(tmp_path, *HOSTS, present={"lo": "127.0.0.1", "eth0": "10.0.0.1", name: address})
    assert env["OMPI_MCA_btl_tcp_if_exclude"] == f"127.0.0.1/8,sppp,{name}"
    assert env["PRTE_MCA_prte_if_exclude"] == f"lo,{name}"


def test_a_vpc_that_uses_dockers_addresses_keeps_its_interface(tmp_path: Path) -> None:
    env = settings(tmp_path, "172.17.0.5", "172.17.0.6", present={"eth0": "172.17.0.5"})
    assert "OMPI_MCA_btl_tcp_if_exclude" not in env
    assert env["NCCL_SOCKET_IFNAME"] == "eth0"


def test_this_machines_interfaces_and_cores_are_found() -> None:
    here = mpi.Machine.here()
    assert here.interfaces["lo"] == "127.0.0.1"
    assert 1 <= here.cores <= len(os.sched_getaffinity(0))


def test_nodes_that_share_a_machine_are_not_bound_to_its_first_core(tmp_path: Path) -> None:
    env = settings(tmp_path, "127.0.0.2", "127.0.0.3", slots=2)
    assert env["PRTE_MCA_hwloc_default_binding_policy"] == "none"
    assert "NCCL_SOCKET_IFNAME" not in env


def test_a_path_that_mpi_would_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="HPC_SCRATCH"):
        settings(tmp_path / "a b", *HOSTS)
