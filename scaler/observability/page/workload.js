// One workload: why it has as many replicas as it has, and what became of it in the last hour.

import { Chart, Cursor } from "./chart.js";
import { el, renew, setText } from "./dom.js";
import { calmly, fetchHistory } from "./history.js";
import { meter } from "./overview.js";
import { shape } from "./shapes.js";
import { ago, ahead, load, moment, momentIn, number, plural, stateOf, timeOfDay, troubles } from "./words.js";

const REFRESH_MS = 15000;

export class WorkloadPage {
  #feed;
  #element = document.getElementById("workload");
  #name = null;
  #parts = {};
  #charts = new Map();
  #cursor = new Cursor();
  #shown = null;
  #past = null;
  #renew = calmly(() => this.#fetch(), 2000);

  constructor(feed) {
    this.#feed = feed;
    setInterval(() => {
      if (this.#name !== null && !document.hidden) this.#renew();
    }, REFRESH_MS);
    setInterval(() => this.#name !== null && this.#tick(), 1000);
  }

  get title() {
    return `${this.#name} · scaler`;
  }

  open(name) {
    this.#name = name;
    this.#shown = null;
    this.#past = null;
    this.#charts.clear();
    this.#cursor = new Cursor();
    const part = (tag, kind) => (this.#parts[kind] = el(tag, { class: kind }));
    const section = (title, kind, { tag = "div", note = "" } = {}) => el("section", { class: `card ${kind}-card`, "aria-labelledby": `${kind}-title` }, el("h2", { id: `${kind}-title` }, title, note && el("small", {}, note)), part(tag, kind));
    this.#element.replaceChildren(
      el("nav", { class: "back", "aria-label": "Way back" }, el("a", { href: "#/" }, "← All workloads")),
      el("header", { class: "about-workload" }, el("h1", { id: "workload-title", tabindex: -1 }, name), part("span", "state"), part("p", "facts")),
      part("div", "gone"),
      part("ul", "troubles"),
      el("div", { class: "columns" },
        el("div", { class: "column" }, section("Why this many", "why"), section("Last hour", "charts", { note: ", the highest of each 15 s" }), section("Last decisions", "decisions", { tag: "ol" })),
        el("div", { class: "column side" }, section("Triggers", "triggers-now"), section("Requests", "requests"), section("Replicas", "replicas-now"))));
    this.#element.hidden = false;
    this.update();
    this.#renew();
    document.getElementById("workload-title").focus({ preventScroll: true });
    scrollTo(0, 0);
  }

  close() {
    this.#name = null;
    this.#renew.cancel();
    this.#element.hidden = true;
    this.#element.replaceChildren();
  }

  update() {
    const workload = this.#feed.workloads.get(this.#name);
    const waits = !this.#feed.complete || this.#feed.expected.has(this.#name);
    this.#element.classList.toggle("missing", !workload);
    renew(this.#parts.gone, [Boolean(workload), waits], ([there, coming]) => !there && el("p", { class: "empty" }, coming ? "Waiting for the service…" : "There is no workload of this name. It may have been removed."));
    if (!workload) {
      this.#shown = null;
      return;
    }
    if (workload === this.#shown) return;
    const before = this.#shown;
    this.#shown = workload;
    const state = stateOf(workload);
    renew(this.#parts.state, state, () => el("span", { class: `badge ${state.tone}` }, shape(state.shape), state.text));
    renew(this.#parts.facts, [workload.target, workload.revision, workload.min_replicas, workload.max_replicas, workload.polling_interval_s], () => facts(workload));
    renew(this.#parts.troubles, troubles(workload), (wrong) => wrong.map(trouble));
    renew(this.#parts.why, [workload.decision, workload.ready_replicas, workload.current_replicas], () => why(workload));
    renew(this.#parts["triggers-now"], [workload.triggers, workload.current_replicas], () => workload.triggers.length ? workload.triggers.map((trigger) => triggerNow(trigger, workload)) : el("p", { class: "none" }, "It has no triggers: its minimum holds."));
    renew(this.#parts.requests, workload.ingress, (ingress) => ingress && requests(ingress));
    this.#parts.requests.parentElement.hidden = !workload.ingress;
    renew(this.#parts["replicas-now"], workload.replicas, replicas);
    this.#tick();
    if (before) this.#renew();
    else this.#draw();
  }

  #tick() {
    const { now } = this.#feed;
    for (const time of this.#element.querySelectorAll("time[data-at]")) {
      const at = Number(time.dataset.at);
      setText(time, time.dataset.way === "ahead" ? ahead(at, now) : ago(at, now));
    }
  }

  #fetch() {
    const name = this.#name;
    if (name === null) return;
    const take = (hour, decisions) => {
      if (name !== this.#name) return;
      this.#past = { hour, decisions };
      this.#draw();
    };
    fetchHistory(name, take, { key: "workload", decisions: true });
  }

  // Draws the past once both it and the workload are known, whichever comes first.
  #draw() {
    const workload = this.#shown;
    if (!workload || !this.#past) return;
    const { hour, decisions } = this.#past;
    const over = { firstAt: hour.first_at, step: hour.step_s };
    this.#chart("replicas", () => new Chart("Replicas", this.#cursor)).show({
      ...over,
      lines: [{ name: "ready", kind: "ready", values: hour.ready }, { name: "wanted", kind: "wanted", values: hour.wanted }],
    });
    for (const series of hour.triggers) {
      const trigger = workload.triggers.find((each) => each.name === series.name);
      if (!trigger) continue;
      const unit = (value) => number(value, trigger.metric_type);
      const lines = [{ name: "value", kind: "value", values: series.values }];
      // Replicas share such a value: what they carry together is the target of each, times how many were wanted.
      const shared = trigger.metric_type === "AverageValue" && trigger.kind !== "resource";
      if (shared) lines.push({ name: "target of all replicas", kind: "limit", values: hour.wanted.map((count) => count === null ? null : count * trigger.target) });
      else lines.push({ name: "target", kind: "limit", values: series.values.map(() => trigger.target) });
      this.#chart(`trigger ${series.name}`, () => new Chart(trigger.name === trigger.type ? trigger.name : `${trigger.name} (${trigger.type})`, this.#cursor, { height: 112, unit })).show({ ...over, lines });
    }
    renew(this.#parts.decisions, decisions, () => decisions.length ? decisions.map(entry) : el("li", { class: "none" }, "None yet."));
    this.#tick();
  }

  #chart(key, make) {
    let chart = this.#charts.get(key);
    if (!chart) {
      chart = make();
      this.#charts.set(key, chart);
      this.#parts.charts.append(chart.element);
    }
    return chart;
  }
}

// Returns a line that says what is wrong.
export const trouble = ({ text, tone, shape: form }) => el("li", { class: tone }, shape(form), el("span", {}, text));

const since = (at, way = "ago") => el("time", { datetime: new Date(at * 1000).toISOString(), title: moment(at), "data-at": at, "data-way": way });

function facts(workload) {
  const said = [
    workload.target !== workload.name && workload.target,
    workload.revision && `revision ${workload.revision}`,
    `${number(workload.min_replicas)} to ${plural(workload.max_replicas, "replica")}`,
    `read every ${number(workload.polling_interval_s)} s`,
  ];
  return said.filter(Boolean).map((text) => el("span", {}, text));
}

function why(workload) {
  const { decision, ready_replicas: ready, current_replicas: there } = workload;
  if (!decision) return el("p", { class: "none" }, "Not decided yet.");
  const next = decision.next_change_at === null
    ? "Next change: when a reading changes; no cooldown or window is running."
    : ["Next change: ", since(decision.next_change_at, "ahead"), `, at ${timeOfDay(Math.round(decision.next_change_at))}, or earlier when a reading changes.`];
  return [
    el("p", { class: "counts" },
      el("span", {}, el("b", {}, number(decision.desired)), " wanted"), el("span", {}, el("b", {}, number(there)), " there"), el("span", {}, el("b", {}, number(ready)), " ready")),
    el("p", { class: "because" }, `Because ${decision.because}.`),
    decision.limits.length > 0 && el("ul", { class: "limits" }, decision.limits.map(limit)),
    el("p", { class: "next" }, next),
  ];
}

const limit = ({ rule, before, after }) => el("li", {}, el("code", {}, rule), ` ${number(before)} → ${number(after)}`);

function triggerNow(trigger, workload) {
  const said = (value) => number(value, trigger.metric_type);
  const share = load(trigger, workload.current_replicas);
  const notes = [
    share !== null && `${number(Math.round(100 * share))} % of its target`,
    trigger.value === null ? null : trigger.active ? "active" : trigger.kind === "resource" ? "not active" : `not active, activation above ${number(trigger.activation)}`,
    trigger.within_tolerance && "within tolerance",
    trigger.fallback && "fallback",
    trigger.windows && `stable window ${said(trigger.windows.stable)}, panic window ${said(trigger.windows.panic)}${trigger.windows.panicking ? ", panicking" : ""}`,
  ].filter(Boolean);
  return el("div", { class: `trigger-now${trigger.error !== null ? " failed" : ""}` },
    el("p", { class: "trigger-name" }, el("b", {}, trigger.name), el("span", { class: "type" }, trigger.type)),
    el("p", { class: "numbers" },
      el("span", {}, el("b", {}, trigger.value === null ? "unknown" : said(trigger.value)), " value"),
      el("span", {}, el("b", {}, said(trigger.target)), ` target${trigger.metric_type === "AverageValue" ? " per replica" : ""}`),
      el("span", {}, el("b", {}, trigger.wants === null ? "–" : number(trigger.wants)), " wanted")),
    meter(trigger, workload.current_replicas),
    notes.length > 0 && el("p", { class: "notes" }, notes.join(" · ")),
    trigger.changes_at !== null && el("p", { class: "notes" }, `holds until ${momentIn(trigger.changes_at, trigger.changes_zone)} by its schedule`),
    trigger.error !== null && el("p", { class: "error" }, trigger.error));
}

function requests(ingress) {
  return [
    el("p", { class: "counts" }, el("span", {}, el("b", {}, number(ingress.held)), " held"), el("span", {}, el("b", {}, number(ingress.in_flight)), " in flight")),
    ingress.urls.map((url) => el("p", { class: "url" }, /^https?:\/\//.test(url) ? el("a", { href: url, rel: "noreferrer", target: "_blank" }, url) : url)),
  ].flat();
}

const TONES = { ready: ["disc", "good"], crashed: ["cross", "bad"], stopping: ["down", "idle"] };

function replicas(all) {
  if (!all.length) return el("p", { class: "none" }, "None.");
  return el("ul", { class: "replica-list" }, all.map((replica) => {
    const [form, tone] = TONES[replica.state] ?? ["dots", "move"];
    return el("li", {},
      el("span", { class: `badge ${tone}` }, shape(form), replica.state),
      el("span", { class: "replica-name" }, replica.name),
      el("span", { class: "replica-about" },
        replica.started_at !== null && el("span", {}, "started ", since(replica.started_at)),
        replica.restarts > 0 && el("span", {}, plural(replica.restarts, "restart")),
        replica.endpoint && el("span", {}, replica.endpoint),
        replica.detail && el("span", { class: "error" }, replica.detail)));
  }));
}

function entry(decision) {
  const { current, desired } = decision;
  const way = desired > current ? "up" : desired < current ? "down" : "same";
  return el("li", { class: `decision ${way}` },
    el("time", { class: "at", datetime: new Date(decision.at * 1000).toISOString(), title: moment(decision.at) }, timeOfDay(decision.at)),
    el("span", { class: "change" }, way === "same" ? `stays ${number(desired)}` : `${number(current)} → ${number(desired)}`),
    el("div", { class: "reasons" },
      el("p", {}, decision.because),
      el("ul", {}, decision.triggers.map((trigger) => el("li", { class: trigger.error !== null ? "failed" : null },
        `${trigger.name} `, el("b", {}, trigger.value === null ? "unknown" : number(trigger.value, trigger.metric_type)), ` / ${number(trigger.target, trigger.metric_type)}`,
        trigger.wants !== null && `, wants ${number(trigger.wants)}`,
        trigger.error !== null && el("span", { class: "error" }, trigger.error))),
      decision.limits.map(limit))));
}
