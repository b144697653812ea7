-- Products: the lower the number, the better it sells.
create temp table products_made as
select
    number,
    1000 + number as product_id,
    ['Compact', 'Classic', 'Nordic', 'Urban', 'Solid', 'Light', 'Alpine', 'Studio'][1 + draw(number, 21) % 8] || ' '
    || ['lamp', 'chair', 'kettle', 'backpack', 'notebook', 'blanket', 'speaker', 'bottle', 'shelf', 'clock']
        [1 + number % 10] || ' ' || number as name,
    ['lighting', 'furniture', 'kitchen', 'travel', 'office', 'textiles', 'audio', 'kitchen', 'furniture', 'home']
        [1 + number % 10] as category,
    -- From 4.95 up, most of them cheap, few of them above 300.
    495 + 100 * (spread(draw(number, 22), 30) + 9000 // (30 + spread(draw(number, 23), 1200))) as cents,
    if(draw(number, 24) % 100 < 6, null, 50 + spread(draw(number, 25), 12000)) as weight_grams,
    if(draw(number, 26) % 100 < 4, date '2024-01-01' + cast(spread(draw(number, 27), 900) as integer), null)
        as discontinued_on
from range(1, getvariable('products') + 1) as r(number);
