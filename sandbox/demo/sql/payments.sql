-- How one year's orders were paid: charges, attempts that failed, charges made twice or short, refunds (negative).
create or replace temp table payments_made as
with totals as (
    select order_id, sum(quantity * unit_cents) as cents
    from order_items_made
    group by order_id
),
due as (
    select
        o.*,
        t.cents + coalesce(o.shipping_cents, 0) as cents,
        draw(o.order_id, 61) % 10000 as luck,
        case
            when o.segment = 'public' or (o.segment <> 'consumer' and draw(o.order_id, 62) % 10 < 6) then 'invoice'
            else ['card', 'card', 'paypal', 'direct debit', 'gift card'][1 + draw(o.order_id, 63) % 5]
        end as method,
        o.ordered_at + to_minutes(1 + spread(draw(o.order_id, 64), 30)) as charged_at,
        o.ordered_at + to_hours(48 + spread(draw(o.order_id, 65), 900)) as refunded_at
    from orders_made as o
    join totals as t using (order_id)
    where o.status is distinct from 'cancelled'
),
every as (
    select *, 1 as part, 'charge' as kind, 'failed' as outcome, ordered_at as paid_at, cents as amount_cents
    from due where luck < 220
    union all
    select
        *, 2, 'charge', if(status = 'open', 'pending', 'settled'), charged_at,
        if(status = 'completed' and luck between 300 and 309, cents * 97 // 100, cents)
    from due
    union all
    select *, 3, 'charge', 'settled', charged_at + interval 2 minute, cents
    from due where luck between 310 and 324 and status is distinct from 'open'
    union all
    select *, 4, 'refund', 'settled', refunded_at, -cents
    from due where status = 'refunded'
    union all
    select *, 4, 'refund', 'settled', refunded_at, -(cents * (10 + luck % 50) // 100)
    from due where status = 'completed' and luck between 400 and 599
)
select
    order_year || '-' || order_number || '-' || part as payment_id,
    order_id, part, order_year, order_number, kind, outcome, method, currency, amount_cents, paid_at
from every;
