"""Weighbridge workers: run jobs as clients of the hub's HTTP API; no Django models."""
