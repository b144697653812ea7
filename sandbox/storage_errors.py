"""Tell the failures of files, buckets and networks apart, and repeat attempts whose failure passes by itself."""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")
RETRY_SECONDS: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
"""The pauses between attempts; each is shortened at random, so that concurrent readers do not return together."""


@dataclass(frozen=True, kw_only=True)
class StorageFailure:
    """A kind of failure.

    Attributes:
        signs: Pattern of its messages.
        reason: The cause, for messages.
        hint: The remedy.
        passes: Whether the same attempt may succeed later without a change.
        keeps_data: Whether the data are still there unchanged, so that a draw can continue once the cause is gone.
    """

    signs: str
    reason: str
    hint: str
    passes: bool = False
    keeps_data: bool = True


THROTTLED = StorageFailure(
    signs=r"SLOW_?DOWN|THROTTL|REQUEST_LIMIT_EXCEEDED|RESOURCE_EXHAUSTED|TooManyRequests|ServerBusy|HTTP status (429|503)",
    reason="it asks for fewer requests",
    hint="wait a little, or read it when fewer programs do",
    passes=True,
)
MISSING = StorageFailure(
    signs=r"NO_SUCH_KEY|RESOURCE_NOT_FOUND|Path does not exist|No such file or directory|HTTP status 404",
    reason="it is not there any more",
    hint="draw again: what is there then is read",
    keeps_data=False,
)
UNREACHABLE = StorageFailure(
    signs=(
        r"NETWORK_CONNECTION|INTERNAL_FAILURE|UNAVAILABLE|Could not resolve|CURL error|curlCode|HTTP status 5\d\d|REQUEST_TIMEOUT|"
        r"timed out|Timeout was reached|Connection (reset|refused|aborted)|Broken pipe|Input/output error|Stale file handle|"
        r"Transport endpoint is not connected|Network is unreachable"
    ),
    reason="it cannot be reached",
    hint="check the address and the network; another endpoint: AWS_ENDPOINT_URL, or ?endpoint_override=",
    passes=True,
)
# The first match decides.
STORAGE_FAILURES = (
    THROTTLED,
    StorageFailure(
        signs=r"Expired_?Token|TOKEN_?EXPIRED|credentials? (has|have) expired|InvalidToken",
        reason="the credentials have expired",
        hint="log in again, or renew AWS_SESSION_TOKEN",
    ),
    StorageFailure(
        signs=(
            r"ACCESS_?DENIED|PERMISSION_DENIED|Permission denied|Operation not permitted|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|"
            r"INVALID_SIGNATURE|UNRECOGNIZED_CLIENT|HTTP status 40[13]"
        ),
        reason="there is no permission",
        hint="check the credentials of the environment (AWS_PROFILE, AWS_ACCESS_KEY_ID and others) and what they may do",
    ),
    StorageFailure(
        signs=r"NO_SUCH_BUCKET|bucket does not exist",
        reason="there is no such bucket",
        hint="make it, or correct its name",
        keeps_data=False,
    ),
    StorageFailure(signs=r"No space left|Disk quota", reason="it is full", hint="free some space there"),
    StorageFailure(
        signs=r"Too many open files", reason="too many files are open", hint="allow more of them: ulimit -n 65536"
    ),
    MISSING,
    UNREACHABLE,
)


def classify_failure(text: str) -> StorageFailure | None:
    """Return the kind of a failure by its message; None for any other, such as damage.

    >>> classify_failure("AWS Error SLOW_DOWN during GetObject operation: ").reason
    'it asks for fewer requests'
    >>> classify_failure("Parquet magic bytes not found in footer") is None
    True
    """
    return next((kind for kind in STORAGE_FAILURES if re.search(kind.signs, text, re.IGNORECASE)), None)


def retry_passing_failures(attempt: Callable[[], Answer]) -> Answer:
    """Return what an attempt returns; repeat it, with growing pauses, while its failure may pass by itself.

    Raises:
        OSError: The last attempt failed, or one failed for a lasting reason.
    """
    for pause in RETRY_SECONDS:
        try:
            return attempt()
        except OSError as error:
            failure = classify_failure(str(error))
            if failure is None or not failure.passes:
                raise
        time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
    return attempt()
