"""Checks of relations between resources, and others that Guard cannot express. Importing this registers all of them."""

from hpc_constructs.rules.relations import compute, definitions, efa, file_systems, launch, network, queues, roles

__all__ = ["compute", "definitions", "efa", "file_systems", "launch", "network", "queues", "roles"]
