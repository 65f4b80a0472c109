"""What Saccade does: image in, result out."""
