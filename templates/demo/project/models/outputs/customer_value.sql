-- One row per customer who ever ordered: what they are worth to us. Cancelled orders do not count.
with valid_orders as (
    select
        customer_id,
        order_id,
        ordered_at,
        charged,
        refunded
    from order_values
    where customer_id is not null
      and status is distinct from 'cancelled'
),

per_customer as (
    select
        customer_id,
        count(order_id) as orders,
        cast(min(ordered_at) as date) as first_order,
        cast(max(ordered_at) as date) as last_order,
        cast(sum(charged) as decimal(14, 2)) as charged,
        cast(sum(refunded) as decimal(14, 2)) as refunded
    from valid_orders
    group by customer_id
)

select
    customers.customer_id,
    customers.country,
    customers.segment,
    per_customer.orders,
    per_customer.first_order,
    per_customer.last_order,
    per_customer.charged,
    per_customer.refunded,
    cast(per_customer.charged + per_customer.refunded as decimal(14, 2)) as lifetime_value
from customers
join per_customer on per_customer.customer_id = customers.customer_id
order by customers.customer_id
