"""The scenarios for the official Python SDK; they run under openai 2.x and 3.x and need nothing else."""
