"""The sample store: specification, catalog, fingerprint, verify, push and pull."""
