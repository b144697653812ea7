"""``python -m sandbox``."""

from sandbox.cli import entry

if __name__ == "__main__":
    entry()
