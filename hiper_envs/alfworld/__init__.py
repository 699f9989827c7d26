"""ALFWorld: household tasks in text, played by a native engine or by TextWorld."""
