"""What a worker does beside answering, again and again."""
