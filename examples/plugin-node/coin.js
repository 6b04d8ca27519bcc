// The plugin "coin" in JavaScript: !coin flips a coin, !coin count tells how
// often each side came up. It knows nothing of Rosey but the event contract.
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, credsAuthenticator, headers } from "@nats-io/transport-node";
import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { readFileSync } from "node:fs";

const NAME = "coin";
const DURABLE = `plugin-${NAME}`; // whoever uses this name shares the plugin's work
const MAX_AGE = Number(process.env.COIN_MAX_AGE ?? 600); // seconds
const BACKOFF = [1_000, 5_000, 30_000, 120_000]; // ms before each further attempt
const REGISTRATION = {
  name: NAME,
  version: "1.0.0",
  description: "Flips coins",
  commands: [{ name: "coin", usage: "coin [count]", description: "flips a coin, or tells how often each side came up" }],
  min_rank: 0,
  usage: "coin [count]",
  max_age: MAX_AGE,
};

/** An error that is an answer to the user, and not tried again. */
class Answer extends Error {}

/** An error that no further attempt can mend. */
class Permanent extends Error {}

const nc = await connect({
  servers: process.env.NATS_URL ?? "nats://127.0.0.1:4222",
  user: process.env.NATS_USER,
  pass: process.env.NATS_PASSWORD,
  authenticator: process.env.NATS_CREDS ? credsAuthenticator(readFileSync(process.env.NATS_CREDS)) : undefined,
  name: DURABLE,
  maxReconnectAttempts: -1, // JetStream keeps what happens meanwhile
});
const js = jetstream(nc);
const jsm = await jetstreamManager(nc);

await register();
const consumer = await openConsumer();
let stopping = false;
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => (stopping = true));
}
// What lists the services that run, as rosey plugin ls does, hears of this one.
const info = { type: "io.nats.micro.v1.info_response", name: DURABLE, id: `${process.pid}`, version: REGISTRATION.version, metadata: { plugin: NAME } };
nc.subscribe("$SRV.INFO", { callback: (_, msg) => msg?.respond(JSON.stringify(info)) });
console.error(`${NAME} runs`);
while (!stopping && !nc.isClosed()) {
  // A stop waits for the pull: a command on its way when one is broken off comes again only after ack_wait.
  const msg = await consumer.next({ expires: 2_000 }).catch((err) => {
    console.error("asking for the next command failed, will ask again:", err.message);
    return sleep(1_000);
  });
  if (msg) await deliver(msg);
}
await nc.drain();

/** Registers the commands: the router watches this bucket. */
async function register() {
  const bucket = await new Kvm(js).open("plugins");
  const value = JSON.stringify(REGISTRATION);
  const have = await bucket.get(NAME);
  if (have === null || have.string() !== value) {
    await bucket.put(NAME, value);
  }
}

/** Opens the durable consumer. One that exists is left as it is: it knows what
 * was handled, and whether the plugin is paused. */
async function openConsumer() {
  try {
    await jsm.consumers.info("PLUGIN", DURABLE);
  } catch (err) {
    if (err.name !== "ConsumerNotFoundError" && err.code !== 10014) throw err;
    await jsm.consumers.add("PLUGIN", {
      durable_name: DURABLE,
      filter_subject: `plugin.${NAME}.command`,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      ack_wait: 5_000_000_000, // ns: how long an event waits after a crash
      max_deliver: BACKOFF.length + 11,
    });
  }
  return js.consumers.get("PLUGIN", DURABLE);
}

/** Handles one delivery: publishes what the handler returns, then acknowledges. */
async function deliver(msg) {
  const { stream, streamSequence, timestampNanos, deliveryCount } = msg.info;
  const event = {
    ref: `${stream}:${streamSequence}`,
    at: timestampNanos / 1e6, // ms
    subject: msg.subject,
    correlationId: msg.headers?.get("Rosey-Correlation-Id") || undefined,
    requests: 0,
  };
  const beat = setInterval(() => msg.working(), 2_000); // so that it is not given to another meanwhile
  try {
    read(event, msg);
    if (event.retryFor && event.retryFor !== DURABLE) {
      msg.ack(); // another consumer's dead letter, put to it again: this one has seen the event
      return;
    }
    if (deliveryCount > BACKOFF.length + 1) throw new Permanent("every attempt ended with its process");
    const age = (Date.now() - event.at) / 1000;
    const out = age > MAX_AGE ? [expired(event, stream, streamSequence, age)] : await answer(event);
    // The k-th output of an event always has the same id, so that a repeat after
    // a crash is recognised and dropped.
    for (const [i, { subject, data }] of out.entries()) {
      await publish(event, subject, data, `${DURABLE}/${event.ref}/${i + 1}`);
    }
    msg.ack();
  } catch (err) {
    if (!(err instanceof Permanent) && deliveryCount <= BACKOFF.length) {
      console.error(`attempt ${deliveryCount} at ${event.ref} failed:`, err);
      msg.nak(BACKOFF[deliveryCount - 1]);
      return;
    }
    console.error(`gave up on ${event.ref}:`, err);
    await publish(event, `plugin.${NAME}.event.dead_letter`, {
      event_type: "dead_letter", consumer: DURABLE, stream, seq: streamSequence, subject: msg.subject,
      error: err.message, error_code: err.code ?? "PLUGIN_ERROR", attempts: deliveryCount,
    }, `${DURABLE}/${event.ref}/dead`);
    msg.term(err.message.split("\n")[0]);
  } finally {
    clearInterval(beat);
  }
}

/** Reads an event's body: an envelope, or the bare payload. */
function read(event, msg) {
  let body;
  try {
    body = msg.json();
  } catch (err) {
    throw new Permanent(`malformed event: ${err.message}`);
  }
  const enveloped = body !== null && typeof body === "object" && "subject" in body && "data" in body;
  event.data = enveloped ? body.data : body;
  event.correlationId = (enveloped && body.correlation_id) || event.correlationId;
  event.retryFor = enveloped && body.metadata?.retry_for;
  if (typeof event.data?.command !== "string" || typeof event.data?.user !== "string") {
    throw new Permanent("malformed event: command and user are required");
  }
}

async function answer(event) {
  try {
    return [reply(event, await handle(event))];
  } catch (err) {
    if (!(err instanceof Answer)) throw err;
    return [reply(event, `❌ ${err.message}`)];
  }
}

/** Returns an answer to a command, in private where it was typed there. */
function reply(event, message) {
  const { channel, user, private: isPrivate } = event.data;
  return isPrivate
    ? { subject: "cytube.send.pm", data: { to: user, message, channel } }
    : { subject: "cytube.send.chat", data: { message, channel } };
}

function expired(event, stream, seq, age) {
  return {
    subject: `plugin.${NAME}.event.expired`,
    data: { event_type: "expired", consumer: DURABLE, stream, seq, subject: event.subject, age, max_age: MAX_AGE },
  };
}

/** Stores an event. It belongs to the conversation of the one being handled. */
async function publish(event, subject, data, msgID) {
  await js.publish(subject, JSON.stringify(envelope(event, subject, data)), { msgID, headers: header(event) });
}

/** Asks a service, and returns its reply or throws the failure it reports. */
async function request(event, subject, data) {
  const h = header(event);
  // A write that is repeated after a crash is made once.
  h.set("Rosey-Msg-Id", `${DURABLE}/${event.ref}/request/${++event.requests}`);
  const msg = await nc.request(subject, JSON.stringify(envelope(event, subject, data)), { timeout: 5_000, headers: h });
  const reply = msg.json();
  if (reply.success === false) {
    throw Object.assign(new Error(reply.error), { code: reply.error_code });
  }
  return reply;
}

function envelope(event, subject, data) {
  return {
    subject, data, timestamp: Date.now() / 1000, priority: 1, correlation_id: event.correlationId ?? null,
    metadata: { source: DURABLE, causation_id: event.ref },
  };
}

function header(event) {
  const h = headers();
  if (event.correlationId) h.set("Rosey-Correlation-Id", event.correlationId);
  return h;
}

/** The plugin itself: what it says to a command. It takes chance from the event
 * and not from the machine, so that it says the same when it runs again. */
async function handle(event) {
  const { user, args = [] } = event.data;
  switch (args[0]) {
    case undefined: {
      const side = createHash("sha256").update(event.ref + event.at).digest()[0] & 1 ? "heads" : "tails";
      await request(event, "database.set", { collection: "coin_flips", id: null, data: { user, side } });
      return `🪙 ${user}: ${side}`;
    }
    case "count": {
      const counts = [];
      for (const side of ["heads", "tails"]) {
        const { count } = await request(event, "database.query", { collection: "coin_flips", filter: { side }, limit: 0 });
        counts.push(`${count} ${side}`);
      }
      return `🪙 ${counts.join(", ")}`;
    }
  }
  throw new Answer(`I do not know ${args[0]}: say coin or coin count`);
}
