"""Backbones: one family a file, each with feature taps at strides 4, 8, 16, 32."""
