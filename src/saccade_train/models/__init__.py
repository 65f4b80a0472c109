"""Whole networks, by name."""
