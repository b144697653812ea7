-- One row per payment that somebody should look at: failed, charged twice, or not what was ordered.
with ordered as (
    select
        orders.order_id,
        orders.order_year,
        orders.order_number,
        orders.customer_id,
        sum(order_items.quantity * order_items.unit_price) + coalesce(any_value(orders.shipping), 0) as amount
    from orders
    join order_items on order_items.order_id = orders.order_id
    group by orders.order_id, orders.order_year, orders.order_number, orders.customer_id
),

charges as (
    select
        *,
        count(*) filter (where status = 'settled') over (
            partition by order_year, order_number order by paid_at, payment_id
        ) as settled_so_far
    from payments
    where kind = 'charge'
),

judged as (
    select
        charges.payment_id,
        ordered.order_id,
        ordered.customer_id,
        charges.method,
        charges.paid_at,
        case
            when charges.status = 'failed' then 'failed'
            when charges.settled_so_far > 1 then 'charged twice'
            when charges.amount <> ordered.amount then 'not what was ordered'
        end as issue,
        charges.currency,
        charges.amount,
        cast(charges.amount - ordered.amount as decimal(12, 2)) as difference
    from charges
    join ordered
        on ordered.order_year = charges.order_year and ordered.order_number = charges.order_number
)

select * from judged where issue is not null order by payment_id
