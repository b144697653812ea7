"""Split a change of the code into parts, and build versions with some of them."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sandbox.errors import PipelineError, UsageError
from sandbox.formatting import format_count
from sandbox.model import CodeVersion
from sandbox.runner.code.checkout import CodeCheckout
from sandbox.runner.code.code_index import CodeIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PartKind = Literal["file", "hunk", "commit"]

MERGED_LINES = 3
"""Changes with at most so many equal lines between them are one hunk."""
REGULAR_MODES = frozenset({"100644", "100755"})


@dataclass(frozen=True, kw_only=True)
class CodePart:
    """A part of a change.

    Attributes:
        path: The file.
        lines: The replaced lines of the baseline's file, as a half-open range from 0; None is the whole file.
        new_lines: The lines of the candidate's file that take their place.
    """

    path: str
    lines: tuple[int, int] | None = None
    new_lines: tuple[int, int] | None = None

    @property
    def label(self) -> str:
        """The name for people: the path, with the candidate's lines, or with the baseline's if they are removed.

        >>> CodePart(path="tax.py", lines=(4, 5), new_lines=(4, 6)).label
        'tax.py:5-6'
        >>> CodePart(path="tax.py", lines=(4, 5), new_lines=(4, 4)).label
        'tax.py:-5'
        """
        if self.lines is None or self.new_lines is None:
            return self.path
        start, end = self.new_lines
        if start == end:
            return f"{self.path}:-{_format_lines(*self.lines)}"
        return f"{self.path}:{_format_lines(start, end)}"


@dataclass(frozen=True, kw_only=True)
class CommitPart:
    """A commit of a change, or the uncommitted changes; ``trees`` are those before and after it."""

    label: str
    trees: tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """A file of a git tree."""

    mode: str
    object_id: str


class CodeChange:
    """The change between two versions of the code.

    Args:
        baseline: The version before.
        candidate: The version after; both stay open.
    """

    def __init__(self, baseline: CodeCheckout, candidate: CodeCheckout) -> None:
        self._candidate = candidate
        candidate.index.scratch.add_objects(baseline.index.scratch.objects)
        self._sides = [self._list_files(code.version.tree) for code in (baseline, candidate)]
        self._base_tree = baseline.version.tree
        self._number = 0

    def list_parts(self, kind: PartKind) -> list[CodePart]:
        """Return the changed files, or the hunks of changed text files and other files whole, by path."""
        changed = sorted(
            path
            for path in self._sides[0].keys() | self._sides[1].keys()
            if self._sides[0].get(path) != self._sides[1].get(path)
        )
        if kind == "file":
            return [CodePart(path=path) for path in changed]
        return [part for path in changed for part in self._split_file(path)]

    def build_version(self, parts: Sequence[CodePart | CommitPart], ref: str) -> CodeCheckout:
        """Build the baseline with these parts of the change alone; commits are applied in their order.

        Raises:
            PipelineError: A commit does not apply without others.
        """
        self._number += 1
        index = CodeIndex(
            location=self._candidate.index.location,
            folder=self._candidate.index.folder,
            scratch=self._candidate.index.scratch,
            name=f"part-{self._number}",
        )
        index.git.run("read-tree", self._base_tree)
        for commit in (part for part in parts if isinstance(part, CommitPart)):
            self._apply_commit(index, commit)
        pieces = [part for part in parts if isinstance(part, CodePart)]
        for path in sorted({part.path for part in pieces}):
            entry = self._build_entry(path, [part for part in pieces if part.path == path])
            record = f"0 {'0' * 40}\t{path}" if entry is None else f"{entry.mode} {entry.object_id}\t{path}"
            index.git.run("update-index", "-z", "--index-info", stdin=os.fsencode(record) + b"\0")
        tree = index.git.run("write-tree").decode().strip()
        version = CodeVersion(ref=ref, commit=None, tree=tree, dirty=True)
        return CodeCheckout(version=version, index=index, project_path=self._candidate.project_path)

    def add_tree(self, code: CodeCheckout) -> str:
        """Return the tree of another open version, and make its objects available."""
        self._candidate.index.scratch.add_objects(code.index.scratch.objects)
        return code.version.tree

    def _apply_commit(self, index: CodeIndex, commit: CommitPart) -> None:
        patch = index.git.run(
            "diff-tree", "-r", "-p", "--binary", "--full-index", "--no-renames", "--no-ext-diff", *commit.trees
        )
        if (
            patch
            and index.git.try_run("apply", "--cached", "--3way", "--whitespace=nowarn", "-", stdin=patch).returncode
        ):
            raise PipelineError(f"{commit.label} does not apply without the other commits")

    def _list_files(self, tree: str) -> Mapping[str, FileEntry]:
        listed = os.fsdecode(self._candidate.index.git.run("ls-tree", "-r", "-z", "--full-tree", tree))
        entries = {}
        for record in listed.split("\0")[:-1]:
            attributes, _, path = record.partition("\t")
            mode, _, object_id = attributes.split(" ")
            entries[path] = FileEntry(mode=mode, object_id=object_id)
        return entries

    def _split_file(self, path: str) -> Iterator[CodePart]:
        entries = [side.get(path) for side in self._sides]
        before, after = (self._read_lines(entry) for entry in entries)
        if (
            before is None
            or after is None
            or entries[0] is None
            or entries[1] is None
            or entries[0].mode != entries[1].mode
        ):
            yield CodePart(path=path)
        else:
            for lines, new_lines in find_hunks(before, after):
                yield CodePart(path=path, lines=lines, new_lines=new_lines)

    def _read_lines(self, entry: FileEntry | None) -> list[bytes] | None:
        """Return the lines of a text file; None for anything else."""
        if entry is None or entry.mode not in REGULAR_MODES:
            return None
        content = self._candidate.index.git.run("cat-file", "blob", entry.object_id)
        return None if b"\0" in content else content.splitlines(keepends=True)

    def _build_entry(self, path: str, parts: Sequence[CodePart]) -> FileEntry | None:
        """Return a file with these parts of its change; None if it is removed."""
        if any(part.lines is None for part in parts):
            return self._sides[1].get(path)
        entry = self._sides[0][path]
        before, after = (self._read_lines(side.get(path)) for side in self._sides)
        assert before is not None
        assert after is not None
        content = b"".join(apply_hunks(before, after, parts))
        object_id = self._candidate.index.git.run("hash-object", "-w", "--stdin", stdin=content).decode().strip()
        return FileEntry(mode=entry.mode, object_id=object_id)


def find_hunks(before: Sequence[bytes], after: Sequence[bytes]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return the ranges of lines that differ; close ones are one hunk.

    >>> find_hunks([b"a", b"b", b"c", b"d", b"e", b"f"], [b"a", b"B", b"c", b"d", b"e", b"f", b"g"])
    [((1, 2), (1, 2)), ((6, 6), (6, 7))]
    """
    hunks: list[tuple[tuple[int, int], tuple[int, int]]] = []
    for tag, start, end, new_start, new_end in difflib.SequenceMatcher(
        None, before, after, autojunk=False
    ).get_opcodes():
        if tag == "equal":
            continue
        if hunks and start - hunks[-1][0][1] <= MERGED_LINES:
            (first, _), (new_first, _) = hunks.pop()
            hunks.append(((first, end), (new_first, new_end)))
        else:
            hunks.append(((start, end), (new_start, new_end)))
    return hunks


def apply_hunks(before: Sequence[bytes], after: Sequence[bytes], parts: Sequence[CodePart]) -> list[bytes]:
    """Return the lines before a change with some of its hunks.

    >>> apply_hunks([b"a", b"b"], [b"A", b"b"], [CodePart(path="x", lines=(0, 1), new_lines=(0, 1))])
    [b'A', b'b']
    """
    lines = list(before)
    for part in sorted(parts, key=lambda part: part.lines or (0, 0), reverse=True):
        assert part.lines is not None
        assert part.new_lines is not None
        lines[slice(*part.lines)] = after[slice(*part.new_lines)]
    return lines


def check_part_count(parts: Sequence[CodePart | CommitPart], most: int) -> None:
    """Check that the parts are few enough to run each alone and each left out.

    Raises:
        UsageError: There are too many.
    """
    if len(parts) > most:
        raise UsageError(
            f"the change has {format_count(len(parts), 'part')}, and each takes two runs",
            hint=f"at most {most} are tried: --by file, or compare commits of the change one by one: git bisect",
        )


def _format_lines(start: int, end: int) -> str:
    return str(start + 1) if end - start == 1 else f"{start + 1}-{end}"
