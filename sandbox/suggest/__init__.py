"""Propose settings for a source from its tables' contents."""

from sandbox.suggest.propose import build_proposal
from sandbox.suggest.resolve import Proposal
from sandbox.suggest.tables import SuggestedKey, SuggestedReference, SuggestedTable

__all__ = ["Proposal", "SuggestedKey", "SuggestedReference", "SuggestedTable", "build_proposal"]
