"""Support dbt projects: manifest, runs and tests."""
