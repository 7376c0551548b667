"""Empty an environment's data bucket, all versions included, so that CloudFormation can delete it.

Only for environments whose YAML says `removal: destroy`: everywhere else the bucket outlives its stack.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/empty-bucket.html
"""

from __future__ import annotations

import boto3
import click
from botocore.exceptions import ClientError


@click.command()
@click.argument("stack")
@click.option("--yes", is_flag=True, help="Do not ask.")
def main(stack: str, yes: bool) -> None:
    """Delete every object of the data bucket of STACK, such as HpcDevFoundation."""
    try:
        outputs = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0].get("Outputs", [])
    except ClientError as error:
        raise click.ClickException(f"stack {stack}: {error}; check the name, the credentials and the Region") from None
    bucket = next((item["OutputValue"] for item in outputs if item["OutputKey"] == "BucketName"), None)
    if bucket is None:
        raise click.ClickException(f"stack {stack} has no output BucketName: it is no foundation stack")
    if not yes:
        click.confirm(f"Delete all objects and all their versions in s3://{bucket}?", abort=True, err=True)
    deleted = 0
    s3 = boto3.client("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
        if objects:
            errors = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True}).get("Errors", [])
            if errors:
                raise click.ClickException(f"s3://{bucket}/{errors[0]['Key']}: {errors[0]['Message']}")
        deleted += len(objects)
    click.echo(f"{deleted} object versions deleted from s3://{bucket}", err=True)


if __name__ == "__main__":
    main()
