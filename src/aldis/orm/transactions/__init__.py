"""Transactions: the ambient one, its savepoints, and what is undone or called when it ends."""
