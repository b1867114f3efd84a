// The project's one URL: REST and Auth by Supabase Lite, /realtime/v1 handed on to the stand-in.
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { getRequestListener } from "@hono/node-server";
import { App } from "@supabase/lite";
import { createProxyServer } from "http-proxy-3";
import { ProjectConnection, unavailable } from "./connection.mjs";
import { isAmbiguous, isForThisMachine, resolvedPath } from "./names.mjs";

const { API_PORT, REALTIME_PORT, LITE_DATABASE_URL, SITE_URL } = process.env;
const { SUPABASE_PUBLISHABLE_KEY, SUPABASE_SECRET_KEY, SUPABASE_JWT_SECRET } = process.env;

// Well above the longest statement_timeout of the API's roles.
const REQUEST_MILLISECONDS = 12_000;

const say = (text) => process.stderr.write(`${new Date().toISOString()} ${text}\n`);

// postgres.js can throw outside of any request when many connections die at once. What is left of the
// process then is not to be trusted: whoever started it starts it again.
process.on("uncaughtException", (error) => {
  say(`stopping after an unexpected error: ${error.stack}`);
  process.exit(1);
});
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));

// Lite prints every refused statement with the row it refused: message text that no log may hold.
console.error = (...values) => {
  const error = values.find((value) => value instanceof Error);
  say(error ? `refused: ${error.code ?? error.name}` : "refused");
};

const connection = new ProjectConnection(LITE_DATABASE_URL);
const app = new App({
  connection,
  db: { driver: "postgres", url: LITE_DATABASE_URL },
  api: { schemas: ["public"] },
  auth: {
    enabled: true,
    jwt_secret: SUPABASE_JWT_SECRET,
    jwt_expiry: 3600,
    enable_signup: true,
    publishable_key: SUPABASE_PUBLISHABLE_KEY,
    secret_key: SUPABASE_SECRET_KEY,
    site_url: SITE_URL,
    email: { enable_confirmations: false },
  },
  // Admin mode would serve requests without a key as service_role.
  options: { server: { admin: false } },
});
const lite = getRequestListener(async (request, { incoming }) => {
  const { losses } = connection;
  const answer = app.fetch(request, { peerAddress: incoming.socket.remoteAddress ?? null });
  // A statement that was in flight when its connection died can stay without an answer for ever.
  const response = await Promise.race([answer, sleep(REQUEST_MILLISECONDS, undefined, { ref: false })]);
  if (!response) return unavailable();
  // Where Lite looks up a token's session, and in all of Auth, a missing database is a bare 500.
  return response.status === 500 && !(await connection.reachable(losses)) ? unavailable() : response;
});

const realtime = createProxyServer({ target: `http://127.0.0.1:${REALTIME_PORT}`, ws: true, xfwd: true });
realtime.on("error", (_error, _request, responseOrSocket) => {
  if ("writeHead" in responseOrSocket && !responseOrSocket.headersSent) {
    respond(responseOrSocket, 502, { message: "Realtime is not running" });
  } else {
    responseOrSocket.destroy();
  }
});

const server = createServer((request, response) => {
  if (!isForThisMachine(request)) return respond(response, 403, { message: "only by a name of this machine" });
  if (answeredPreflight(request, response)) return;
  const path = resolvedPath(request);
  if (path?.startsWith("/realtime/v1/")) realtime.web(request, response);
  else if (path === "/health") answerHealth(response);
  else if (/^\/(rest|auth)\/v1\//.test(path) && !isAmbiguous(path)) lite(request, response);
  // Nothing else of Lite is served: /_system tells its whole configuration to anybody.
  else respond(response, 404, { message: "no Route matched with those values" });
});
server.on("upgrade", (request, socket, head) => {
  // A socket without a listener for its errors ends the process at the first reset.
  socket.on("error", () => socket.destroy());
  const served = isForThisMachine(request) && resolvedPath(request)?.startsWith("/realtime/v1/");
  if (served) realtime.ws(request, socket, head);
  else socket.destroy();
});
// Longer than any client keeps an idle connection: the side that closes first must not be the server,
// or a request that is just being sent is lost.
server.keepAliveTimeout = 90_000;

/** Any origin may call, as on a hosted project: the keys decide, not the page. */
function answeredPreflight(request, response) {
  response.setHeader("access-control-allow-origin", "*");
  if (request.method !== "OPTIONS" || !request.headers["access-control-request-method"]) return false;
  response.writeHead(204, {
    "access-control-allow-methods": "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS",
    "access-control-allow-headers": request.headers["access-control-request-headers"] ?? "",
    "access-control-max-age": "3600",
    vary: "access-control-request-headers",
  });
  response.end();
  return true;
}

async function answerHealth(response) {
  if (await connection.reachable()) respond(response, 200, { status: "ok" });
  else respond(response, 503, { status: "no database" });
}

function respond(response, status, body) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

await connection.followSchemaChanges();
server.listen(Number(API_PORT), "127.0.0.1", () => say(`listening on ${API_PORT}`));
