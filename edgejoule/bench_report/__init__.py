"""The report of a bench: what it says (``content``), and how it looks on a terminal, in Markdown and in HTML."""
