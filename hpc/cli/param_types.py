"""Parameter types of the command line: memory sizes and durations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from hpc.units import parse_duration_s, parse_memory_mib

if TYPE_CHECKING:
    _ParamType = click.ParamType[int]
else:
    _ParamType = click.ParamType  # not subscriptable before click 8.4


class Quantity(_ParamType):
    """A memory size or a duration."""

    def __init__(self, name: str, parse: Callable[[str], int]) -> None:
        self.name, self._parse = name, parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return self._parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


MEMORY = Quantity("SIZE", parse_memory_mib)
DURATION = Quantity("TIME", parse_duration_s)
