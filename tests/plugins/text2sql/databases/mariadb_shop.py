"""The demo shop in MariaDB, and beside it what only MySQL and MariaDB have."""

from __future__ import annotations

from pathlib import Path

from launch.bench.databases.mariadb_server import MariadbServer
from tests.plugins.text2sql.databases.shops import READER, READER_PASSWORD, tables

NAME = "mariadb"
"""The name of its database in a registry."""
_EXTRA = """
CREATE TABLE `MixedCase` (`Id` INTEGER PRIMARY KEY, `order` TEXT, `it``s "x"` TEXT);
INSERT INTO `MixedCase` VALUES (1, 'first', 'back\\\\slash');
CREATE VIEW open_orders AS SELECT id, total FROM orders WHERE status IN ('pending', 'paid');
CREATE TABLE gone (a INT);
CREATE VIEW broken AS SELECT a FROM gone;
DROP TABLE gone;
ALTER TABLE customers COMMENT = 'everyone who ever bought';
ALTER TABLE customers MODIFY segment VARCHAR(100) NOT NULL COMMENT 'consumer, business or
premium';
CREATE TABLE odd_values (
  id INTEGER PRIMARY KEY, money DECIMAL(10, 2), whole DECIMAL(30, 0), moment DATETIME(3),
  moment_there TIMESTAMP NULL, day DATE, hour TIME, span TIME, born YEAR, bits BIT(10), bytes VARBINARY(10),
  struct JSON, mood ENUM('calm', 'cross', 'it''s'), several SET('a', 'b'), place POINT, `key` UUID,
  net INET6, huge BIGINT UNSIGNED, ratio DOUBLE, yes BOOLEAN, word VARCHAR(20) CHARACTER SET latin1,
  doubled INTEGER AS (id * 2) STORED, never DATE, nothing INTEGER);
SET SESSION sql_mode = '', SESSION time_zone = '+01:00';
INSERT INTO odd_values (id, money, whole, moment, moment_there, day, hour, span, born, bits, bytes, struct,
  mood, several, place, `key`, net, huge, ratio, yes, word, never) VALUES (
  1, 12.50, 170141183460469231731687303715, '2025-01-31 08:30:00.250', '2025-01-31 09:30:00', '2025-01-31',
  '08:30:00', '-26:00:00', 2025, b'101', x'00ff', '{"a": 1, "b": ["x"]}', 'cross', 'a,b', POINT(1, 2),
  '7c7ddf2c-5fd2-4ad0-9fd6-2cd5bd54e4a9', '::1', 18446744073709551615, 1.5e300, TRUE, 'Größe', '0000-00-00');
CREATE SEQUENCE counter;
CREATE TABLE secret (word TEXT);
INSERT INTO secret VALUES ('hidden');
CREATE FUNCTION sell() RETURNS INTEGER MODIFIES SQL DATA
  BEGIN UPDATE products SET stock = 0; RETURN 1; END;
CREATE FUNCTION len(a TEXT) RETURNS INTEGER MODIFIES SQL DATA
  BEGIN UPDATE products SET stock = 0; RETURN 1; END;
CREATE PROCEDURE sell_all() UPDATE products SET stock = 0;
CREATE DATABASE archive;
CREATE TABLE archive.orders (id INTEGER PRIMARY KEY, note TEXT);
INSERT INTO archive.orders VALUES (1, 'the oldest');
"""


def mariadb_shop(shop: Path, server: MariadbServer) -> str:
    """Return the address of a copy of ``shop`` in MariaDB, of a user who may only read its tables.

    Made once a server.
    """
    address = server.address("shop", READER, READER_PASSWORD)
    with server.asked() as cursor:
        if cursor.execute("SHOW DATABASES LIKE 'shop'"):
            return address
    server.script("CREATE DATABASE shop")
    names = ["open_orders", "broken", "odd_values", "MixedCase"]
    with server.asked("shop") as cursor:
        for name, definition, rows in tables(shop):
            cursor.execute(definition.replace(" TEXT", " VARCHAR(100)"))
            places = ", ".join(["%s"] * len(rows[0]))
            cursor.executemany(f"INSERT INTO {name} VALUES ({places})", rows)
            names.append(name)
            cursor.execute(f"ANALYZE TABLE {name}")
    server.script(_EXTRA, "shop")
    server.script(
        f"CREATE USER {READER} IDENTIFIED BY '{READER_PASSWORD}';"
        + "".join(f"GRANT SELECT ON shop.`{name}` TO {READER};" for name in names)
        + f"GRANT EXECUTE ON FUNCTION shop.sell TO {READER}; GRANT EXECUTE ON FUNCTION shop.len TO {READER};"
        f"GRANT EXECUTE ON PROCEDURE shop.sell_all TO {READER}"
    )
    return address
