"""Store samples: specification, catalog, fingerprint, verify, push and pull."""
