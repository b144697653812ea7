"""Images and settings of the services."""
