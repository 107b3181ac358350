SELECT "Name" FROM Products WHERE NAME LIKE 'borea%' ORDER BY Price DESC, iD LIMIT 3, 5
SELECT p.name, max(price) FROM products p
SELECT category_id, min(price), count(*) FROM products GROUP BY category_id ORDER BY category_id
SELECT c.id, c.first_name, count(*) AS N FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY c.id HAVING n > 5
SELECT first_name, count(*) AS "All Orders" FROM customers JOIN orders ON customer_id = customers.id GROUP BY customer_id ORDER BY "all orders" DESC, customer_id LIMIT 5
SELECT strftime('%Y', ordered_on) AS y, sum(total) FROM orders GROUP BY y ORDER BY y
SELECT strftime('%Y-%m', ordered_on), count(*) FROM orders WHERE strftime('%Y', ordered_on) = '2024' GROUP BY 1 ORDER BY 1
SELECT avg(julianday(delivered_on) - julianday(shipped_on)) FROM shipments
SELECT count(*) FROM shipments WHERE julianday(delivered_on) - julianday(shipped_on) > 5
SELECT (julianday(max(delivered_on)) - julianday(min(shipped_on))) / 365 FROM shipments
SELECT julianday(min(shipped_on)) FROM shipments
SELECT count(*) FROM orders WHERE ordered_on >= '2024-03' AND ordered_on < '2024-04'
SELECT count(*) FROM orders WHERE ordered_on BETWEEN '2024-02-01' AND '2024-02-31'
SELECT count(*) FROM orders WHERE ordered_on LIKE '2024-03%'
SELECT count(*) FROM orders WHERE ordered_on > date('2024-12-31', '-30 days')
SELECT date('2024-01-31', 'start of month', '+1 month', '-1 day')
SELECT count(*) / 7, count(*) * 1.0 / 7, sum(stock) / count(*) FROM products
SELECT sum(rating > 3), avg(rating = 5) FROM reviews
SELECT 100.0 * sum(shipping_fee = 0) / count(*) FROM orders
SELECT id, price > 100 FROM products ORDER BY id LIMIT 3
SELECT CAST(avg(price) AS INTEGER), round(avg(price), 1) FROM products
SELECT first_name || ' ' || last_name || id FROM customers ORDER BY id LIMIT 3
SELECT order_id, delivered_on FROM shipments ORDER BY delivered_on, order_id LIMIT 3
SELECT order_id, delivered_on FROM shipments ORDER BY delivered_on DESC, order_id DESC LIMIT 3
SELECT DISTINCT id, total FROM orders ORDER BY ordered_on, id LIMIT 7
SELECT DISTINCT country FROM customers GROUP BY country ORDER BY count(*) DESC, country
SELECT * FROM (SELECT country, count(*) AS n FROM customers GROUP BY country) WHERE n > 10
SELECT iif(total > 100, 'big', 'small') AS size, count(*) FROM orders GROUP BY size
SELECT count(*) FROM orders WHERE id = '17' OR status = 5
SELECT instr(email, '@'), substr(email, -11), length(id), upper(segment) FROM customers ORDER BY id LIMIT 2
SELECT carrier, ifnull(delivered_on, 'not yet') FROM shipments ORDER BY id DESC LIMIT 3
SELECT strftime('%Y', '2024-12-31') - strftime('%Y', signed_up_on) FROM customers ORDER BY id LIMIT 3
SELECT count(*) FROM customers WHERE strftime('%w', signed_up_on) = '0'
SELECT count(*) FROM orders WHERE CAST(strftime('%m', ordered_on) AS INTEGER) = 3
SELECT count(*) FROM orders WHERE CAST(substr(ordered_on, 1, 4) AS INT) >= 2023
SELECT status, count(*) * 100.0 / (SELECT count(*) FROM orders) AS share FROM orders GROUP BY status ORDER BY share
WITH m AS (SELECT substr(ordered_on,1,7) AS month, sum(total) AS t FROM orders GROUP BY month) SELECT month FROM m ORDER BY t
SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM shipments s WHERE s.order_id = o.id AND s.delivered_on IS NULL)
SELECT name, price FROM products WHERE 1 ORDER BY 2 DESC, 1 LIMIT 2
SELECT max(price, cost) FROM products ORDER BY id LIMIT 2
SELECT count(*) FROM products WHERE name GLOB 'B*'
SELECT name FROM products WHERE name LIKE '%\_%'
SELECT stock % 7, -stock / 3, stock / 0 FROM products ORDER BY id LIMIT 3
SELECT * FROM products WHERE id IS 3
SELECT `name` FROM [products] ORDER BY `id` LIMIT 1 OFFSET 2
SELECT total(price) FROM products WHERE price > 1e9
SELECT count(DISTINCT strftime('%Y-%m', ordered_on)) FROM orders WHERE NOT total
SELECT count(*) FROM orders WHERE date(ordered_on) = '2024-03-01' OR ordered_on IN ('2024-03-02', 'x')
SELECT count(*) FROM orders WHERE ordered_on LIKE '2024%' AND NOT ordered_on LIKE '2024-02-%' OR ordered_on LIKE '2023-01-17'
SELECT count(*) FROM orders WHERE ordered_on NOT LIKE '2024%'
SELECT count(*) FROM customers WHERE email NOT LIKE 'A%' AND city NOT LIKE '%in'
SELECT count(*) FROM products WHERE name NOT GLOB 'B*' AND price NOT BETWEEN 10 AND 100 AND id NOT IN (5, '6')
SELECT count(*) FROM products WHERE name NOT LIKE 'borea!%' ESCAPE '!'
