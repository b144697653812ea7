"""Compare the rules of two versions of ``sandbox.toml``: what a change adds, loosens or tightens."""
