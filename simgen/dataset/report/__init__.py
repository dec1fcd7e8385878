"""The report of a data set: gathered from its files, drawn as one page with its style and script."""
