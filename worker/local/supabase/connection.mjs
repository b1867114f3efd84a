// The database behind Supabase Lite, with the corrections that make it answer as a hosted project does.
// They reach into semi-internal methods of @supabase/lite 0.10.0, which is pinned exactly for that reason.
import { PostgresConnection } from "@supabase/lite/postgres";
import { sql } from "kysely";

// What PostgREST takes from the roles' own settings; `set role` alone does not apply them.
const STATEMENT_TIMEOUT = { anon: "3s", authenticated: "8s", service_role: "8s" };

// SQLSTATE → HTTP status, as PostgREST documents it. The first pattern that fits counts.
const STATUS = [
  [/^08|^57P0[123]/, 503],
  [/^0[LP]|^28/, 403],
  [/^53400/, 500],
  [/^53/, 503],
  [/^P0001/, 400],
  [/^(09|25|2D|38|39|3B|40|54|55|57|58|F0|HV|P0|XX)/, 500],
];
// Those that Lite itself translates well, some with the caller's role or the request in mind.
const LEFT_TO_LITE = /^(PT|PGRST|42|22|21)|^(23502|23503|23505|25006)$/;

/** PostgREST's own way to say "this status, this body": Lite understands it from any error. */
function httpError(status, { code, message, details = null, hint = null }) {
  return Object.assign(new Error(JSON.stringify({ code, message, details, hint })), {
    code: "PGRST",
    detail: JSON.stringify({ status, headers: {} }),
  });
}

// A connection of postgres.js 3.4.9 that closes with a write under way never writes again, unless its next message
// has at least 1024 bytes. Spaces in `options` mean nothing to Postgres and make the first message as long.
const PADDING = " ".repeat(1024);

const NO_DATABASE = {
  code: "PGRST001",
  message: "Database connection error. Retrying the connection.",
  details: null,
  hint: null,
};

/** No database at the moment: PostgREST says 503, and clients know that this is worth another try. */
export function unavailable() {
  return Response.json(NO_DATABASE, { status: 503 });
}

export class ProjectConnection extends PostgresConnection {
  constructor(url) {
    // The default pause before a reconnect grows to 20 s, and requests wait for it.
    const patience = { connect_timeout: 5, backoff: () => 0.1, connection: { options: PADDING } };
    super({ url, postgresOptions: { max: 20, onnotice: () => {}, types: wireTypes, ...patience } });
    this.losses = 0;
    forgetLostConnections(this.driver, () => this.losses++);
  }

  // Lite would grant ALL on every table here, undoing each `revoke` of the migrations.
  async ensureRlsContext() {
    this.rlsState = "active";
    return true;
  }

  // A signed token may name any role: only the API's three are obeyed. One round trip instead of six.
  async applyJwtSessionContext(transaction, context) {
    const { role = "anon", uid = "", jwt } = context.auth ?? {};
    if (!Object.hasOwn(STATEMENT_TIMEOUT, role)) {
      throw httpError(401, { code: "42501", message: `permission denied to set role "${role}"` });
    }
    await sql`select set_config('role', ${role}, true),
      set_config('request.jwt.claim.sub', ${String(uid ?? "")}, true),
      set_config('request.jwt.claim.role', ${role}, true),
      set_config('request.jwt.claims', ${JSON.stringify(jwt ?? { role })}, true),
      set_config('statement_timeout', ${STATEMENT_TIMEOUT[role]}, true)`.execute(transaction);
  }

  // Lite answers 500 without SQLSTATE to whatever it does not know, a violated CHECK among them.
  normalizeDbError(error) {
    const { name, code } = error ?? {};
    if (typeof code !== "string") return error;
    if (name !== "PostgresError") return isConnectionError(code) ? httpError(503, NO_DATABASE) : error;
    if (LEFT_TO_LITE.test(code)) return error;
    const status = STATUS.find(([pattern]) => pattern.test(code))?.[1] ?? 400;
    return httpError(status, { code, message: error.message, details: error.detail, hint: error.hint });
  }

  // When the catalogue cannot be read Lite believes the database to be empty, and answers 404 to all.
  async introspect(options) {
    const catalogue = await super.introspect(options);
    if (catalogue.default_schema === undefined) {
      throw Object.assign(new Error("no catalogue"), { getResponse: unavailable });
    }
    return catalogue;
  }

  /** Whether the database answers, and no connection was lost since `losses` was read. */
  async reachable(losses = this.losses) {
    try {
      await this.driver`select 1`;
      return this.losses === losses;
    } catch {
      return false;
    }
  }

  /** Forget the catalogue at `notify pgrst`, and after each reconnect: one may have been missed. */
  async followSchemaChanges() {
    const forget = () => this.clearSchemaCache();
    await this.driver.listen("pgrst", forget, forget);
  }
}

// postgres.js 3.4.9 takes back a reserved connection that was lost as if it were open, and the next statement
// written to it ends the process. So nothing is written to a lost one, the ROLLBACK included, nor is it given back.
function forgetLostConnections(driver, onLoss) {
  const { reserve } = driver;
  driver.reserve = async () => {
    const reserved = await reserve().catch((error) => {
      onLoss();
      throw error;
    });
    const { unsafe, release } = reserved;
    let lost;
    reserved.unsafe = async (...statement) => {
      if (lost) throw lost;
      try {
        return await unsafe(...statement);
      } catch (error) {
        if (error.severity === "FATAL" || isConnectionError(error.code)) {
          lost = error;
          onLoss();
        }
        throw error;
      }
    };
    reserved.release = () => lost ?? release();
    return reserved;
  };
}

function isConnectionError(code) {
  return /^(ECONN|EPIPE|ETIMEDOUT|CONNECT)/.test(code ?? "");
}

// Lite hands over JSON that is already text and timestamps as Postgres prints them: the first would be
// stored as a JSON string, the second is not ISO 8601, and supabase-py refuses it.
const asJson = (value) => (typeof value === "string" ? value : JSON.stringify(value));
const isoTime = (text) => text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00");
const wireTypes = {
  json: { to: 114, from: [114], serialize: asJson, parse: JSON.parse },
  jsonb: { to: 3802, from: [3802], serialize: asJson, parse: JSON.parse },
  timestamp: { to: 1114, from: [1114], serialize: (value) => value, parse: (text) => text.replace(" ", "T") },
  timestamptz: {
    to: 1184,
    from: [1184],
    serialize: (value) => (value instanceof Date ? value.toISOString() : value),
    parse: isoTime,
  },
};
