"""The macros that adapters of warehouses bring beside dbt's own, as far as templates call them."""

from __future__ import annotations

BIGQUERY_MACROS = {
    "bool_or": "bool_or(expression) %}logical_or({{ expression }})",
    "date": "date(year, month, day) %}date({{ year }}, {{ month }}, {{ day }})",
    "date_trunc": "date_trunc(datepart, date) %}timestamp_trunc(cast({{ date }} as timestamp), {{ datepart }})",
    "dateadd": (
        "dateadd(datepart, interval, from_date_or_timestamp) %}"
        "datetime_add(cast({{ from_date_or_timestamp }} as datetime), interval {{ interval }} {{ datepart }})"
    ),
    "datediff": (
        "datediff(first_date, second_date, datepart) %}"
        "datetime_diff(cast({{ second_date }} as datetime), cast({{ first_date }} as datetime), {{ datepart }})"
    ),
    "except": "except() %}except distinct",
    "hash": "hash(field) %}to_hex(md5(cast({{ field }} as string)))",
    "intersect": "intersect() %}intersect distinct",
    "position": "position(substring_text, string_text) %}strpos({{ string_text }}, {{ substring_text }})",
    "safe_cast": "safe_cast(field, type) %}safe_cast({{ field }} as {{ type }})",
    "string_literal": "string_literal(value) %}'''{{ value }}'''",
}
DATABRICKS_MACROS = {
    "concat": "concat(fields) %}concat({{ fields | join(', ') }})",
    "safe_cast": "safe_cast(field, type) %}try_cast({{ field }} as {{ type }})",
}
REDSHIFT_MACROS = {
    "any_value": "any_value(expression) %}min({{ expression }})",
    "length": "length(expression) %}len({{ expression }})",
}
SNOWFLAKE_MACROS = {
    "bool_or": "bool_or(expression) %}boolor_agg({{ expression }})",
    "cast": "cast(field, type) %}cast({{ field }} as {{ type }})",
    "right": (
        "right(string_text, length_expression) %}"
        "case when {{ length_expression }} = 0 then '' else right({{ string_text }}, {{ length_expression }}) end"
    ),
    "safe_cast": "safe_cast(field, type) %}try_cast({{ field }} as {{ type }})",
}
MACROS = {
    "bigquery": BIGQUERY_MACROS,
    "databricks": DATABRICKS_MACROS,
    "redshift": REDSHIFT_MACROS,
    "snowflake": SNOWFLAKE_MACROS,
}
"""By warehouse and name: the macro after its prefix, up to its end."""
_OVERRIDDEN = {
    "bigquery": {
        "array_append", "array_concat", "array_construct", "bool_or", "date", "date_trunc", "dateadd", "datediff", "equals",
        "escape_single_quotes", "except", "hash", "intersect", "listagg", "position", "right", "safe_cast", "split_part",
        "string_literal",
    },
    "databricks": {
        "any_value", "array_append", "array_concat", "array_construct", "bool_or", "concat", "date", "dateadd", "datediff",
        "equals", "escape_single_quotes", "listagg", "safe_cast", "split_part",
    },
    "redshift": {
        "any_value", "array_append", "array_concat", "array_construct", "cast_bool_to_text", "equals", "last_day",
        "length", "listagg", "split_part",
    },
    "snowflake": {"array_construct", "bool_or", "cast", "equals", "escape_single_quotes", "right", "safe_cast"},
}  # fmt: skip
"""dbt's cross-database macros that the adapter has its own of, in dbt-bigquery 1.12, dbt-databricks 1.12, dbt-redshift 1.11 and
dbt-snowflake 1.12; redshift's date macros and split_part of positive parts are dbt's own."""
MISSING_MACROS = {dialect: names - MACROS[dialect].keys() for dialect, names in _OVERRIDDEN.items()}
"""Those that are not here: a template that calls one is refused."""
