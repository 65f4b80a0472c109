"""Learning from unlabelled pictures: which pseudo labels count, and rounds of mining them."""
