"""Draw a sample on the executors of a Spark cluster."""
