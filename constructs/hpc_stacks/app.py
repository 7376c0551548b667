"""The app: chooses an environment and builds its stacks. What an app.py calls, here and in other repositories.

The only reader of context and of the process's surroundings.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import aws_cdk as cdk

from hpc_constructs import rules
from hpc_constructs.config import ConfigError, Environment, load
from hpc_stacks.compute import ComputeStack
from hpc_stacks.foundation import FoundationStack
from hpc_stacks.operations import OperationsStack


def build(app: cdk.App, environment: Environment) -> None:
    """Add the environment's stacks to an app, which need not be `new_app()`."""
    foundation = FoundationStack(app, environment=environment)
    compute = ComputeStack(app, environment=environment, foundation=foundation)
    OperationsStack(app, environment=environment, compute=compute)


def new_app() -> cdk.App:
    """Return an app with the context that the CDK CLI hands over."""
    return cdk.App(analytics_reporting=False, post_cli_context=dict(rules.CONTEXT))


def main(environments: Path, extend: Callable[[cdk.App, Environment], object] | None = None) -> None:
    """Synthesize the environment that `-c env=` names, and exit with a message if it is wrong.

    Args:
        environments: folder of the YAML files; `-c environments=` names another one.
        extend: adds other stacks to the app.
    """
    app = new_app()
    context = app.node.try_get_context
    try:
        folder = Path(context("environments") or environments)
        environment = load(folder, context("env"), context("image_digest"))
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    if os.environ.get("CDK_VALIDATION") == "false":
        print("CDK_VALIDATION=false: the rules of docs/rules.md are not checked", file=sys.stderr)
    else:
        rules.register(app)
    build(app, environment)
    if extend:
        extend(app, environment)
    try:
        app.synth()
    except RuntimeError as error:
        if "ValidationFailed" not in str(error):
            raise
        print(f"nothing was synthesized: see the findings above, and docs/rules.md ({error})", file=sys.stderr)
        sys.exit(1)
