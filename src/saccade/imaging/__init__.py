"""Pictures: read, resize, prepare, draw, write."""
