"""Celery workers that run jobs: clients of the hub's HTTP API, without Django, without the database.

The supervisor (`celery`, `runner`, `supervisor`, `hub`) never imports torch; recipes run in a child process (`child`).
"""
