"""What `python -m worker check` checks: one module for each kind of problem."""
