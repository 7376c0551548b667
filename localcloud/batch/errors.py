"""The two errors of the API (https://docs.aws.amazon.com/batch/latest/APIReference/CommonErrors.html)."""


class BatchError(Exception):
    """The service refuses a call."""

    code = "ClientException"
    status = 400


class NotModelledError(BatchError):
    """The service may accept the call, but the local cloud does not model its effect; it ignores nothing silently."""

    status = 501

    def __init__(self, what: str) -> None:
        super().__init__(f"The local cloud does not model {what}. See `python -m localcloud --help`.")
