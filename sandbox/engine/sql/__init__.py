"""Types, predicates and dialects of SQL, without a connection."""
