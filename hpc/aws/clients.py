"""boto3 clients of the services that `hpc` uses, and messages for their exceptions."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hpc.errors import BadInput, HpcError

if TYPE_CHECKING:
    from botocore import exceptions
    from types_boto3_batch.client import BatchClient
    from types_boto3_logs.client import CloudWatchLogsClient
    from types_boto3_s3.client import S3Client
    from types_boto3_ssm.client import SSMClient

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
SEND_TIMEOUT_S = 10
"""Read timeout of SubmitJob; after it, the job is looked for with ListJobs."""


class Clients:
    """boto3 clients, each created on first use.

    Raises:
        BadInput: the profile does not exist, or no Region is configured.
    """

    def __init__(self, profile: str | None = None, region: str | None = None) -> None:
        self._profile, self._region = profile, region

    @property
    def asked(self) -> tuple[str | None, str | None]:
        """The profile and Region given by the user."""
        return self._profile, self._region

    @cached_property
    def _session(self) -> Any:
        import boto3
        from botocore.exceptions import ProfileNotFound

        # boto3 reads AWS_DEFAULT_REGION only; the other SDKs and the AWS CLI also read AWS_REGION.
        region = self._region or os.environ.get("AWS_REGION")
        try:
            session = boto3.Session(profile_name=self._profile, region_name=region)
        except ProfileNotFound:
            raise BadInput(
                f"--profile {self._profile}: no such profile in the AWS configuration files;"
                " aws configure list-profiles shows them"
            ) from None
        if not session.region_name:
            raise BadInput("no AWS Region: give --region, set AWS_REGION, or set a region in the profile")
        return session

    def _client(
        self, service: str, attempts: int = 4, read_timeout_s: int = READ_TIMEOUT_S, region: str | None = None
    ) -> Any:
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": attempts},
            user_agent_extra="hpc-batch",
            max_pool_connections=32,
        )
        return self._session.client(service, config=config, region_name=region)

    @cached_property
    def batch(self) -> BatchClient:
        return self._client("batch")

    @cached_property
    def batch_once(self) -> BatchClient:
        """Sends each request at most once. SubmitJob has no client token, so a retry may submit a second job
        (https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html)."""
        return self._client("batch", attempts=1, read_timeout_s=SEND_TIMEOUT_S)

    @cached_property
    def s3(self) -> S3Client:
        return self._client("s3")

    def ecr(self, region: str) -> Any:
        """Return an ECR client for a Region; an image may be in a Region other than the environment's."""
        return self._client("ecr", region=region)

    @cached_property
    def ssm(self) -> SSMClient:
        return self._client("ssm")

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        return self._client("logs")


@contextmanager
def translate_aws_errors() -> Generator[None]:
    """Translate botocore's exceptions into messages with a next step.

    Raises:
        HpcError: AWS or the network refused.
    """
    try:
        yield
    except Exception as error:
        message = _message(error)
        if message is None:
            raise
        raise HpcError(message) from None


def _message(error: Exception) -> str | None:
    """Return the message for an exception of botocore, None for any other exception."""
    if "botocore" not in sys.modules:  # slow to import, and a module that is not loaded raised nothing
        return None
    from botocore import exceptions

    match error:
        case exceptions.NoCredentialsError() | exceptions.PartialCredentialsError():
            message = "no AWS credentials: log in (aws sso login), set AWS_PROFILE or give --profile"
        case exceptions.TokenRetrievalError() | exceptions.SSOTokenLoadError() | exceptions.UnauthorizedSSOTokenError():
            message = "the AWS login has expired: run aws sso login, then repeat the command"
        case exceptions.ClientError():
            message = _client_error(error)
        case exceptions.EndpointConnectionError() | exceptions.HTTPClientError():
            message = f"AWS cannot be reached: {error}; check the network, the Region and AWS_ENDPOINT_URL"
        case exceptions.BotoCoreError():
            message = f"AWS SDK: {error}"
        case _:
            message = None
    return message


def _client_error(error: exceptions.ClientError) -> str:
    details = error.response.get("Error", {})
    code = error_code(error)
    text = f"AWS refused {error.operation_name}: {code}: {details.get('Message', '')}"
    if code in ("ExpiredToken", "ExpiredTokenException"):
        return text + "; the credentials have expired: log in again, then repeat the command"
    if code in ("RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture", "InvalidSignatureException"):
        return text + "; the clock of this machine or the secret key is wrong: correct it, then repeat the command"
    if code in ("AccessDenied", "AccessDeniedException"):
        policy = "developer" if error.operation_name == "RegisterJobDefinition" else "submitter"
        return text + f"; ask the platform team to attach the project's {policy} policy to your role"
    return text


def error_code(error: exceptions.ClientError) -> str:
    """Return the error code of an AWS answer, empty if it has none."""
    return error.response.get("Error", {}).get("Code", "")
