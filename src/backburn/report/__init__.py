"""Reports of a finished run: HTML page, thumbnails, figures, tables and exports."""
