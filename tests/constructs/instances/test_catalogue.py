"""The catalogue of instance types."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc_constructs.instances import (
    UnknownInstanceTypeError,
    catalogue,
    expand,
    expand_all,
    families,
    largest_shapes,
)

TYPES = st.lists(st.sampled_from(sorted(catalogue())), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("name", "architecture", "vcpus", "gib", "gpus", "efas", "enis"),
    [
        # https://docs.aws.amazon.com/ec2/latest/instancetypes/ (specifications) and, for EFA and cards,
        # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-acc-inst-types.html
        ("c5n.18xlarge", "x86_64", 72, 192, 0, 1, (15,)),
        ("hpc6a.48xlarge", "x86_64", 96, 384, 0, 1, (2,)),
        ("hpc7a.96xlarge", "x86_64", 192, 768, 0, 2, (2, 2)),
        ("hpc7g.16xlarge", "arm64", 64, 128, 0, 1, (4,)),
        ("c6in.32xlarge", "x86_64", 128, 256, 0, 2, (8, 8)),
        ("p5.48xlarge", "x86_64", 192, 2048, 8, 32, (2,) * 32),
        ("g5.xlarge", "x86_64", 4, 16, 1, 0, (4,)),
        ("c7g.large", "arm64", 2, 4, 0, 0, (3,)),
    ],
)
def test_known_types_are_as_aws_documents_them(
    name: str, architecture: str, vcpus: int, gib: int, gpus: int, efas: int, enis: tuple[int, ...]
) -> None:
    item = catalogue()[name]
    assert (item.architecture, item.vcpus, item.memory_mib) == (architecture, vcpus, gib * 1024)
    assert (item.gpus, item.efa_interfaces, item.enis_per_card) == (gpus, efas, enis)


def test_hpc_types_are_not_sold_as_spot_and_say_their_zones() -> None:
    for family in ("hpc6a", "hpc7a", "hpc7g"):
        for item in families()[family]:
            assert not item.spot
            assert item.zone_ids


def test_burstable_and_mac_types_are_left_out() -> None:
    assert not [name for name in families() if name.startswith("mac") or name in {"t2", "t3", "t3a", "t4g", "a1"}]


def test_every_efa_interface_fits_a_separate_card() -> None:
    for item in catalogue().values():
        assert len(item.efa_cards) >= item.efa_interfaces
        assert all(card < len(item.enis_per_card) for card in item.efa_cards)


def test_a_family_means_its_types_and_a_class_its_families() -> None:
    assert {item.name for item in expand("c5n")} >= {"c5n.large", "c5n.18xlarge"}
    assert {item.family for item in expand("optimal")} == {"m6i", "c6i", "r6i", "c7i"}
    assert expand("optimal") == expand("default_x86_64")
    assert {item.architecture for item in expand("default_arm64")} == {"arm64"}


def test_types_named_twice_come_once() -> None:
    assert len(expand_all(["c5n", "c5n.large"])) == len(expand("c5n"))


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("c5n.19xlarge", "c5n.18xlarge"),
        ("c7z.large", "c7i.large"),
        ("optimum", "optimal"),
        ("defualt_arm64", "default_arm64"),
    ],
)
def test_an_unknown_name_comes_with_the_nearest_ones(name: str, nearest: str) -> None:
    with pytest.raises(UnknownInstanceTypeError) as caught:
        expand(name)
    assert nearest in caught.value.nearest


def test_jobs_get_92_percent_of_the_memory() -> None:
    assert catalogue()["c5n.18xlarge"].usable_memory_mib == 180879


@given(TYPES)
def test_every_type_fits_into_one_of_the_largest_shapes(names: list[str]) -> None:
    types = expand_all(names)
    shapes = largest_shapes(types)
    for item in types:
        assert any(
            item.vcpus <= shape.vcpus and item.usable_memory_mib <= shape.memory_mib and item.gpus <= shape.gpus
            for shape in shapes
        )


@given(TYPES)
def test_no_largest_shape_fits_into_another(names: list[str]) -> None:
    shapes = largest_shapes(expand_all(names))
    for one in shapes:
        for other in shapes:
            if one is not other:
                assert one.vcpus > other.vcpus or one.memory_mib > other.memory_mib or one.gpus > other.gpus


def test_of_equal_types_the_virtual_machine_is_named() -> None:
    assert [shape.instance_type for shape in largest_shapes(expand_all(["c5n.metal", "c5n.18xlarge"]))] == [
        "c5n.18xlarge"
    ]
