"""Where the lines of a page go."""
LAYOUTS = {"document": None, "receipt": None, "sign": None}
