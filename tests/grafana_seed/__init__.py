"""A fleet's two months for the dashboards: made up, then taken by the real collector into a real InfluxDB 1.6.7.

``python -m tests.grafana_seed --out FILE.json`` writes the dashboards and what every target of theirs answers.
"""
