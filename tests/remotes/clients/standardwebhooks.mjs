// A merchant's subscriber as the official library of Standard Webhooks would have it: it listens, says where, and tells
// which of the secrets that it was given verify what came. `PUT /secrets` gives them, `GET /seen` tells.
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

let secrets = [];
const seen = [];

const read = async (request) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
};

const verifiedBy = (secret, body, headers) => {
  try {
    return new Webhook(secret).verify(body, headers);
  } catch (error) {
    return error.message;
  }
};

const server = createServer(async (request, response) => {
  const body = await read(request);
  if (request.method === "PUT") {
    secrets = JSON.parse(body);
    response.writeHead(204).end();
    return;
  }
  if (request.method === "GET") {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(seen));
    return;
  }
  const results = secrets.map((secret) => verifiedBy(secret, body, request.headers));
  seen.push({ id: request.headers["webhook-id"], results });
  response.writeHead(results.some((result) => typeof result === "object") ? 204 : 401).end();
});

server.listen(0, "127.0.0.1", () => console.log(`listening http://127.0.0.1:${server.address().port}`));
// Whoever started it has gone.
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
