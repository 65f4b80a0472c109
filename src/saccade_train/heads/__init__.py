"""Heads: from feature maps to answers."""
