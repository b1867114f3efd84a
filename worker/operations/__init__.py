"""What an operator opens on the worker's ports: health, problems, figures, the page."""
