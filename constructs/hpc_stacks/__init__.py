"""Wiring: which constructs make up an environment. No resource is defined here."""
