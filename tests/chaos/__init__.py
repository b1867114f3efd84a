"""A house under faults, and what must hold at the end all the same. `make chaos` runs it."""
