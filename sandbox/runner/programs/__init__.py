"""Programs that are carried out inside the sandbox, by the stack's own Python: they import nothing of ours."""
