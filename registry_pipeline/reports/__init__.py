"""The linkage quality report of a night: its figures.

What belongs here: counting what the report says (`figures`), and what such a report has to say (`checklist`). What
does not: the page that shows it (`pages`), estimates of linkage quality (`link` makes them, `release` hands them over),
rules of disclosure (`govern.disclosure`), and signing (`govern.sign_off`).
"""
