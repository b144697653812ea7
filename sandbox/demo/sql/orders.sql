-- One year's orders, numbered as they came in. Orders that the call centre took before May 2023 have no status.
create or replace temp table orders_made as
with numbered as (
    select
        row_number() over (order by day, second_of_day, seed) as order_number,
        *,
        draw(seed, 41) % 1000 as in_channel,
        draw(seed, 42) % 1000 as in_status
    from placed
    where year(day) = getvariable('year')
)
select
    getvariable('orders_before') + order_number as order_id,
    cast(getvariable('year') as integer) as order_year,
    cast(order_number as integer) as order_number,
    customer_id,
    segment,
    price_level,
    cast(day as timestamp) + to_seconds(second_of_day) as ordered_at,
    case
        when in_channel < 60 then 'phone' when in_channel < 150 then 'store' when in_channel < 470 then 'app' else 'web'
    end as channel,
    case
        when in_channel < 60 and day < date '2023-05-01' then null
        when in_status < 25 then 'cancelled'
        when in_status < 65 then 'refunded'
        when day >= date '2026-09-24' and in_status < 600 then 'open'
        else 'completed'
    end as status,
    currency,
    case
        when in_channel >= 60 and in_channel < 150 then null
        when draw(seed, 43) % 100 < 40 then 0 else 490
    end * price_level // 100 as shipping_cents,
    if(draw(seed, 44) % 100 < 11, ['WELCOME', 'SPRING', 'SORRY', 'FRIENDS'][1 + draw(seed, 45) % 4], null) as voucher
from numbered;
