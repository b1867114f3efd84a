"""A hosted project's manners, before the local API. See README.md: written from facts, not from a capture."""
