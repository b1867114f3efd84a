"""Calls to models: which one is asked and when, how a call can end, and what it costs."""
