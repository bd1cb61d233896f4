"""Transactions: the ambient one, its savepoints, and their ends: changes that are undone, receivers that are called."""
