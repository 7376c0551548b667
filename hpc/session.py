"""The AWS clients and the environment that one command or program uses, both loaded on first use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from hpc.aws import environment
from hpc.aws.clients import Clients, translate_aws_errors
from hpc.aws.environment import Environment
from hpc.aws.environment_cache import EnvironmentCache


@dataclass(frozen=True)
class Session:
    """AWS clients and the published description of one environment."""

    clients: Clients
    name: str | None
    """Name of the environment; None: the only one of the account and Region."""

    @cached_property
    def environment(self) -> Environment:
        """The published description of the environment."""
        with translate_aws_errors():
            return environment.read(lambda: self.clients.ssm, self.name, self._published)

    @cached_property
    def _published(self) -> EnvironmentCache:
        return EnvironmentCache.of(self.name, *self.clients.asked)

    def refresh(self) -> None:
        """Discard the cached environment; the next use reads it from AWS."""
        self._published.forget()
        self.__dict__.pop("environment", None)

    def renew(self) -> None:
        """Discard the environment if it came from the cache: a submission needs what is deployed now."""
        if self.environment.remembered:
            self.refresh()
