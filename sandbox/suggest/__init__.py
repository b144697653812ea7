"""What a ``sandbox.toml`` could say about a source: proposed from what its tables hold."""

from sandbox.suggest.propose import proposed
from sandbox.suggest.resolve import Proposal
from sandbox.suggest.tables import Found, FoundKey, FoundReference

__all__ = ["Found", "FoundKey", "FoundReference", "Proposal", "proposed"]
