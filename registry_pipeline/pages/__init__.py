"""Pages that open offline, for whoever has something to show: their content, charts, words and templates.

What belongs here: the shape of a page's content (`content`), its charts (`charts` by a script of the page; `process`
and `comparison` as SVG that needs none, of `drawing`), its tables (`tables`), how a figure reads (`words`), the frame
that makes one HTML file of it that asks nobody for anything (`shell`, `templates/`), and the linkage report's page
(`page`). What does not: counting what is shown (`reports`, `audit`, `care` and others do), and rules of disclosure
(`govern.disclosure`).
"""
