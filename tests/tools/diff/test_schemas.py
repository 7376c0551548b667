"""cfn-lint's schemas say what we count on, and our list of AWS's page covers what they leave open."""

from tools.diff import compute_environment, schemas


def test_conditional_properties_of_a_compute_environment_are_those_of_awss_page() -> None:
    """A newer cfn-lint may know a further one: then look up what an update of it does."""
    conditional = {*schemas.conditional_create_only(compute_environment.TYPE)}
    assert conditional - {*compute_environment.INFRASTRUCTURE} == {("ComputeResources", "ScalingPolicy")}
    assert {*compute_environment.INFRASTRUCTURE} - conditional == {("ComputeResources", "UpdateToLatestImageVersion")}


def test_scaling_properties_never_replace() -> None:
    listed = (
        *schemas.create_only(compute_environment.TYPE),
        *schemas.conditional_create_only(compute_environment.TYPE),
    )
    assert not {*compute_environment.SCALING} & {*listed}


def test_a_part_and_a_whole_of_a_listed_property_touch_it() -> None:
    listed = ("Rules", "*", "Name")
    assert schemas.touches(("Rules", "[0]", "Name"), "a", "b", listed)
    assert schemas.touches(("Rules", "[0]", "Name", "First"), "a", "b", listed)
    assert schemas.touches(("Rules",), [], [{"Name": "b"}], listed)
    assert not schemas.touches(("Rules",), [], [{"Size": 1}], listed)
    assert not schemas.touches(("Rules", "[0]", "Size"), 1, 2, listed)
    assert not schemas.touches(("Other",), 1, 2, listed)


def test_which_schemas_they_are_is_said() -> None:
    assert "cfn-lint 1." in schemas.source()
    assert schemas.schema("AWS::Unheard::Of") is None
    assert schemas.deletes_first("AWS::EC2::SubnetRouteTableAssociation")
