"""What a ``sandbox.toml`` could say about a source: proposed from what its tables hold."""

from sandbox.sampler.proposal.found import Declared, Found, FoundKey, FoundReference
from sandbox.sampler.proposal.propose import proposed
from sandbox.sampler.proposal.settled import Proposal

__all__ = ["Declared", "Found", "FoundKey", "FoundReference", "Proposal", "proposed"]
