select
    payment_id, order_year, order_number, kind, outcome as status, method, currency,
    cast(money(amount_cents) as decimal(12, 2)) as amount, paid_at
from payments_made
order by order_id, part
