"""DSSE envelopes: a signed payload with its type.

The protocol is DSSE v1.0 of the secure-systems-lab: a signature covers the pre-authentication encoding of type and payload.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

from sandbox.errors import StoreError
from sandbox.manifest.canonical_json import encode_canonical_json
from sandbox.manifest.json_reader import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from sandbox.promotion.signing import PublicKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def encode_for_signing(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding of a payload.

    >>> encode_for_signing("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def sign_statement(statement: dict[str, Any], key: Ed25519PrivateKey, key_id: str) -> str:
    """Return a statement in a signed envelope, as JSON text."""
    payload = encode_canonical_json(statement)
    signature = key.sign(encode_for_signing(PAYLOAD_TYPE, payload))
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": key_id, "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(envelope, indent=1) + "\n"


def open_envelope(text: str, keys: Iterable[PublicKey], *, origin: str) -> tuple[Any, PublicKey | None]:
    """Return the statement of an envelope, and the trusted key that has signed it; None if none has.

    Raises:
        StoreError: It is no envelope.
    """
    fields = parse_json(text, name=f"the promotion record {origin}")
    try:
        payload = base64.b64decode(fields["payload"], validate=True)
        kind = str(fields["payloadType"])
        signatures = [base64.b64decode(one["sig"], validate=True) for one in fields["signatures"]]
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise StoreError(f"the promotion record {origin} is damaged: it is no DSSE envelope") from error
    message = encode_for_signing(kind, payload)
    signer = next((key for key in keys for signature in signatures if key.has_signed(message, signature)), None)
    if kind != PAYLOAD_TYPE:
        raise StoreError(f"the promotion record {origin} holds {kind}, no in-toto statement")
    return parse_json(payload.decode("utf-8", "replace"), name=f"the statement of {origin}"), signer
