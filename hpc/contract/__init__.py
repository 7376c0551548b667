"""The contract between stacks, client, container and tests: every name and document that crosses a border, once.

Standard library only: the container imports it before the user's command starts.
"""
