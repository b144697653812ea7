"""Spark as the engine that reads a source: a master of its own, a cluster's, or Spark Connect."""
