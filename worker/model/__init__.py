"""The door to the model: which one is asked and when, how a call can end, and what it cost."""
