"""Programs run inside the sandbox by the stack's own Python; they import no sandbox modules."""
