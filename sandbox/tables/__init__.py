"""Tables that lie as files on this machine: which files are a table, and how the query engine reads them."""
