"""The Hugging Face-compatible HTTP API."""
