"""What ``sandbox why`` stores."""
