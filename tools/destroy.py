"""Take an environment down: empty its buckets, then `cdk destroy`.

CloudFormation deletes no bucket that holds objects
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/empty-bucket.html), so this empties them first, all versions
included, after asking. Only environments whose YAML says `removal: destroy`: everywhere else the data outlives the
stacks, and `cdk destroy` alone is what is wanted.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from hpc_constructs.config import ConfigError, load
from hpc_stacks.names import stack_name
from tools.synthesis import ROOT, environments_option

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import ObjectIdentifierTypeDef


@click.command()
@click.argument("environment")
@click.option("--yes", is_flag=True, help="Do not ask.")
@environments_option
@click.option(
    "--app",
    type=click.Path(exists=True, resolve_path=True),
    help="Cloud assembly to destroy by, instead of a new synthesis.",
)
def main(environment: str, yes: bool, folder: Path, app: str | None) -> None:
    """Take ENVIRONMENT down, its data included."""
    try:
        removal = load(folder, environment).removal
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    if removal != "destroy":
        raise click.ClickException(
            f"{folder.name}/{environment}.yaml says removal: {removal}: its data outlives its stacks."
            f" For the stacks alone: cdk destroy --all -c env={environment}; for the data too, deploy with"
            " removal: destroy first"
        )
    try:
        data, access_logs = _buckets_of(stack_name(environment, "Foundation"))
        if not yes:
            click.confirm(f"Delete {environment} with all objects in s3://{data}?", abort=True, err=True)
        # Else what is deleted here would be logged, hours later, into a bucket that is to go.
        boto3.client("s3").put_bucket_logging(Bucket=data, BucketLoggingStatus={})
        for bucket in (data, access_logs):
            click.echo(f"{_empty(bucket)} object versions deleted from s3://{bucket}", err=True)
    except (BotoCoreError, ClientError) as error:
        raise click.ClickException(f"{error}; check the credentials and the Region") from None
    source = ["--app", app] if app else []
    command = [
        "cdk",
        "destroy",
        "--all",
        "--force",
        "-c",
        f"env={environment}",
        "-c",
        f"environments={folder}",
        *source,
    ]
    sys.exit(subprocess.run(command, cwd=ROOT, check=False).returncode)


def _buckets_of(stack: str) -> tuple[str, str]:
    """Return the buckets of data and of access logs."""
    outputs = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0].get("Outputs", [])
    values = {item["OutputKey"]: item["OutputValue"] for item in outputs}
    return values["BucketName"], values["AccessLogBucketName"]


def _empty(bucket: str) -> int:
    """Delete every version of every object; return how many there were."""
    s3, deleted = boto3.client("s3"), 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects: list[ObjectIdentifierTypeDef] = [
            {"Key": item["Key"], "VersionId": item["VersionId"]} for item in found
        ]
        if not objects:
            continue
        errors = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True}).get("Errors", [])
        if errors:
            raise click.ClickException(f"s3://{bucket}/{errors[0].get('Key')}: {errors[0].get('Message')}")
        deleted += len(objects)
    return deleted


if __name__ == "__main__":
    main()
