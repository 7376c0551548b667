"""A session: AWS clients and the environment that they reach, both read lazily."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from hpc.aws import environment
from hpc.aws.clients import Clients, translate_aws_errors
from hpc.aws.environment import Environment
from hpc.aws.environment_cache import EnvironmentCache


@dataclass(frozen=True)
class Session:
    """What every command needs: clients, and what the environment published."""

    clients: Clients
    name: str | None
    """Of the environment; None: the only one of the account and Region."""

    @cached_property
    def environment(self) -> Environment:
        """The published objects of the environment."""
        with translate_aws_errors():
            return environment.read(lambda: self.clients.ssm, self.name, self._published)

    @cached_property
    def _published(self) -> EnvironmentCache:
        return EnvironmentCache.of(self.name, *self.clients.asked)

    def refresh(self) -> None:
        """Read the environment again when it is next needed."""
        self._published.forget()
        self.__dict__.pop("environment", None)

    def renew(self) -> None:
        """Read the environment again if it came from the cache: a submission must rest on what is deployed now."""
        if self.environment.remembered:
            self.refresh()
