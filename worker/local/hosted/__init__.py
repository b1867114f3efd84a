"""A hosted project's manners, before the local API; worker/local/hosted/README.md says which."""
