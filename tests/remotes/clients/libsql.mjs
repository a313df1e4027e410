// libSQL's own client against the stand-in: node libsql.mjs URL TOKEN
import assert from "node:assert/strict";
import { createClient } from "@libsql/client/web";

const [url, authToken] = process.argv.slice(2);
const db = createClient({ url, authToken, intMode: "bigint" });

await assert.rejects(db.execute("SELECT * FROM absent"), /no such table/);
await db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, number INTEGER UNIQUE, text TEXT, real REAL, blob BLOB)");
const values = [9007199254740993n, "Grüße", 0.5, new Uint8Array([0, 1, 255])];
const inserted = await db.execute({ sql: "INSERT INTO t VALUES (NULL, ?, ?, ?, ?)", args: values });
assert.equal(inserted.rowsAffected, 1);
assert.equal(inserted.lastInsertRowid, 1n);
const { columns, rows } = await db.execute("SELECT * FROM t");
assert.deepEqual(columns, ["id", "number", "text", "real", "blob"]);
assert.equal(rows[0].number, values[0]);
assert.equal(rows[0].text, values[1]);
assert.equal(rows[0].real, values[2]);
assert.deepEqual(new Uint8Array(rows[0].blob), values[3]);
const named = await db.execute({ sql: "SELECT :a + @b AS sum", args: { a: 1n, b: 2n } });
assert.equal(named.rows[0].sum, 3n);

// A batch is a transaction: the second statement undoes the first.
const clash = ["INSERT INTO t (number) VALUES (7)", "INSERT INTO t (number) VALUES (9007199254740993)"];
await assert.rejects(db.batch(clash, "write"), /UNIQUE/);
assert.equal((await db.execute("SELECT count(*) AS n FROM t")).rows[0].n, 1n);
await db.batch(["INSERT INTO t (number) VALUES (7)", { sql: "UPDATE t SET text = ?", args: ["a"] }], "write");
assert.equal((await db.execute("SELECT count(*) AS n FROM t WHERE text = 'a'")).rows[0].n, 2n);

// A transaction over several requests keeps its stream; one that is not committed leaves nothing.
const transaction = await db.transaction("write");
await transaction.execute("DELETE FROM t");
assert.equal((await transaction.execute("SELECT count(*) AS n FROM t")).rows[0].n, 0n);
await transaction.rollback();
assert.equal((await db.execute("SELECT count(*) AS n FROM t")).rows[0].n, 2n);
await db.executeMultiple("DELETE FROM t; INSERT INTO t (number) VALUES (1); INSERT INTO t (number) VALUES (2);");
assert.equal((await db.execute("SELECT sum(number) AS n FROM t")).rows[0].n, 3n);
await db.migrate(["CREATE TABLE u (id INTEGER)", "DROP TABLE u"]);

const stranger = createClient({ url, authToken: "another" });
await assert.rejects(stranger.execute("SELECT 1"));
