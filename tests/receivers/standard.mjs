// A subscriber that believes nothing but the published `standardwebhooks` library.
//
// Usage: node standard.mjs PORT SECRET...    (port 0: any free one)
// POSTRIDER_TEST_NODE_DIR names the folder whose node_modules holds the library.
//
// Prints `listening PORT`, then answers each request 200 if the library verifies it with one of
// the secrets, else 400 with the library's reason.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const folder = resolve(process.env.POSTRIDER_TEST_NODE_DIR ?? import.meta.dirname ?? ".");
const { Webhook } = createRequire(join(folder, "package.json"))("standardwebhooks");
const [port, ...secrets] = process.argv.slice(2);

/** Why the request is refused; null if it is genuine. */
function refusal(body, headers) {
  let reason = "no secret was given";
  for (const secret of secrets) {
    try {
      new Webhook(secret).verify(body, headers);
      return null;
    } catch (error) {
      reason = error.message;
    }
  }
  return reason;
}

const server = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const reason = refusal(Buffer.concat(parts), request.headers);
    response.writeHead(reason === null ? 200 : 400, { "content-type": "text/plain" });
    response.end(reason ?? "verified");
  });
});

server.listen(Number(port), "127.0.0.1", () => {
  console.log("listening", server.address().port);
});
