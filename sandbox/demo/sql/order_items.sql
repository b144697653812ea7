-- What was in one year's orders: a few products sell most.
create or replace temp table order_items_made as
with counted as (
    select
        order_id, order_year, segment, price_level,
        [1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6, 2][1 + draw(order_id, 51) % 20] as lines
    from orders_made
),
lines as (
    select order_id, order_year, segment, price_level, unnest(range(1, lines + 1)) as line
    from counted
),
drawn as (
    select *, order_id * 8 + line as seed, spread(draw(order_id * 8 + line, 52), 1048576) as popularity
    from lines
)
select
    d.order_id,
    cast(d.line as integer) as line,
    p.product_id,
    cast(
        if(d.segment in ('business', 'reseller'), 1 + draw(d.seed, 53) % 12, 1 + (draw(d.seed, 53) % 10) // 8)
        as integer
    ) as quantity,
    p.cents * (100 + 3 * (d.order_year - 2023)) // 100 * d.price_level // 100
    -- One line in ten was on sale.
    * if(draw(d.seed, 54) % 10 = 0, 80, 100) // 100 as unit_cents
from drawn as d
join products_made as p
    on p.number = 1 + (((d.popularity * d.popularity) >> 20) * d.popularity >> 20) * getvariable('products') // 1048576;
