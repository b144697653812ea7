select order_id, line, product_id, quantity, cast(money(unit_cents) as decimal(10, 2)) as unit_price
from order_items_made
order by order_id, line
