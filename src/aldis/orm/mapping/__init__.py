"""How mapped classes and their instances become rows: read once, used for each of a million."""
