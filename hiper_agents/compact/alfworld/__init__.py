"""How the compact agent reads ALFWorld: memory, options, encoding, vocabulary."""
