"""Shared care: protocols and their gaps, everybody's care team, and the lists for case conferences.

What belongs here: the tables `care_gap`, `patient_care_team` and `case_conference_list`. What does not: code lists
(`codes`), and risk (`risk`).
"""
