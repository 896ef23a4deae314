// How numbers, times and states are said.

const few = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const many = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

// Returns a number as people read it.
export function number(value, metricType = "") {
  if (value === null || value === undefined) return "–";
  const text = Math.abs(value) >= 1e6 ? many.format(value) : few.format(value);
  return metricType === "Utilization" ? `${text} %` : text;
}

export const plural = (count, one, several = `${one}s`) => `${number(count)} ${count === 1 ? one : several}`;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const minute = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });

// Times of day, and a moment with its date, from seconds since the epoch.
export const timeOfDay = (at) => clock.format(at * 1000);
export const hourAndMinute = (at) => minute.format(at * 1000);
export const moment = (at) => day.format(at * 1000);

// Returns a moment of a schedule by the clock of its zone; by the reader's own where the browser does not know that zone.
export function momentIn(at, zone) {
  const rounded = Math.round(at) * 1000; // it is due on the second, and what is computed may lie just before
  try {
    const there = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23", timeZone: zone });
    return `${there.format(rounded)} (${zone})`;
  } catch {
    return day.format(rounded);
  }
}

// Returns how long ago something was.
export function ago(at, now) {
  const seconds = Math.max(0, now - at);
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds / 5) * 5} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

// Returns in what time something is.
export function ahead(at, now) {
  const seconds = Math.max(0, at - now);
  if (seconds < 90) return `in ${Math.ceil(seconds)} s`;
  if (seconds < 5400) return `in ${Math.round(seconds / 60)} min`;
  return `in ${Math.round(seconds / 3600)} h`;
}

const STATES = {
  failing: { shape: "cross", tone: "bad", attention: true },
  unknown: { shape: "diamond", tone: "warn", attention: true },
  waiting: { shape: "dots", tone: "idle" },
  up: { shape: "up", tone: "move" },
  down: { shape: "down", tone: "move" },
  most: { shape: "top", tone: "warn" },
  paused: { shape: "bars", tone: "idle" },
  zero: { shape: "ring", tone: "idle" },
  steady: { shape: "disc", tone: "good" },
};

const state = (key, text) => ({ key, text, attention: false, ...STATES[key] });

// Returns a workload's state in one or two words, with its shape and tone.
export function stateOf(workload) {
  const { decision, triggers } = workload;
  if (workload.actuation_error !== null) return state("failing", "cannot scale");
  if (workload.replicas.some((replica) => replica.state === "crashed")) return state("failing", "crashing");
  if (workload.ingress?.rejected) return state("failing", "proxy refused");
  const failed = triggers.filter((trigger) => trigger.error !== null);
  if (failed.length) return state("unknown", failed.every((trigger) => trigger.fallback) ? "on fallback" : "source unknown");
  if (decision === null) return state("waiting", "not decided yet");
  if (decision.desired > workload.ready_replicas) return state("up", "scaling up");
  if (workload.replicas.length > decision.desired) return state("down", "scaling down");
  if (decision.reason === "paused") return state("paused", "paused");
  if (decision.limits.some((limit) => limit.rule === "maxReplicaCount")) return state("most", "at maximum");
  return decision.desired === 0 ? state("zero", "at zero") : state("steady", "steady");
}

// Returns everything that is wrong with a workload: in a sentence each, and in brief.
export function troubles(workload) {
  const found = [];
  const add = (text, brief, key = "failing") => found.push({ text, brief, ...STATES[key] });
  const { actuation_error: failed, ingress } = workload;
  if (failed !== null) add(`Replicas cannot be changed: ${failed}`, failed);
  if (ingress?.rejected) add(`A proxy refused its configuration, and goes on with the one before: ${ingress.rejected}`, ingress.rejected);
  for (const { name, type, error, fallback } of workload.triggers) {
    const instead = fallback ? "The fallback stands in." : "The count does not go down until it is known.";
    if (error !== null) add(`${name} (${type}) is unknown: ${error.replace(/\.$/, "")}. ${instead}`, `${name}: ${error}`, "unknown");
  }
  for (const { name, state, detail } of workload.replicas) {
    if (state === "crashed") add(`${name} crashed: ${detail || "no reason is known"}`, detail || name);
  }
  return found;
}

// Returns what is wrong with the service as a whole, in a sentence each.
export function troublesOfService({ rejected, lacksProxy }) {
  const found = rejected.map((part) => {
    const [what, how] = part === "manifests" ? ["manifests", "scaler validate"] : [`labels of ${part}`, "scaler validate --compose"];
    return { text: `The last edit of the ${what} was rejected: what runs is the configuration from before. The log and ${how} say why.`, ...STATES.unknown };
  });
  if (lacksProxy) found.push({ text: "No proxy serves: apps with ingress are not reached.", ...STATES.failing });
  return found;
}

// Returns how much of its target the load of a trigger is: 1 is as much as is to be carried; null where it is unknown.
export function load(trigger, replicas) {
  if (trigger.value === null || !(trigger.target > 0)) return null;
  const shared = trigger.metric_type === "AverageValue" && trigger.kind !== "resource";
  return trigger.value / trigger.target / (shared ? Math.max(1, replicas) : 1);
}
