"""Checks of relations between resources, and of what Guard cannot say. Importing this registers all of them."""

from hpc_constructs.rules.relations import compute, definitions, efa, file_systems, launch, network, queues, roles

__all__ = ["compute", "definitions", "efa", "file_systems", "launch", "network", "queues", "roles"]
