"""The contract between stacks, client, container and tests: every shared name and document is defined here once.

Standard library only: the container imports it before the user's command starts.
"""
