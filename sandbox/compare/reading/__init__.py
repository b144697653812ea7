"""Read two tables so that every value keeps all of its digits, with one type per column for both sides."""
