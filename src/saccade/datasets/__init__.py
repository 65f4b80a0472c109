"""Labelled pictures on disk, read where they lie."""
