"""Render the HTML report and its charts."""
