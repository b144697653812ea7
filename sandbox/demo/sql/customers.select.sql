select customer_id, full_name, email, phone, birth_date, iban, country, segment, signed_up, newsletter
from customers_made
order by customer_id
