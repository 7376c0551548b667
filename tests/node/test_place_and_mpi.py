"""What is read from the environment, and what MPI is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hpc.node import place
from hpc.node.failure import Failure
from hpc.node.wireup import mpi
from hpc.node.wireup.address import own_address, task_address

RUN = {"HPC_RUN_ID": "r", "HPC_BUCKET": "b", "HPC_PROJECT": "p"}


def test_outside_batch_a_process_is_the_only_node_of_the_first_attempt() -> None:
    here = place.from_environment(RUN)
    assert (here.job_id, here.attempt, here.node, here.nodes, here.is_main) == ("local", 1, 0, 1, True)


def test_all_nodes_of_a_job_have_the_same_job_id() -> None:
    env = {**RUN, "AWS_BATCH_JOB_ID": "abc#2", "AWS_BATCH_JOB_NODE_INDEX": "2", "AWS_BATCH_JOB_NUM_NODES": "4"}
    here = place.from_environment(env)
    assert (here.job_id, here.node, here.nodes, here.is_main) == ("abc", 2, 4, False)


@pytest.mark.parametrize("value", ["-1", "x", "1.5", "²"])
def test_a_variable_that_is_no_number_is_named(value: str) -> None:
    with pytest.raises(Failure, match="HPC_PART") as error:
        place.from_environment({**RUN, "HPC_PART": value})
    assert error.value.exit_code == 76


def test_missing_variables_are_all_named() -> None:
    with pytest.raises(Failure, match="HPC_BUCKET and HPC_PROJECT not set"):
        place.from_environment({"HPC_RUN_ID": "r"})


def test_scratch_has_the_same_path_on_every_node_and_another_for_every_attempt(tmp_path: Path) -> None:
    env = {"HPC_SCRATCH": str(tmp_path)}
    one = place.scratch(place.from_environment({**RUN, "AWS_BATCH_JOB_NODE_INDEX": "1"}), env)
    assert one == place.scratch(place.from_environment(RUN), env)
    assert one != place.scratch(place.from_environment({**RUN, "AWS_BATCH_JOB_ATTEMPT": "2"}), env)
    assert one.stat().st_mode & 0o777 == 0o700


def test_scratch_does_not_follow_a_link_that_somebody_laid(tmp_path: Path) -> None:
    here, env = place.from_environment(RUN), {"HPC_SCRATCH": str(tmp_path)}
    path = place.scratch(here, env)
    path.rmdir()
    (tmp_path / "elsewhere").mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Failure, match="belongs to"):
        place.scratch(here, env)


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


def test_the_hostfile_lists_every_node_with_its_slots(tmp_path: Path) -> None:
    env = mpi.environment(["10.0.0.1", "10.0.0.2"], 36, tmp_path, "name", ["lo", "eth0"])
    assert Path(env["HPC_HOSTFILE"]).read_text() == "10.0.0.1 slots=36\n10.0.0.2 slots=36\n"
    assert env["PRTE_MCA_prte_default_hostfile"] == env["HPC_HOSTFILE"]
    assert sys.executable in Path(env["PRTE_MCA_plm_ssh_agent"]).read_text()


def test_on_hosts_of_their_own_binding_and_interfaces_stay_at_the_default(tmp_path: Path) -> None:
    env = mpi.environment(["10.0.0.1", "10.0.0.2"], 36, tmp_path, "name", ["lo", "eth0"])
    assert not [name for name in env if "if_exclude" in name or "binding" in name]


def test_interfaces_that_lead_nowhere_are_excluded_where_they_exist(tmp_path: Path) -> None:
    env = mpi.environment(["10.0.0.1", "10.0.0.2"], 36, tmp_path, "name", ["lo", "eth0", "ecs-eth0"])
    assert env["OMPI_MCA_btl_tcp_if_exclude"] == "127.0.0.1/8,sppp,ecs-eth0"
    assert env["PRTE_MCA_prte_if_exclude"] == "lo,ecs-eth0"


def test_nodes_that_share_a_machine_are_not_bound_to_its_first_core(tmp_path: Path) -> None:
    env = mpi.environment(["127.0.0.2", "127.0.0.3"], 2, tmp_path, "name", ["lo"])
    assert env["PRTE_MCA_hwloc_default_binding_policy"] == "none"


def test_a_path_that_mpi_would_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="HPC_SCRATCH"):
        mpi.environment(["127.0.0.2"], 1, tmp_path / "a b", "name", [])
