"""Read versions of the pipeline's code from git without changing the user's repository."""
