"""Forgetting a person: out of the landing, every table, every snapshot, and the proof that nothing is left.

What belongs here: the order of the work over all stages. What does not: who was forgotten (`govern.forgotten`), and how
a delivered file is read (`extract`).
"""
