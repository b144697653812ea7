"""Spark as the query engine for a source: a local master, a cluster, or Spark Connect."""
