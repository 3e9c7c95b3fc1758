"""The data dictionary for readers: HTML and JSON Schema of every published table, from `tables.py`.

What belongs here: writing both. What does not: what a column is (`tables`).
"""
