-- Customers: very unequal countries, a rare segment, invented personal data (reserved domains, IBANs whose check digits
-- are 00, which no real one has).
create temp table countries as
select * from (values
    ('DE', 'EUR', '49', 100), ('FR', 'EUR', '33', 100), ('NL', 'EUR', '31', 100), ('AT', 'EUR', '43', 100),
    ('CH', 'CHF', '41', 95), ('BE', 'EUR', '32', 100), ('IT', 'EUR', '39', 100), ('ES', 'EUR', '34', 100),
    ('PL', 'PLN', '48', 430), ('DK', 'DKK', '45', 746), ('SE', 'SEK', '46', 1135), ('LU', 'EUR', '352', 100)
) as c(country, currency, calling_code, price_level);

create temp table customers_made as
with drawn as (
    select
        number,
        draw(number, 1) % 1000 as in_country,
        draw(number, 2) % 1000 as in_segment,
        ['Anna', 'Ben', 'Chiara', 'David', 'Elif', 'Félix', 'Greta', 'Hugo', 'Ines', 'Jürgen', 'Katarzyna', 'Lars',
         'Małgorzata', 'Noah', 'Océane', 'Pieter', 'Quentin', 'Rosa', 'Søren', 'Théo', 'Ulla', 'Valentina', 'Willem',
         'Xenia', 'Yusuf', 'Zoë'][1 + draw(number, 3) % 26] as given_name,
        ['Ackermann', 'Bianchi', 'Çelik', 'Dubois', 'Eriksson', 'Fernández', 'Großmann', 'Hansen', 'Iglesias', 'Janssen',
         'Kowalska', 'Lefèvre', 'Müller', 'Nowak', 'Ødegaard', 'Peeters', 'Quist', 'Rossi', 'Sørensen', 'Thill',
         'Ullrich', 'Vermeulen', 'Weiß', 'Ximénez', 'Yıldız', 'Zimmermann', 'de Vries', 'von Arx', 'Schröder',
         'Bonnet', 'Huber'][1 + draw(number, 4) % 31] as family_name,
        if(
            draw(number, 5) % 100 < 52,
            date '2019-01-01' + cast(spread(draw(number, 6), 1461) as integer),
            date '2023-01-01' + cast(spread(draw(number, 6), 1350) as integer)
        ) as signed_up
    from range(1, getvariable('customers') + 1) as r(number)
),
placed as (
    select
        *,
        case
            when in_country < 338 then 'DE' when in_country < 509 then 'FR' when in_country < 628 then 'NL'
            when in_country < 718 then 'AT' when in_country < 789 then 'CH' when in_country < 849 then 'BE'
            when in_country < 899 then 'IT' when in_country < 939 then 'ES' when in_country < 969 then 'PL'
            when in_country < 987 then 'DK' when in_country < 997 then 'SE' else 'LU'
        end as country,
        case
            when in_segment < 790 then 'consumer' when in_segment < 960 then 'business'
            when in_segment < 994 then 'reseller' else 'public'
        end as segment
    from drawn
)
select
    number,
    100000 + number as customer_id,
    given_name || ' ' || family_name as full_name,
    translate(strip_accents(lower(given_name || '.' || family_name)), 'łøıß ', 'lois') || number
    || ['@example.com', '@example.org', '@example.net'][1 + draw(number, 7) % 3] as email,
    if(draw(number, 8) % 100 < 17, null, '+' || calling_code || ' 555 ' || (1000000 + draw(number, 9) % 9000000))
        as phone,
    if(
        segment <> 'consumer' or draw(number, 10) % 100 < 9,
        null,
        date '1940-01-01' + cast(spread(draw(number, 11) + draw(number, 12), 12600) as integer)
    ) as birth_date,
    if(draw(number, 13) % 100 < 58, null, country || '00DEMO' || (1000000000 + draw(number, 14))) as iban,
    country,
    segment,
    currency,
    price_level,
    signed_up,
    [true, false, null][1 + draw(number, 15) % 3] as newsletter
from placed join countries using (country);
