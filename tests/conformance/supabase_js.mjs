// supabase-js against Realtime: does what its arguments say, and prints what it saw as one line of JSON.
import { createClient } from "@supabase/supabase-js";

const { SUPABASE_URL = "", SUPABASE_PUBLISHABLE_KEY = "", TOKEN = "", SCENARIO = "", TOPIC = "", TABLE = "" } =
  process.env;

/** @type {string[]} */
const states = [];
/** @type {any[]} */
const heard = [];
/** @type {any} */
const found = {};

/** @param {{ token?: string, vsn?: string }} [options] */
async function connect({ token = TOKEN, vsn = "2.0.0" } = {}) {
  const client = createClient(SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, {
    ...(token ? { accessToken: async () => token } : {}),
    realtime: { vsn },
  });
  await client.realtime.setAuth(); // or the first join goes out without the token
  return client;
}
/** @param {() => boolean} condition */
async function until(condition) {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`in vain: ${JSON.stringify({ states, heard, found })}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
/** @param {any} channel */
async function subscribed(channel) {
  /** @type {string[]} */
  const mine = [];
  channel.subscribe((/** @type {string} */ state, /** @type {Error | undefined} */ error) => {
    mine.push(state);
    states.push(error ? `${state}: ${error.message}` : state);
  });
  await until(() => mine.includes("SUBSCRIBED"));
  return channel;
}

/** @type {Record<string, () => Promise<void>>} */
const scenarios = {
  // Text and bytes, to a client of each protocol.
  async broadcast() {
    for (const vsn of ["1.0.0", "2.0.0"]) {
      const channel = (await connect({ vsn })).channel(TOPIC);
      channel.on("broadcast", { event: "*" }, ({ event, payload }) =>
        heard.push([vsn, event, payload instanceof ArrayBuffer ? [...new Uint8Array(payload)] : payload]),
      );
      await subscribed(channel);
    }
    const sender = await subscribed((await connect()).channel(TOPIC, { config: { broadcast: { ack: true } } }));
    found.text = await sender.send({ type: "broadcast", event: "text", payload: { n: 1.5 } });
    found.bytes = await sender.send({ type: "broadcast", event: "bytes", payload: new Uint8Array([0, 255]).buffer });
    await sender.httpSend("http", { n: 2 });
    await until(() => heard.length === 5);
  },
  // A broadcast that is denied is never answered: the library gives up after its own time.
  async denied() {
    const channel = (await connect()).channel(TOPIC, { config: { private: true, broadcast: { ack: true } } });
    await subscribed(channel);
    found.sent = await channel.send({ type: "broadcast", event: "e", payload: {} }, { timeout: 500 });
    found.tracked = await channel.track({ n: 1 }, { timeout: 2000 });
  },
  async refused() {
    const channel = (await connect()).channel(TOPIC, { config: { private: true } });
    channel.subscribe((state, error) => states.push(error ? `${state}: ${error.message}` : state));
    await until(() => states.length > 0);
  },
  // The channel ends with its token; nobody joins again by himself.
  async expiry() {
    await subscribed((await connect()).channel(TOPIC, { config: { private: true } }));
    await until(() => states.includes("CLOSED"));
  },
  async changes() {
    const channel = (await connect()).channel(TOPIC);
    channel.on("postgres_changes", { event: "*", schema: "public", table: TABLE, filter: "id=in.(1,2)" }, (change) =>
      heard.push([change.eventType, change.new, change.old, change.errors]),
    );
    channel.on("system", {}, ({ message }) => console.error(message));
    await subscribed(channel);
    await until(() => heard.length === 3);
  },
  // The reply waits until row changes flow: nothing is lost after SUBSCRIBED.
  async wait() {
    const channel = (await connect()).channel(TOPIC, {
      // @ts-ignore: an option that the types do not know yet
      config: { postgres_changes_options: { wait: true } },
    });
    channel.on("postgres_changes", { event: "INSERT", schema: "public", table: TABLE }, (change) => heard.push(change.new));
    await subscribed(channel);
    console.error("SUBSCRIBED");
    await until(() => heard.length === 1);
  },
  async replay() {
    const channel = (await connect()).channel(TOPIC, { config: { private: true, broadcast: { replay: { since: 0, limit: 2 } } } });
    channel.on("broadcast", { event: "*" }, ({ payload, meta }) => heard.push([payload.n, meta?.replayed]));
    await subscribed(channel);
    await until(() => heard.length === 2);
  },
  async presence() {
    /** @type {import("@supabase/supabase-js").RealtimeChannel[]} */
    const channels = [];
    for (const key of ["ann", "ben"]) {
      const channel = (await connect()).channel(TOPIC, { config: { presence: { key } } });
      channel.on("presence", { event: "sync" }, () => {});
      await subscribed(channel);
      found[key] = await channel.track({ who: key });
      channels.push(channel);
    }
    const [ann, ben] = channels;
    await until(() => channels.every((channel) => Object.keys(channel.presenceState()).length === 2));
    found.state = Object.keys(ann.presenceState()).sort();
    await ben.untrack();
    await until(() => Object.keys(ann.presenceState()).length === 1);
  },
};

await scenarios[SCENARIO]?.();
console.log(JSON.stringify({ states, heard, found }));
process.exit();
