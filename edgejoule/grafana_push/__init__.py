"""Brings a running Grafana up to date over its documented HTTP API, by uid and without doing anything twice."""
