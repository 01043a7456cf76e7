"""The shipped detectors, one a file, each with `DETECTOR` at its end."""
