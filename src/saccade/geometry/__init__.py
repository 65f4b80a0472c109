"""Boxes as arrays: pure functions, nothing of ours above them."""
