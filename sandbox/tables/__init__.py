"""Find tables in local files, and read them with the query engine."""
