"""Stacks: the wiring of constructs into an environment. No resource is defined here."""
