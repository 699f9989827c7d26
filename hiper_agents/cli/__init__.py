"""The command line `hiper`: one module per command, each a thin layer over a Python call."""
