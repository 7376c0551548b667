"""Constructs of ours work in an app that has none of our flags."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template

from hpc_constructs.access.encryption_key import EnvironmentKey
from hpc_constructs.config import parse
from hpc_constructs.config.settings import Data
from hpc_constructs.feature_flags import FLAGS, set_flags
from hpc_constructs.storage.data_bucket import DataBucket
from hpc_stacks.app import build

OFF = dict.fromkeys(FLAGS, False)


def buckets(app: cdk.App) -> Any:
    stack = cdk.Stack(app, "Theirs")
    key = EnvironmentKey(stack, "Key", environment="x", removal=cdk.RemovalPolicy.DESTROY)
    DataBucket(stack, "Data", settings=Data(), key=key, removal=cdk.RemovalPolicy.DESTROY)
    resources = Template.from_stack(stack).to_json()["Resources"]
    return {name: item for name, item in resources.items() if item["Type"].startswith("AWS::S3::")}


@pytest.mark.parametrize("context", [{}, OFF], ids=["new app", "flags off"])
def test_a_data_bucket_in_a_stack_of_others(context: dict[str, object]) -> None:
    assert buckets(cdk.App(post_cli_context=context)) == buckets(cdk.App(context=dict(FLAGS)))


@pytest.mark.parametrize("context", [{}, OFF], ids=["new app", "flags off"])
def test_stacks_of_ours_are_the_same_in_any_app(context: dict[str, object]) -> None:
    def templates(**kwargs: Any) -> list[Any]:
        app = cdk.App(analytics_reporting=False, **kwargs)
        build(app, parse("", file="x.yaml", name="x"))
        return [Template.from_stack(child).to_json() for child in app.node.children if isinstance(child, cdk.Stack)]

    found = templates(post_cli_context=context)
    assert len(found) == 3
    assert found == templates(context=dict(FLAGS))


def test_other_stacks_of_the_app_keep_their_own_flags() -> None:
    app = cdk.App()
    buckets(app)
    assert {app.node.try_get_context(flag) for flag in FLAGS} == {None}


def test_flags_can_be_set_on_an_app_of_others() -> None:
    app = cdk.App()
    set_flags(app)
    stack = cdk.Stack(app, "S")
    assert {flag: stack.node.try_get_context(flag) for flag in FLAGS} == FLAGS


def test_flags_come_before_what_they_are_for() -> None:
    app = cdk.App()
    s3.CfnBucket(cdk.Stack(app, "S"), "B")
    with pytest.raises(ValueError, match=r"'S' has constructs already: B; fix: call set_flags\(\) before the first"):
        set_flags(app.node.find_child("S"))
