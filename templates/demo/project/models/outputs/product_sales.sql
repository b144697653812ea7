-- One row per product that was ever sold: pieces, orders, customers.
select
    products.product_id,
    products.name,
    products.category,
    cast(sum(order_items.quantity) as bigint) as pieces,
    count(distinct order_items.order_id) as orders,
    count(distinct orders.customer_id) as customers,
    cast(max(orders.ordered_at) as date) as last_sold
from order_items
join orders on orders.order_id = order_items.order_id
join products on products.product_id = order_items.product_id
where orders.status is distinct from 'cancelled'
group by products.product_id, products.name, products.category
order by products.product_id
