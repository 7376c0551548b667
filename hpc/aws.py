"""Clients for the services that the runtime uses, and AWS's refusals in words."""

from __future__ import annotations

import os
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
"""For the answer of SubmitJob; after that it is looked for."""


class Clients:
    """boto3 clients, each made when first used.

    Raises:
        BadInput: the profile does not exist, or no Region is configured.
    """

    def __init__(self, profile: str | None = None, region: str | None = None) -> None:
        self._profile, self._region = profile, region

    @cached_property
    def _session(self) -> Any:
        import boto3
        from botocore.exceptions import ProfileNotFound

        # boto3 reads AWS_DEFAULT_REGION only; the other SDKs and the AWS CLI's documentation know AWS_REGION too.
        region = self._region or os.environ.get("AWS_REGION")
        try:
            session = boto3.Session(profile_name=self._profile, region_name=region)
        except ProfileNotFound:
            raise BadInput(f"--profile {self._profile}: no such profile in the AWS configuration files") from None
        if not session.region_name:
            raise BadInput("no AWS Region: give --region, or set AWS_REGION, or a region in the profile")
        return session

    def _client(self, service: str, attempts: int = 4, read_timeout_s: int = READ_TIMEOUT_S) -> Any:
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": attempts},
            user_agent_extra="hpc-batch",
            max_pool_connections=32,
        )
        return self._session.client(service, config=config)

    @cached_property
    def batch(self) -> BatchClient:
        return self._client("batch")

    @cached_property
    def batch_once(self) -> BatchClient:
        """Sends a request at most once: for SubmitJob, which has no client token, so that a blind retry may
        submit twice (https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html)."""
        return self._client("batch", attempts=1, read_timeout_s=SEND_TIMEOUT_S)

    @cached_property
    def s3(self) -> S3Client:
        return self._client("s3")

    @cached_property
    def ssm(self) -> SSMClient:
        return self._client("ssm")

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        return self._client("logs")


@contextmanager
def in_words() -> Generator[None]:
    """Turn botocore's exceptions into messages with a next step.

    Raises:
        HpcError: whatever AWS or the network refused.
    """
    from botocore import exceptions

    try:
        yield
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
        raise HpcError("no AWS credentials: log in (aws sso login), or set AWS_PROFILE or give --profile") from None
    except (exceptions.TokenRetrievalError, exceptions.SSOTokenLoadError, exceptions.UnauthorizedSSOTokenError):
        raise HpcError("the AWS login has expired: run aws sso login, then repeat the command") from None
    except exceptions.ClientError as error:
        raise HpcError(_client_error(error)) from None
    except (exceptions.EndpointConnectionError, exceptions.HTTPClientError) as error:
        raise HpcError(f"AWS cannot be reached: {error}; check the network, the Region and AWS_ENDPOINT_URL") from None
    except exceptions.BotoCoreError as error:
        raise HpcError(f"AWS SDK: {error}") from None


def _client_error(error: exceptions.ClientError) -> str:
    details = error.response.get("Error", {})
    code = error_code(error)
    text = f"AWS refused {error.operation_name}: {code}: {details.get('Message', '')}"
    if code in ("ExpiredToken", "ExpiredTokenException"):
        return text + "; the credentials have expired: log in again, then repeat the command"
    if code in ("RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture", "InvalidSignatureException"):
        return text + "; the clock of this machine or the secret key is wrong: set the clock, then repeat the command"
    if code in ("AccessDenied", "AccessDeniedException"):
        return text + "; the platform team attaches the project's submitter policy to your role"
    return text


def error_code(error: exceptions.ClientError) -> str:
    """Return AWS's code of an error."""
    return error.response.get("Error", {}).get("Code", "")
