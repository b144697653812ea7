"""A dbt project with one model for each thing that can decide an output, and a change of each thing."""

from __future__ import annotations

from dataclasses import dataclass, field

ROWS = 60_000
FILES = {
    "dbt_project.yml": """\
name: shop
version: "1.0"
profile: warehouse
vars: {divisor: 100, chosen: base_a}
models:
  shop: {+materialized: table}
seeds:
  shop: {+column_types: {id: integer}}
""",
    "profiles.yml": "warehouse: {target: prod, outputs: {prod: {type: duckdb, path: x.duckdb}}}\n",
    "packages.yml": "packages: [{local: packages/kit}]\n",
    "dbt_packages/kit/dbt_project.yml": "name: kit\nversion: '1.0'\nvars: {kit: {factor: 3}}\n",
    "dbt_packages/kit/macros/scale.sql": "{% macro scale(column) %} ({{ column }} * 3) {% endmacro %}\n",
    "dbt_packages/kit/models/of_its_variable.sql": "select {{ var('factor') }} as factor\n",
    "models/sources.yml": "sources: [{name: raw, schema: raw, tables: [{name: orders}, {name: returns}]}]\n",
    "models/base_a.sql": "select id, amount from {{ source('raw', 'orders') }}\n",
    "models/of_variable.sql": "select id, amount / {{ var('divisor') }} as amount from {{ ref('base_a') }}\n",
    "models/of_environment.sql": "select id, '{{ env_var('REGION') }}' as region from {{ ref('base_a') }}\n",
    "models/of_package.sql": "select id, {{ kit.scale('amount') }} as amount from {{ ref('base_a') }}\n",
    "models/of_hidden_macro.sql": "{% set name = 'double' %}select {% if execute %}{{ context['my_' ~ name]('id') }}{% else %}1{% endif %} as id from {{ ref('base_a') }}\n",
    "macros/my_double.sql": "{% macro my_double(column) %} ({{ column }} * 2) {% endmacro %}\n",
    "models/of_dispatch.sql": "select {{ adapter.dispatch('pick', 'shop')('id') }} as id from {{ ref('base_a') }}\n",
    "macros/pick.sql": "{% macro default__pick(column) %} -1 {% endmacro %}{% macro duckdb__pick(column) %} {{ column }} + 1 {% endmacro %}\n",
    "models/of_seed.sql": "select * from {{ ref('big_seed') }}\n",
    "models/of_file.sql": "select * from read_csv('files/*.csv')\n",
    "models/of_named_file.sql": "select count(*) as n from 'files/rates.csv'\n",
    "models/of_hook.sql": "{{ config(post_hook=\"update {{ this }} set id = id + {{ var('divisor') }} where id < 3\") }}\nselect id from {{ ref('base_a') }}\n",
    "models/of_hook_macro.sql": "{{ config(post_hook='{{ correct(this) }}') }}\nselect id from {{ ref('base_a') }}\n",
    "macros/correct.sql": "{% macro correct(relation) %}delete from {{ relation }} where id = 7{% endmacro %}\n",
    "models/written_to.sql": "select id, 0 as n from {{ ref('base_a') }} where id < 10\n",
    "models/writer.sql": "{{ config(post_hook=\"update {{ this.schema }}.written_to set n = 5\") }}\n-- depends_on: {{ ref('written_to') }}\nselect 1 as one\n",
    "models/of_hidden_relation.sql": "-- depends_on: {{ ref('base_b') }}\nselect sum(amount) as amount from main.base_{{ 'b' }}\n",
    "models/base_b.sql": "select id, amount from {{ source('raw', 'orders') }} where id > 5\n",
    "models/of_query.sql": """\
{% set rows = run_query("select max(id) from " ~ ref('base_b')) %}
select {{ rows.columns[0].values()[0] if execute and rows.columns[0].values() | length else 0 }} as n
""",
    "models/of_ephemeral.sql": "select * from {{ ref('passed_through') }}\n",
    "models/passed_through.sql": "{{ config(materialized='ephemeral') }}\nselect id, amount + 1 as amount from {{ ref('base_a') }}\n",
    "models/of_named_parent.sql": "select count(*) as n from {{ ref(var('chosen')) }}\n",
    "models/of_alias.sql": "{{ config(alias='renamed') }}\nselect id from {{ ref('base_a') }}\n",
    "models/of_settings.sql": "{{ config(materialized='incremental', unique_key='id') }}\nselect id from {{ ref('base_a') }}{% if is_incremental() %} where false{% endif %}\n",
    "models/of_clock.sql": "select '{{ run_started_at }} {{ invocation_id }}' as started\n",
    "models/of_python.py": """\
import pandas as pd

def model(dbt, session):
    rates = pd.read_csv("files/rates.csv")
    frame = dbt.ref("base_a").df()
    frame["amount"] = frame["amount"].astype(float) * float(rates["rate"].sum())
    return frame
""",
    "models/of_command.sql": "select {% if flags.WHICH == 'build' %}1{% else %}0{% endif %} as n\n",
    "models/of_source.sql": "select count(*) as n from {{ source('raw', 'returns') }}\n",
    "models/own_kind.sql": "{{ config(materialized='my_table') }}\nselect id from {{ ref('base_a') }}\n",
    "macros/my_table.sql": """\
{% materialization my_table, default %}
  {% set target = this.incorporate(type='table') %}
  {% call statement('main') %}create or replace table {{ target }} as select * from ({{ sql }}) limit 40{% endcall %}
  {{ adapter.commit() }}
  {{ return({'relations': [target]}) }}
{% endmaterialization %}
""",
    "models/off.sql": "{{ config(enabled=false) }} select 1 as off\n",
    "models/unchanged.sql": "select id from {{ ref('base_a') }}\n",
    "models/described.sql": "select id from {{ ref('base_a') }}\n",
    "models/schema.yml": """\
models:
  - name: described
    description: as it was
    columns:
      - name: id
        data_tests: [unique, {larger_than: {arguments: {least: -1}}}]
  - name: unchanged
    columns:
      - name: id
        data_tests:
          - not_null
          - smaller_than: {arguments: {most: 1000000}}
unit_tests:
  - name: doubles
    model: of_hidden_macro
    given: [{input: ref('base_a'), rows: [{id: 4}]}]
    expect: {rows: [{id: 8}]}
""",
    "macros/smaller_than.sql": "{% test smaller_than(model, column_name, most) %}select * from {{ model }} where {{ column_name }} > {{ most }}{% endtest %}\n",
    "macros/larger_than.sql": "{% test larger_than(model, column_name, least) %}select * from {{ model }} where {{ column_name }} <= {{ least }}{% endtest %}\n",
    "tests/few_rows.sql": "select * from {{ ref('unchanged') }} where id > 100000\n",
    "snapshots/orders_snapshot.yml": """\
snapshots:
  - name: orders_snapshot
    relation: ref('base_b')
    config: {unique_key: id, strategy: check, check_cols: [amount]}
""",
    "seeds/big_seed.csv": "id,word\n" + "".join(f"{n},{n:020d}\n" for n in range(ROWS)),
    "files/rates.csv": "currency,rate\nEUR,1\nUSD,2\n",
}


@dataclass(frozen=True, kw_only=True)
class Change:
    """An edit of a project.

    Attributes:
        files: The new contents, by path.
        edits: The replaced texts, by path.
        environment: Changed variables of the environment.
        built: The nodes that are built because of it, besides the ones that are always built.
        failing: The tests that fail because of it.
    """

    files: dict[str, str] = field(default_factory=dict)
    edits: dict[str, tuple[str, str]] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    built: frozenset[str] = frozenset()
    failing: frozenset[str] = frozenset()

    def apply(self, files: dict[str, str]) -> dict[str, str]:
        """Return the files with the edit."""
        changed = {**files, **self.files}
        for path, (old, new) in self.edits.items():
            assert old in changed[path], path
            changed[path] = changed[path].replace(old, new)
        return changed


ALWAYS_BUILT = frozenset({"of_hidden_macro", "of_query", "of_command", "own_kind"})
"""Their templates ask for the context, for rows, for the command; a materialization of their own may do anything."""
CHANGES = {
    "nothing": Change(files={"models/note.md": "A note.\n"}),
    "a description": Change(edits={"models/schema.yml": ("as it was", "as it is")}),
    "a variable": Change(
        edits={"dbt_project.yml": ("divisor: 100", "divisor: 10")},
        built=frozenset({"of_variable", "of_hook"}),
    ),
    "a parent named by a variable": Change(
        edits={"dbt_project.yml": ("chosen: base_a", "chosen: base_b")},
        built=frozenset({"of_named_parent"}),
    ),
    "the environment": Change(
        environment={"REGION": "north"},
        built=frozenset({"of_environment"}),
    ),
    "a macro of a package": Change(
        edits={"dbt_packages/kit/macros/scale.sql": (" * ", " + ")}, built=frozenset({"of_package"})
    ),
    "a variable of a package": Change(
        edits={"dbt_packages/kit/dbt_project.yml": ("factor: 3", "factor: 4")},
        built=frozenset({"of_its_variable"}),
    ),
    "a macro called by a computed name": Change(
        edits={"macros/my_double.sql": ("* 2", "* 3")}, failing=frozenset({"doubles"})
    ),
    "a dispatched macro": Change(edits={"macros/pick.sql": ("+ 1", "+ 2")}, built=frozenset({"of_dispatch"})),
    "a row of a large seed": Change(
        edits={"seeds/big_seed.csv": ("\n59999,", "\n60001,")}, built=frozenset({"big_seed", "of_seed"})
    ),
    "a file": Change(
        edits={"files/rates.csv": ("USD,2", "USD,4\nCHF,5")},
        built=frozenset({"of_file", "of_named_file", "of_python"}),
    ),
    "another file": Change(files={"files/more.csv": "currency,rate\nGBP,9\n"}, built=frozenset({"of_file"})),
    "a hook": Change(edits={"models/of_hook.sql": ("id < 3", "id < 4")}, built=frozenset({"of_hook"})),
    "a macro of a hook": Change(edits={"macros/correct.sql": ("id = 7", "id = 8")}, built=frozenset({"of_hook_macro"})),
    "a hook that writes to another model": Change(
        edits={"models/writer.sql": ("n = 5", "n = 6")}, built=frozenset({"writer", "written_to"})
    ),
    "a model that is read by its name alone": Change(
        edits={"models/base_b.sql": ("id > 5", "id > 6 and id < 39000")},
        built=frozenset({"base_b", "of_hidden_relation", "orders_snapshot"}),
    ),
    "an ephemeral model": Change(
        edits={"models/passed_through.sql": ("+ 1", "+ 2")}, built=frozenset({"of_ephemeral"})
    ),
    "an alias": Change(edits={"models/of_alias.sql": ("'renamed'", "'named'")}, built=frozenset({"of_alias"})),
    "a configuration": Change(
        edits={"models/of_settings.sql": ("'incremental', unique_key='id'", "'view'")}, built=frozenset({"of_settings"})
    ),
    "a model in Python": Change(
        edits={"models/of_python.py": ('rates["rate"].sum()', 'rates["rate"].max()')}, built=frozenset({"of_python"})
    ),
    "the command's branch": Change(edits={"models/of_command.sql": ("}1{", "}2{")}),
    "a materialization": Change(edits={"macros/my_table.sql": ("limit 40", "limit 30")}),
    "a source": Change(
        edits={"models/sources.yml": ("name: returns", "name: returns, identifier: orders")},
        built=frozenset({"of_source"}),
    ),
    "a snapshot": Change(
        edits={"snapshots/orders_snapshot.yml": ("[amount]", "[amount], hard_deletes: new_record")},
        built=frozenset({"orders_snapshot"}),
    ),
    "the arguments of a test": Change(
        edits={"models/schema.yml": ("most: 1000000", "most: 1000")},
        failing=frozenset({"smaller_than_unchanged_id__1000"}),
    ),
    "the macro of a test": Change(
        edits={"macros/larger_than.sql": (" <= ", " > ")}, failing=frozenset({"larger_than_described_id___1"})
    ),
    "a test of its own": Change(
        edits={"tests/few_rows.sql": ("id > 100000", "id > 100")}, failing=frozenset({"few_rows"})
    ),
    "a seed's types": Change(
        edits={"dbt_project.yml": ("id: integer", "id: bigint")}, built=frozenset({"big_seed", "of_seed"})
    ),
    "dispatch": Change(
        edits={"dbt_project.yml": ("profile: warehouse", "profile: warehouse\ndispatch: [{macro_namespace: dbt, search_order: [shop, dbt]}]")},
        built=frozenset({"*"}),
    ),
    "a hook around every build": Change(
        edits={"dbt_project.yml": ("profile: warehouse", "profile: warehouse\non-run-start: [\"set timezone = 'UTC'\"]")},
        built=frozenset({"*"}),
    ),
}  # fmt: skip
"""Each with a name; ``*`` stands for every node."""
