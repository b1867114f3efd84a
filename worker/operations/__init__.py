"""The HTTP endpoints of a worker for supervisors and operators: health, metrics, figures and their page."""
