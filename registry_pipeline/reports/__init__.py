"""The linkage quality report of a night: its figures, and the page that shows them.

What belongs here: counting what a report says (`figures`), the shape of its content (`content`), charts and page
(`charts`, `page`, `words`, `templates/`). What does not: estimates of linkage quality (`link` makes them, `night` hands
them over), rules of disclosure (`govern.disclosure`), and signing (`govern.sign_off`).
"""
