"""Risk stratification: published scores, the locally fitted model, levels and segments of risk.

What belongs here: the table `risk_stratification`, and fitting its model. What does not: code lists (`codes`).
"""
