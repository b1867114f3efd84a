"""What is watched: log lines, metrics, traces."""
