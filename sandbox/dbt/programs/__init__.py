"""Modules shared by sandbox and the program that calls dbt. Each needs the standard library alone, and no other of them."""
