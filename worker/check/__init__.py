"""What `python -m worker check` looks at, one room for each kind of trouble."""
