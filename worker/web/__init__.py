"""HTTP: the worker's health, and the chat page."""
