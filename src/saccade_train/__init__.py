"""The workshop: trains, distils, exports and imports what :mod:`saccade` runs."""
