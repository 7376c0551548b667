"""Names of the stacks, without loading the CDK."""

from __future__ import annotations


def stack_name(environment: str, part: str) -> str:
    """Return the name of one stack of an environment: `HpcDevFoundation` for `dev` and `Foundation`."""
    return "Hpc" + "".join(word.capitalize() for word in environment.split("-")) + part
