"""Weights of other frameworks: read without running any code, and put into our networks."""
