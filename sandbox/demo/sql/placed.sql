-- When each customer orders: a few of them very often (about 1 / rank), some only at first, nobody before signing up;
-- and guests, who are in no list of customers.
create temp table placed as
with slots as (
    select count(*) as total from calendar
),
seen as (
    select
        c.number,
        c.customer_id,
        c.segment,
        c.currency,
        c.price_level,
        coalesce(f.slot, 0) as first_slot,
        s.total - coalesce(f.slot, 0) as remaining,
        s.total,
        -- 2.00 / (u + 0.01), more for companies
        (200::bigint * 2147483629) // (100 * draw(c.number, 31) + 2147483629)
        * case c.segment when 'business' then 2 when 'reseller' then 4 else 1 end as wanted,
        draw(c.number, 35) % 100 < 8 as lapsed
    from customers_made as c
    cross join slots as s
    left join first_slots as f on f.day = c.signed_up
),
frequency as (
    select
        *,
        if(lapsed, least(remaining, total // 30), remaining) as open_slots,
        -- One who lapsed ordered once or twice; one who came late had less time to order.
        if(lapsed, 1 + draw(number, 36) % 2, wanted * remaining // total) as orders
    from seen
),
of_customers as (
    select
        number * 8192 + unnest(range(orders)) as seed, customer_id, segment, currency, price_level,
        first_slot, open_slots
    from frequency
),
of_guests as (
    select
        (getvariable('customers') + 1) * 8192 + number as seed, null as customer_id, 'consumer' as segment,
        'EUR' as currency, 100 as price_level, 0 as first_slot, s.total as open_slots
    from range(getvariable('customers') * 27 // 100) as r(number) cross join slots as s
),
every as (
    select * from of_customers
    union all
    select * from of_guests
)
select
    e.seed,
    e.customer_id,
    e.segment,
    e.currency,
    e.price_level,
    c.day,
    21600 + spread(draw(e.seed, 33), 30600) + spread(draw(e.seed, 34), 30600) as second_of_day
from every as e
join calendar as c on c.slot = e.first_slot + spread(draw(e.seed, 32), e.open_slots);
