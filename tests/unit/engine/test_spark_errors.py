"""Errors of Spark, as its versions 4 print them, are translated to their cause."""

from __future__ import annotations

import pytest

from sandbox.engine.spark.cluster import SparkEndpoint, _convert_error

JOB = """An error occurred while calling o74.getResult.
: org.apache.spark.SparkException: Exception thrown in awaitResult:
Caused by: org.apache.spark.SparkException: Job aborted due to stage failure: Task 1 in stage 0.0 failed 4 times, most recent \
failure: Lost task 1.3 in stage 0.0 (TID 2) (10.0.0.7 executor 1): """
LOST = "ExecutorLostFailure (executor 3 exited caused by one of the running tasks) Reason: "
HEAP = "java.lang.OutOfMemoryError: Java heap space"
CONTAINER = LOST + "Container from a bad node. Exit status: 137."
READ = "org.apache.spark.SparkException: [FAILED_READ_FILE.{}] Encountered error while reading file file:///lake/a.parquet. "
MISSING = READ.format("FILE_NOT_EXIST") + "File does not exist."
DAMAGED = READ.format("NO_HINT")


@pytest.mark.parametrize(
    ("text", "words", "lost"),
    [
        (JOB + HEAP, "executor of Spark at sc://a ran out of memory", True),
        (JOB + CONTAINER, "ran out of memory", True),
        (JOB + LOST + "Command exited with code 143", "lost executors repeatedly", True),
        ("An exception was thrown from the Python worker:\nMemoryError", "ran out of memory", True),
        (
            JOB + "org.apache.spark.SparkException: Python worker exited unexpectedly (crashed).",
            "Python of an executor",
            True,
        ),
        ("An error occurred while calling o96.getResult", "Spark's process on this machine ended", True),
        ("[Errno 111] Connection refused", "Spark's process on this machine ended", True),
        (
            JOB + "com.amazonaws.AmazonS3Exception: Please reduce your request rate. (Status Code: 503)",
            "fewer requests",
            True,
        ),
        (
            JOB + MISSING,
            r"does not see a file of the source: \[FAILED_READ_FILE\.FILE_NOT_EXIST\] .* file:///lake/a\.parquet",
            False,
        ),
        (JOB + DAMAGED, r"cannot read a file of the source: \[FAILED_READ_FILE\.NO_HINT\]", False),
        (
            JOB + "java.lang.ArithmeticException: the value Jane",
            "failed: RuntimeError; its message is not shown",
            False,
        ),
    ],
)
def test_an_error_is_translated_to_its_cause(text: str, words: str, lost: bool) -> None:
    """A draw goes on where it was if the files are not at fault."""
    error = _convert_error(RuntimeError(text), SparkEndpoint(remote="sc://a", master=""))
    with pytest.raises(type(error), match=words):
        raise error
    assert error.lost == lost
    assert "Jane" not in error.message


CANARY = "zqcanary"


@pytest.mark.parametrize(
    "text",
    [
        '[CAST_INVALID_INPUT] The value \'zqcanary UNAVAILABLE\' of the type "STRING" cannot be cast to "BIGINT"',
        "[CAST_INVALID_INPUT] The value zqcanary FAILED_READ_FILE of the type STRING cannot be cast",
        JOB + 'java.lang.NumberFormatException: For input string: "zqcanary Connection refused"',
        JOB + "pyarrow.lib.ArrowInvalid: could not convert 'zqcanary: ModuleNotFoundError' with type str",
        "[CONVERSION_INVALID_INPUT] The value `zqcanary AccessDenied` cannot be converted",
        JOB + "ValueError: zqcanary",
        "[DUPLICATED_MAP_KEY] Duplicate map key zqcanary PERMISSION_DENIED was found",
        "[FAILED_READ_FILE.PARQUET_COLUMN_DATA_TYPE_MISMATCH] Encountered error while reading file a.parquet: 'zqcanary'",
    ],
)
def test_no_value_of_a_row_is_shown_whatever_words_it_holds(text: str) -> None:
    error = _convert_error(RuntimeError(text), SparkEndpoint(remote="sc://a", master=""))
    assert CANARY not in error.message + error.hint
    assert not error.lost, "words of a value are no lost executor"
