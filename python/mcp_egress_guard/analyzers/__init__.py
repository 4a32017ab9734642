"""The analyzers, each to be asked alone, with the built-in detectors."""
