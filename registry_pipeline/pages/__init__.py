"""Pages that open offline, for whoever has something to show: their content, charts, words and templates.

What belongs here: the shape of a page's content (`content`), its charts (`charts`), how a figure reads (`words`) and how
all of it becomes one HTML file that asks nobody for anything (`page`, `templates/`). What does not: counting what is
shown (`reports`, `audit`, `care` and others do), and rules of disclosure (`govern.disclosure`).
"""
