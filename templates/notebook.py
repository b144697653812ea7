# A first look at the sample. It is yours: change it, or make others beside it.
import marimo

app = marimo.App(width="medium", app_title="The sample")


@app.cell
def _():
    import os
    from pathlib import Path

    import duckdb
    import marimo as mo

    return Path, duckdb, mo, os


@app.cell(hide_code=True)
def _(Path, duckdb, os):
    def quoted(name):
        return '"' + name.replace('"', '""') + '"'

    def files(place):
        pattern = str(place / "*.parquet") if place.is_dir() else str(place)
        return "read_parquet('" + pattern.replace("'", "''") + "', hive_partitioning = false)"

    # Each table of the sample is a view, and `weights` says how many units of production each drawn unit stands for.
    database = duckdb.connect()
    tables = {}
    for place in sorted(Path(os.environ["SANDBOX_SAMPLE"]).iterdir()):
        schema, _, name = place.name.removesuffix(".parquet").rpartition(".")
        view = f"{quoted(schema)}.{quoted(name)}" if schema else quoted(name)
        if schema:
            database.execute(f"create schema if not exists {quoted(schema)}")
        database.execute(f"create view {view} as select * from {files(place)}")
        tables[f"{schema}.{name}" if schema else name] = view
    database.execute("create schema weights")
    units = {}
    for place in sorted(Path(os.environ["SANDBOX_WEIGHTS"]).glob("*.parquet")):
        units[place.stem] = f"weights.{quoted(place.stem)}"
        database.execute(f"create view {units[place.stem]} as select * from {files(place)}")
    return database, tables, units


@app.cell(hide_code=True)
def _(database, mo, tables, units):
    def rows_of(query):
        return database.execute(query).fetchall()

    counted = [
        {
            "table": name,
            "rows": rows_of(f"select count(*) from {view}")[0][0],
            "columns": len(rows_of(f"describe {view}")),
        }
        for name, view in tables.items()
    ]
    drawn = [
        f"{n:,} {unit} stand for {round(total):,} in production."
        for unit, view in units.items()
        for n, total in rows_of(f"select count(*), coalesce(sum(weight), 0) from {view}")
    ]
    mo.vstack(
        [
            mo.md("# The sample"),
            mo.md(" ".join(drawn) or "Every row is here."),
            mo.ui.table(counted, selection=None, pagination=False),
        ]
    )
    return


@app.cell(hide_code=True)
def _(mo, tables):
    table = mo.ui.dropdown(options=list(tables), value=next(iter(tables), None), label="table")
    table
    return (table,)


@app.cell(hide_code=True)
def _(database, mo, table, tables):
    mo.stop(table.value is None)
    summary = database.execute(f"summarize select * from {tables[table.value]}").df()
    rows = database.execute(f"select * from {tables[table.value]} limit 10000").df()
    shown = summary[["column_name", "column_type", "min", "max", "approx_unique", "null_percentage"]]
    mo.vstack([mo.ui.table(shown, selection=None, page_size=30), mo.ui.table(rows, selection=None, page_size=5)])
    return (rows,)


@app.cell(hide_code=True)
def _(mo, rows):
    column = mo.ui.dropdown(options=list(rows.columns), value=rows.columns[-1], label="column")
    column
    return (column,)


@app.cell(hide_code=True)
def _(column, mo, rows):
    import altair as alt

    kind = rows[column.value].dtype.kind
    if kind in "iufM":
        values = rows[[column.value]].set_axis(["value"], axis="columns")
        x = alt.X("value", bin=alt.Bin(maxbins=40) if kind != "M" else None, title=column.value)
        chart = alt.Chart(values).mark_bar().encode(x, alt.Y("count()", title="rows"))
    else:
        top = rows[column.value].astype(str).value_counts().head(20)
        counts = [{"value": value, "rows": int(n)} for value, n in top.items()]
        y = alt.Y("value:N", sort="-x", title=column.value)
        chart = alt.Chart(alt.Data(values=counts)).mark_bar().encode(alt.X("rows:Q"), y)
    mo.ui.altair_chart(chart.properties(height=260, width="container"), chart_selection=False)
    return


@app.cell
def _(database, mo):
    _ = mo.sql("select schema, name, column_names from (show all tables)", engine=database)
    return


if __name__ == "__main__":
    app.run()
