"""The platform of our lab: environments of hpc-batch, and a stack of our own."""

from pathlib import Path

from aws_cdk import App, RemovalPolicy, Stack

from hpc_constructs.access.encryption_key import EnvironmentKey
from hpc_constructs.config import Environment
from hpc_constructs.config.settings import Data
from hpc_constructs.storage.data_bucket import DataBucket
from hpc_stacks.app import main


def reference_data(app: App, environment: Environment) -> None:
    """Add a bucket of reference data, made like the bucket of an environment."""
    name = f"{environment.name}-reference"
    stack, removal = Stack(app, name), RemovalPolicy.DESTROY
    key = EnvironmentKey(stack, "Key", environment=name, removal=removal)
    DataBucket(stack, "Data", settings=Data(), key=key, removal=removal)


if __name__ == "__main__":
    main(Path(__file__).parent / "environments", reference_data)
