"""Figures for Prometheus: of the whole installation, or of one environment."""
