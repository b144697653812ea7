-- One row per day and country: orders and revenue, guests' included (their country is not known).
select
    cast(order_values.ordered_at as date) as day,
    coalesce(customers.country, 'unknown') as country,
    count(*) as orders,
    cast(sum(order_values.charged) as decimal(14, 2)) as charged,
    cast(sum(order_values.refunded) as decimal(14, 2)) as refunded,
    cast(sum(order_values.charged + order_values.refunded) as decimal(14, 2)) as revenue
from order_values
left join customers on customers.customer_id = order_values.customer_id
where order_values.status is distinct from 'cancelled'
group by all
order by day, country
