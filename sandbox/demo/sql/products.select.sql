select
    product_id, name, category, cast(money(cents) as decimal(10, 2)) as list_price,
    cast(weight_grams as integer) as weight_grams, discontinued_on
from products_made
order by product_id
