// Upstash's own client against the stand-in: node upstash.mjs URL TOKEN
import assert from "node:assert/strict";
import { Redis } from "@upstash/redis";

const [url, token] = process.argv.slice(2);
const redis = new Redis({ url, token, enableTelemetry: false, retry: false });

assert.equal(await redis.ping(), "PONG");
assert.equal(await redis.set("word", "Grüße"), "OK");
assert.equal(await redis.get("word"), "Grüße");
assert.equal(await redis.get("absent"), null);
assert.equal(await redis.incrby("count", 41), 41);
assert.equal(await redis.incr("count"), 42);
assert.equal(await redis.expire("count", 60), 1);
assert.ok((await redis.ttl("count")) > 0);
assert.deepEqual(await redis.mget("count", "absent"), [42, null]);
await redis.hset("hash", { a: 1, b: "two" });
assert.deepEqual(await redis.hgetall("hash"), { a: 1, b: "two" });
assert.deepEqual(await redis.eval("return {KEYS[1], ARGV[1], 7}", ["k"], ["v"]), ["k", "v", 7]);

const pipeline = redis.pipeline().set("p", "1").incr("p").get("p");
assert.deepEqual(await pipeline.exec(), ["OK", 2, 2]);
const transaction = redis.multi().incr("p").incr("p").del("word");
assert.deepEqual(await transaction.exec(), [3, 4, 1]);

await assert.rejects(redis.incr("hash"), /WRONGTYPE/);
const stranger = new Redis({ url, token: "another", enableTelemetry: false, retry: false });
await assert.rejects(stranger.ping(), /Unauthorized/);

const plain = new Redis({ url, token, enableTelemetry: false, retry: false, responseEncoding: false });
await plain.set("plain", "text");
assert.equal(await plain.get("plain"), "text");
