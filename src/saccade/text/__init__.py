"""Reading text: what turns a network's numbers into boxes, lines and characters, in NumPy."""
