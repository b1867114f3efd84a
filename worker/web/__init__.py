"""`python -m worker web`: the chat page, the HTTP API and exports."""
