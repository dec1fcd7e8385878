"""Parts of the report: markup, charts, colours, and the template with its style and script."""
