"""``sandbox promote`` and ``sandbox keys``."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from sandbox.cli.options import Call, add_common_options

NOT_COVERED_STATUS = 1


@click.command()
@click.option("--diff", "which", metavar="ID", help="The diff, by the beginning of its id; default: the last.")
@click.option("--reason", metavar="TEXT", help="Why a diff outside the gate is accepted.")
@click.option("--check", "ref", metavar="REF", help="Check instead whether a record covers this version.")
@click.option(
    "--keys",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="With --check: the trusted keys; default: sandbox.keys at the recorded baseline commit.",
)
@add_common_options
def promote(call: Call, *, which: str | None, reason: str | None, ref: str | None, keys: Path | None) -> int:
    """Sign a record of the last diff, for a deploy job to check.

    The record is an in-toto attestation: both versions, lock, stack, sample, rules, verdict and figures. With --check,
    exits 0 if a record signed by a trusted key covers the version's code, lock and rules, and 1 if none does.
    """
    from sandbox.commands.promotion import promote as command  # noqa: PLC0415 - heavy, and --help does not need it

    if ref is None:
        if keys is not None:
            raise click.UsageError("--keys goes with --check")
        written = command.promote(call.load_project(), which=which, reason=reason)
        call.print(
            written, lambda: f"promoted {written.diff} ({written.verdict}), signed by {written.key_id}: {written.path}"
        )
        return 0
    if which is not None or reason is not None:
        raise click.UsageError("--check looks for any record of the version; --diff and --reason do not go with it")
    result = command.check_promotion(call.load_project(), ref, keys=keys)
    hint = "" if result.is_covered else f"\njudge it: sandbox diff --candidate {ref}, then: sandbox promote"
    call.print(
        result,
        lambda: f"{ref} is {'covered' if result.is_covered else 'not covered'}: {result.coverage.reason}{hint}",
    )
    return 0 if result.is_covered else NOT_COVERED_STATUS


@click.command()
@click.argument("action", type=click.Choice(["list", "add", "remove"]), default="list")
@click.argument("key", required=False)
@click.option("--name", default=getpass.getuser, help="The name of this installation's own key; default: the user.")
@add_common_options
def keys(call: Call, *, action: str, key: str | None, name: str) -> None:
    """List the public keys whose records count (sandbox.keys), add one, or remove one.

    `add` without KEY adds the key of this installation. KEY is a line as shown by `list`; for `remove`, a name or an id.
    """
    from sandbox.commands.promotion import keys as command  # noqa: PLC0415 - heavy, and --help does not need it

    project = call.load_project()
    if action == "list":
        if key is not None:
            raise click.UsageError("list takes no key")
        result = command.list_keys(project, name=name)
    elif action == "add":
        result = command.add_key(project, key, name=name)
    elif key is None:
        raise click.UsageError("name the key to remove")
    else:
        result = command.remove_key(project, key, name=name)
    lines = [f"{trusted.key_id}  {trusted.line}" for trusted in result.keys] or ["no key is trusted yet"]
    call.print(result, lambda: "\n".join([*lines, f"own key: {result.own.key_id}  {result.own.line}"]))
