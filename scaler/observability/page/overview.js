// All workloads: a table on a wide screen, cards on a narrow one.

import { Sparkline } from "./chart.js";
import { el, renew, setAttribute, setText } from "./dom.js";
import { calmly, fetchHistory } from "./history.js";
import { shape } from "./shapes.js";
import { ago, load, moment, number, plural, stateOf, troubles } from "./words.js";

const REFRESH_MS = 15000; // a step of the history
const SHOWN_TRIGGERS = 3;

export class Overview {
  #feed;
  #rows = new Map();
  #parts;
  #seen;

  constructor(feed) {
    this.#feed = feed;
    this.#parts = Object.fromEntries(["overview", "sums", "filter", "attention", "count", "empty", "list", "rows"].map((id) => [id, document.getElementById(id)]));
    const { filter, attention } = this.#parts;
    filter.value = new URLSearchParams(location.search).get("filter") ?? "";
    attention.checked = new URLSearchParams(location.search).has("attention");
    filter.addEventListener("input", () => this.#sift());
    attention.addEventListener("change", () => this.#sift());
    filter.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && filter.value) {
        filter.value = "";
        this.#sift();
        event.preventDefault();
      }
    });
    this.#seen = new IntersectionObserver((entries) => {
      for (const entry of entries) entry.target.row.look(entry.isIntersecting);
    }, { rootMargin: "200px" });
    setInterval(() => {
      if (document.hidden || this.#parts.overview.hidden) return;
      for (const row of this.#rows.values()) row.refresh();
    }, REFRESH_MS);
    setInterval(() => this.tick(), 5000);
  }

  get title() {
    return "scaler";
  }

  // Shows it, with the focus on the workload that one comes from.
  open(from) {
    this.#parts.overview.hidden = false;
    this.update();
    const link = this.#rows.get(from)?.link;
    if (link && !link.closest("[hidden]")) link.focus();
    else if (from) document.getElementById("overview-title").focus();
  }

  close() {
    this.#parts.overview.hidden = true;
  }

  focusFilter() {
    this.#parts.filter.focus();
    this.#parts.filter.select();
  }

  update() {
    const { workloads } = this.#feed;
    for (const [name, row] of this.#rows) {
      if (workloads.has(name)) continue;
      this.#seen.unobserve(row.element);
      row.element.remove();
      this.#rows.delete(name);
    }
    let added = false;
    for (const [name, workload] of workloads) {
      let row = this.#rows.get(name);
      if (!row) {
        row = new Row(name);
        this.#rows.set(name, row);
        this.#seen.observe(row.element);
        added = true;
      }
      row.show(workload, this.#feed.now);
    }
    if (added) {
      const sorted = [...this.#rows].sort(([a], [b]) => (a < b ? -1 : 1));
      let before = null;
      for (const [, row] of sorted) { // moves only what is out of place: the focus stays
        const due = before ? before.nextElementSibling : this.#parts.rows.firstElementChild;
        if (due !== row.element) this.#parts.rows.insertBefore(row.element, due);
        before = row.element;
      }
    }
    this.#sum();
    this.#sift({ quiet: true });
  }

  tick() {
    if (!this.#parts.overview.hidden) for (const row of this.#rows.values()) row.tick(this.#feed.now);
  }

  #sum() {
    const all = [...this.#feed.workloads.values()];
    const total = (of) => all.reduce((sum, workload) => sum + of(workload), 0);
    const wrong = all.filter((workload) => stateOf(workload).attention).length;
    const served = all.some((workload) => workload.ingress);
    const sums = [
      ["workloads", number(all.length)],
      ["replicas ready", number(total((workload) => workload.ready_replicas))],
      ["wanted", number(total((workload) => workload.desired_replicas ?? 0))],
      served && ["requests held", number(total((workload) => workload.ingress?.held ?? 0))],
      served && ["in flight", number(total((workload) => workload.ingress?.in_flight ?? 0))],
      ["need attention", number(wrong), wrong ? "bad" : "calm"],
    ].filter(Boolean);
    renew(this.#parts.sums, sums, () => sums.map(([term, value, tone]) => el("div", { class: tone }, el("dt", {}, term), el("dd", {}, value))));
  }

  #sift({ quiet = false } = {}) {
    const { filter, attention, count, empty, list } = this.#parts;
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of this.#rows.values()) {
      const fits = (!attention.checked || row.state.attention) && words.every((word) => row.searched.includes(word));
      if (row.element.hidden === fits) row.element.hidden = !fits;
      if (fits) shown += 1;
    }
    const all = this.#rows.size;
    setText(count, all && (words.length || attention.checked) ? `${number(shown)} of ${number(all)}` : "");
    list.hidden = shown === 0;
    empty.hidden = shown > 0;
    if (!this.#feed.complete && all === 0) setText(empty, "Waiting for the service…");
    else if (all === 0) setText(empty, "No workloads yet. They come from the manifests that the service was started with, or from labels with --compose.");
    else setText(empty, attention.checked && !words.length ? "Nothing needs attention." : "No workload fits the filter.");
    if (quiet) return;
    const search = new URLSearchParams();
    if (filter.value) search.set("filter", filter.value);
    if (attention.checked) search.set("attention", "");
    history.replaceState(null, "", `${location.pathname}${search.size ? `?${search}` : ""}${location.hash}`);
  }
}

class Row {
  #workload = null;
  #visible = false;
  #fetchedAt = 0;
  #spark = new Sparkline();
  #state = cell("State", "state");
  #replicas = cell("Replicas", "replicas");
  #triggers = cell("Triggers", "triggers");
  #requests = cell("Requests", "requests");
  #changed = cell("Last change", "changed");
  #about = el("span", { class: "about" });

  constructor(name) {
    this.name = name;
    this.link = el("a", { href: `#/${encodeURIComponent(name)}` }, name);
    this.element = el("div", { class: "row", role: "row" },
      el("span", { class: "cell name", role: "rowheader" }, this.link, this.#about),
      this.#state, this.#replicas, this.#triggers, this.#requests,
      el("span", { class: "cell hour", role: "cell" }, el("span", { class: "label" }, "Last hour"), this.#spark.element),
      this.#changed);
    this.element.row = this;
    this.renew = calmly(() => this.refresh(), 3000);
  }

  look(visible) {
    this.#visible = visible;
    if (visible && Date.now() - this.#fetchedAt > REFRESH_MS) this.refresh();
  }

  refresh() {
    if (!this.#visible || this.element.hidden) return;
    this.#fetchedAt = Date.now();
    fetchHistory(this.name, (hour) => this.#spark.show(hour), { key: `row ${this.name}` });
  }

  show(workload, now) {
    if (this.#workload === workload) return;
    const before = this.#workload;
    this.#workload = workload;
    this.state = stateOf(workload);
    const types = workload.triggers.map((trigger) => `${trigger.name} ${trigger.type}`).join(" ");
    this.searched = `${workload.name} ${workload.target} ${types} ${this.state.text}`.toLowerCase();
    setText(this.#about, workload.target === "ContainerApp" ? "" : workload.target);
    const wrong = troubles(workload);
    setAttribute(this.element, "data-tone", this.state.attention ? this.state.tone : null);
    renew(value(this.#state), { state: this.state, wrong }, () => [
      el("span", { class: `badge ${this.state.tone}` }, shape(this.state.shape), this.state.text),
      wrong.length > 0 && el("span", { class: "trouble", title: wrong.map((each) => each.text).join("\n") }, wrong[0].brief),
    ]);
    const { ready_replicas: ready, desired_replicas: desired, min_replicas: least, max_replicas: most } = workload;
    renew(value(this.#replicas), [ready, desired, least, most], () => [
      el("span", { class: "big" }, number(ready)),
      el("span", { class: "of" }, ` of ${desired === null ? "?" : number(desired)}`),
      el("span", { class: "range" }, `min ${number(least)}, max ${number(most)}`),
    ]);
    renew(value(this.#triggers), [workload.triggers, workload.current_replicas], () => triggers(workload));
    renew(value(this.#requests), workload.ingress && [workload.ingress.held, workload.ingress.in_flight], (of) =>
      of ? [el("span", { class: of[0] ? "held" : "none" }, `${number(of[0])} held`), el("span", { class: "flying" }, `${number(of[1])} in flight`)] : el("span", { class: "none" }, "–"));
    setAttribute(this.#requests, "data-none", workload.ingress ? null : "");
    this.tick(now);
    if (this.#visible && (before?.desired_replicas !== desired || before?.ready_replicas !== ready)) this.renew();
  }

  tick(now) {
    const { last_change_at: at, decision } = this.#workload;
    const shown = value(this.#changed);
    renew(shown, [at, decision?.because], () => [
      at === null ? el("span", { class: "none" }, "none yet") : el("time", { datetime: new Date(at * 1000).toISOString(), title: moment(at) }),
      decision && el("span", { class: "because" }, decision.because),
    ]);
    if (at !== null) setText(shown.firstElementChild, ago(at, now));
  }
}

// Returns a cell with the name of its column, which cards show.
function cell(label, kind) {
  return el("span", { class: `cell ${kind}`, role: "cell" }, el("span", { class: "label" }, label), el("span", { class: "value" }));
}

const value = (of) => of.lastElementChild;

function triggers(workload) {
  if (!workload.triggers.length) return el("span", { class: "none" }, "none");
  const shown = workload.triggers.slice(0, SHOWN_TRIGGERS).map((trigger) => el("span", { class: "trigger" },
    el("span", { class: "what", title: trigger.type }, trigger.name),
    meter(trigger, workload.current_replicas),
    el("span", { class: "against" }, el("b", {}, trigger.value === null ? "unknown" : number(trigger.value, trigger.metric_type)), ` / ${number(trigger.target, trigger.metric_type)}`)));
  const more = workload.triggers.length - SHOWN_TRIGGERS;
  return more > 0 ? [...shown, el("span", { class: "none" }, `and ${plural(more, "more", "more")}`)] : shown;
}

// Returns a bar that is half full when the load is as the target says.
export function meter(trigger, replicas) {
  const share = load(trigger, replicas);
  const bar = el("span", { class: "bar" });
  bar.style.width = `${Math.min(100, 50 * (share ?? 0))}%`;
  const said = share === null ? "load unknown" : `load ${number(Math.round(100 * share))} % of the target`;
  return el("span", { class: `meter${share === null ? " unknown" : share > 1.1 ? " over" : ""}`, role: "img", "aria-label": said, title: said }, bar);
}
