"""What a ``sandbox.toml`` could say about a source: proposed from what its tables hold."""

from sandbox.suggest.propose import build_proposal
from sandbox.suggest.resolve import Proposal
from sandbox.suggest.tables import SuggestedKey, SuggestedReference, SuggestedTable

__all__ = ["Proposal", "SuggestedKey", "SuggestedReference", "SuggestedTable", "build_proposal"]
