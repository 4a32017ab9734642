"""Rules: their models, the built-in packs, files and the store."""
