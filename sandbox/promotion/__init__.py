"""Signed records of accepted changes, and the check that a version is covered by one."""
