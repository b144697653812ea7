"""What a Dockerfile takes from outside."""

from __future__ import annotations

import pytest

from sandbox.errors import ConfigError
from sandbox.provisioner.images.dockerfile import parse_dockerfile

EVERYTHING = r"""
# syntax=docker/dockerfile:1
ARG BASE
FROM registry.example/team/tools:2 as Tools
RUN echo a \
    # a comment within
 && echo COPY this.txt /is/no/copy
FROM ${BASE}
COPY --chown=1000:1000 requirements.txt ./conf/settings.toml /opt/
COPY --from=tools /bin/x /bin/x
COPY --from=busybox:1.36 /bin/busybox /bin/
ADD ["with space.txt", "/opt/"]
RUN <<END
COPY here.txt /
END
copy lower.txt /
"""


def test_images_and_files_are_found_whatever_they_are_written_like() -> None:
    found = parse_dockerfile("Dockerfile", EVERYTHING)
    assert found.uses_sandbox_base
    assert found.images == ("registry.example/team/tools:2", "busybox:1.36")
    assert found.files == ("conf/settings.toml", "lower.txt", "requirements.txt", "with space.txt")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("RUN true", "has no FROM"),
        ("FROM $OTHER", "named by a variable"),
        ("FROM ${BASE}", "has no value"),
        ("FROM a\nCOPY . /code", "line 2: it copies what is no file beside it"),
        ("FROM a\nCOPY *.txt /code", "is no file beside it"),
        ("FROM a\nCOPY ../secret /code", "is no file beside it"),
        ("FROM a\nADD https://example.org/x.tar /x", "is no file beside it"),
        ("FROM a\nCOPY [broken /x", "are no JSON list"),
    ],
)
def test_what_cannot_be_told_is_refused_by_its_line(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_dockerfile("Dockerfile", text)
