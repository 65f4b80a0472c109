"""What only the training of text networks needs."""
