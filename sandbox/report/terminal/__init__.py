"""Render the output of commands for the terminal."""
