-- Random numbers that are the same on every machine and for every version of DuckDB: integers alone, no hash() and no
-- floating point. draw(seed, stream) is in [0, 2147483629), a prime; one seed has many independent streams.
create macro draw_1(seed, stream) as ((seed % 2147483629) * 1103515245 + stream * 12820163 + 97) % 2147483629;
create macro draw_2(x) as xor(x, x >> 15) * 1597334677 % 2147483629;
create macro draw_3(x) as xor(x, x >> 13) * 747796405 % 2147483629;
create macro draw(seed, stream) as draw_3(draw_2(draw_1(seed, stream)));

-- A draw spread over 0 .. n − 1; and money from an integer number of cents.
create macro spread(x, n) as (x * n) // 2147483629;
create macro money(cents) as cast(cents as integer) * 0.01::decimal(2, 2);
