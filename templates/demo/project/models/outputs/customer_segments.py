"""One row per customer who ever ordered: scores for recency, frequency and value, and the group that follows from them."""

import duckdb
import pandas as pd
import pyarrow as pa


def build(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Score the customers of customer_value against each other."""
    customers = connection.sql("""
        select customer_id, last_order, orders, cast(lifetime_value * 100 as bigint) as cents
        from customer_value
        order by customer_id
    """).df()
    scored = pd.DataFrame(
        {
            "customer_id": customers["customer_id"],
            "recency": score(customers["last_order"]),
            "frequency": score(customers["orders"]),
            "value": score(customers["cents"]),
        }
    )
    scored["segment"] = [segment(row.recency, row.frequency, row.value) for row in scored.itertuples()]
    return pa.Table.from_pandas(scored, preserve_index=False).replace_schema_metadata()


def score(values: pd.Series) -> pd.Series:
    """Give each value the fifth it is in, 5 being the highest; equal values score the same."""
    rank = values.rank(method="max").astype("int64")
    return ((rank * 5 - 1) // max(len(values), 1) + 1).astype("int32")


def segment(recency: int, frequency: int, value: int) -> str:
    """Name what marketing should see in a customer."""
    if recency >= 4 and frequency >= 4 and value >= 4:
        return "champion"
    if recency <= 2 and value >= 4:
        return "at risk"
    if recency >= 4 and frequency <= 2:
        return "promising"
    if recency == 1:
        return "lost"
    return "regular"
