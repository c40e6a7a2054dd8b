SELECT day, shop, count(*) AS orders, sum(amount) AS amount
FROM delta_scan('lake/orders')
WHERE day = :day
GROUP BY day, shop
