"""Clinical audit: measures by organisation, area, group and month, with their intervals and signals.

What belongs here: the table `audit_measure` and its pages. What does not: code lists (`codes`), and the arithmetic of
control charts (`xmr`).
"""
