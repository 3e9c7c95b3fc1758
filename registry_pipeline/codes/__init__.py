"""Code lists: which clinical codes mean a thing, each list with its source.

What belongs here: reading and checking lists (`lists/*.csv` and a deployment's own), and naming what the codes of a
registry mean. What does not: what is made of a meaning (`risk`, `care`, `audit`).
"""
