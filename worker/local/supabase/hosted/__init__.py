"""A proxy in front of the local API that imitates a hosted project; README.md beside it lists in what."""
