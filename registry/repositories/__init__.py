"""Repositories and the git objects, refs and commits they are made of."""
