"""Builds the stacks of one environment: `cdk synth -c env=dev`.

The environments are the files of `environments/`, or of the folder that `-c environments=` names.

The only module that reads the CDK context and the process environment.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import aws_cdk as cdk

from hpc_constructs import rules
from hpc_constructs.config import ConfigError, Environment, load
from stacks.compute import ComputeStack
from stacks.foundation import FoundationStack
from stacks.operations import OperationsStack

ENVIRONMENTS = Path(__file__).parent / "environments"


def build(app: cdk.App, environment: Environment) -> None:
    """Add the environment's stacks to the app."""
    foundation = FoundationStack(app, environment=environment)
    compute = ComputeStack(app, environment=environment, foundation=foundation)
    OperationsStack(app, environment=environment, compute=compute)


def new_app() -> cdk.App:
    """Return an app with the context that the CDK CLI passes."""
    return cdk.App(analytics_reporting=False, post_cli_context=dict(rules.CONTEXT))


def main() -> None:
    app = new_app()
    context = app.node.try_get_context
    try:
        folder = Path(context("environments") or ENVIRONMENTS)
        environment = load(folder, context("env"), context("image_digest"))
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    if os.environ.get("CDK_VALIDATION") == "false":
        print("CDK_VALIDATION=false: the rules of docs/rules.md are not checked", file=sys.stderr)
    else:
        rules.register(app)
    build(app, environment)
    try:
        app.synth()
    except RuntimeError as error:
        if "ValidationFailed" not in str(error):
            raise
        print(f"nothing was synthesized: see the findings above, and docs/rules.md ({error})", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
