-- One row per order: what it was charged and refunded, in euro.
with rates (currency, euro) as (
    values ('EUR', 1.0000), ('CHF', 1.0600), ('PLN', 0.2340), ('DKK', 0.1340), ('SEK', 0.0880)
),

settled as (
    select
        order_year,
        order_number,
        coalesce(sum(amount) filter (where kind = 'charge'), 0) as charged,
        coalesce(sum(amount) filter (where kind = 'refund'), 0) as refunded
    from payments
    where status = 'settled'
    group by order_year, order_number
)

select
    orders.order_id,
    orders.customer_id,
    orders.ordered_at,
    orders.channel,
    orders.status,
    cast(coalesce(settled.charged, 0) * rates.euro as decimal(12, 2)) as charged,
    cast(coalesce(settled.refunded, 0) * rates.euro as decimal(12, 2)) as refunded
from orders
join rates on rates.currency = orders.currency
left join settled
    on settled.order_year = orders.order_year and settled.order_number = orders.order_number
