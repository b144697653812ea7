select
    order_id, order_year, order_number, customer_id, ordered_at, channel, status, currency,
    cast(money(shipping_cents) as decimal(8, 2)) as shipping, voucher
from orders_made
order by order_id
