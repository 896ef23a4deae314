// Charts of the last hour, drawn as SVG: one to read by pointer or keys, and one the size of a word.

import { el, svg } from "./dom.js";
import { hourAndMinute, number, timeOfDay } from "./words.js";

const MARGIN = { top: 8, right: 10, bottom: 20, left: 40 };

// The step that is pointed at, for all charts of a page at once; null is the latest.
export class Cursor extends EventTarget {
  #step = null;

  get step() {
    return this.#step;
  }

  set step(step) {
    if (step === this.#step) return;
    this.#step = step;
    this.dispatchEvent(new Event("move"));
  }
}

// A chart of lines over the same steps. A line is {name, kind: "wanted" | "ready" | "value" | "limit", values}.
export class Chart {
  #title;
  #height;
  #cursor;
  #readout = el("p", { class: "readout" });
  #plot;
  #data = null;
  #width = 0;
  #mark = svg("g", { class: "cursor" });

  constructor(title, cursor, { height = 170, unit = (value) => number(value) } = {}) {
    this.#title = title;
    this.#height = height;
    this.#cursor = cursor;
    this.unit = unit;
    this.#plot = el("div", { class: "plot", tabindex: 0, role: "slider", "aria-label": `${title}, the last hour`, "aria-orientation": "horizontal" });
    this.#plot.style.height = `${height}px`;
    this.element = el("figure", { class: "chart" }, el("figcaption", {}, el("span", { class: "caption" }, title), this.#readout), this.#plot);
    new ResizeObserver(([entry]) => {
      const width = Math.round(entry.contentRect.width);
      if (width !== this.#width) {
        this.#width = width;
        this.#draw();
      }
    }).observe(this.#plot);
    cursor.addEventListener("move", () => this.#point());
    this.#plot.addEventListener("pointermove", (event) => this.#aim(event));
    this.#plot.addEventListener("pointerdown", (event) => this.#aim(event));
    this.#plot.addEventListener("pointerleave", () => (cursor.step = null));
    this.#plot.addEventListener("blur", () => (cursor.step = null));
    this.#plot.addEventListener("keydown", (event) => this.#press(event));
  }

  show(data) {
    this.#data = data;
    this.#draw();
  }

  get #steps() {
    return this.#data.lines[0].values.length;
  }

  #x(step) {
    return MARGIN.left + ((this.#width - MARGIN.left - MARGIN.right) * step) / Math.max(1, this.#steps);
  }

  #aim(event) {
    if (!this.#data) return;
    const inside = event.clientX - this.#plot.getBoundingClientRect().left - MARGIN.left;
    const share = inside / Math.max(1, this.#width - MARGIN.left - MARGIN.right);
    this.#cursor.step = Math.max(0, Math.min(this.#steps - 1, Math.floor(share * this.#steps)));
  }

  #press(event) {
    if (!this.#data) return;
    const last = this.#steps - 1;
    const at = this.#cursor.step ?? last;
    const step = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageDown: at - 20, PageUp: at + 20, Home: 0, End: last }[event.key];
    if (event.key === "Escape") this.#cursor.step = null;
    else if (step === undefined) return;
    else this.#cursor.step = Math.max(0, Math.min(last, step));
    event.preventDefault();
  }

  #draw() {
    if (!this.#data || this.#width < 60) return;
    const { firstAt, step, lines } = this.#data;
    const counts = lines.some((line) => line.kind === "wanted");
    const bottom = this.#height - MARGIN.bottom;
    const known = lines.flatMap((line) => line.values).filter((value) => value !== null);
    const top = niceTop(Math.max(0, ...known), counts);
    const y = (value) => bottom - ((bottom - MARGIN.top) * Math.max(0, value)) / top;
    this.y = y;
    const drawing = svg("svg", { width: this.#width, height: this.#height, "aria-hidden": "true" });
    for (const value of [0, top / 2, top]) {
      if (counts && !Number.isInteger(value)) continue;
      drawing.append(
        svg("line", { class: "grid", x1: MARGIN.left, x2: this.#width - MARGIN.right, y1: y(value), y2: y(value) }),
        svg("text", { class: "tick", x: MARGIN.left - 6, y: y(value) + 4, "text-anchor": "end" }, this.unit(value)),
      );
    }
    const every = this.#width < 520 ? 1200 : 600;
    for (let at = Math.ceil(firstAt / every) * every; at < firstAt + this.#steps * step; at += every) {
      const x = this.#x((at - firstAt) / step);
      drawing.append(svg("line", { class: "tickmark", x1: x, x2: x, y1: bottom, y2: bottom + 4 }));
      const anchor = x > this.#width - 30 ? "end" : "middle";
      drawing.append(svg("text", { class: "tick", x, y: this.#height - 4, "text-anchor": anchor }, hourAndMinute(at)));
    }
    for (const line of lines) {
      const x = (index) => this.#x(index);
      if (line.kind === "ready") drawing.append(svg("path", { class: "area", d: area(line.values, x, y, bottom) }));
      drawing.append(svg("path", { class: `line ${line.kind}`, d: steps(line.values, x, y) }));
    }
    this.#mark = svg("g", { class: "cursor" });
    drawing.append(this.#mark);
    this.#plot.replaceChildren(drawing);
    this.#point();
  }

  #point() {
    if (!this.#data || !this.y) return;
    const { firstAt, step, lines } = this.#data;
    const last = this.#steps - 1;
    const at = Math.min(last, this.#cursor.step ?? last);
    const when = this.#cursor.step === null ? "latest" : timeOfDay(firstAt + at * step);
    const said = lines.map((line) => ({ ...line, text: line.values[at] === null ? "unknown" : this.unit(line.values[at]) }));
    this.#readout.replaceChildren(
      el("span", { class: "when" }, when),
      ...said.map((line) => el("span", { class: `key ${line.kind}` }, el("i", { "aria-hidden": "true" }), `${line.name} `, el("b", {}, line.text))),
    );
    this.#plot.setAttribute("aria-valuemin", 0);
    this.#plot.setAttribute("aria-valuemax", last);
    this.#plot.setAttribute("aria-valuenow", at);
    this.#plot.setAttribute("aria-valuetext", `${when}: ${said.map((line) => `${line.name} ${line.text}`).join(", ")}`);
    this.#mark.replaceChildren();
    if (this.#cursor.step === null) return;
    const middle = (this.#x(at) + this.#x(at + 1)) / 2;
    this.#mark.append(svg("line", { x1: middle, x2: middle, y1: MARGIN.top, y2: this.#height - MARGIN.bottom }));
    for (const line of said) {
      if (line.values[at] !== null) this.#mark.append(svg("circle", { class: line.kind, cx: middle, cy: this.y(line.values[at]), r: 3.5 }));
    }
  }
}

// Replicas over the last hour, the size of a word.
export class Sparkline {
  constructor() {
    this.element = svg("svg", { class: "spark", viewBox: "0 0 120 26", preserveAspectRatio: "none", role: "img", "aria-label": "no history yet" });
  }

  show({ wanted, ready }) {
    const known = [...wanted, ...ready].filter((value) => value !== null);
    const top = Math.max(1, ...known);
    const x = (index) => (120 * index) / wanted.length;
    const y = (value) => 24 - (22 * value) / top;
    this.element.replaceChildren(
      svg("path", { class: "base", d: "M0 24.5H120" }),
      svg("path", { class: "area", d: area(ready, x, y, 24) }),
      svg("path", { class: "line wanted", d: steps(wanted, x, y) }),
    );
    const text = known.length ? `up to ${number(top)} replicas in the last hour` : "no history yet";
    this.element.setAttribute("aria-label", text);
  }
}

// Returns the path of values that hold for a step each; it breaks where one is unknown.
function steps(values, x, y) {
  let path = "";
  let before = null;
  values.forEach((value, index) => {
    if (value !== null) {
      if (before === null) path += `M${point(x(index))} ${point(y(value))}`;
      else if (value !== before) path += `V${point(y(value))}`;
      path += `H${point(x(index + 1))}`;
    }
    before = value;
  });
  return path;
}

// Returns the path round what is below such values.
function area(values, x, y, bottom) {
  let path = "";
  let before = null;
  values.forEach((value, index) => {
    if (value !== null) {
      path += before === null ? `M${point(x(index))} ${bottom}V${point(y(value))}` : `V${point(y(value))}`;
      path += `H${point(x(index + 1))}`;
      if (index === values.length - 1 || values[index + 1] === null) path += `V${bottom}Z`;
    }
    before = value;
  });
  return path;
}

const point = (value) => Math.round(value * 10) / 10;

// Returns where an axis ends: a round number that is not below the highest value; an even one where only whole ones count.
function niceTop(highest, whole) {
  if (!(highest > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(highest));
  const top = [1, 2, 4, 5, 6, 8, 10].map((factor) => factor * power).find((value) => value >= highest * 0.9999);
  return whole && top > 1 && top < 10 ? 2 * Math.ceil(top / 2) : top;
}
