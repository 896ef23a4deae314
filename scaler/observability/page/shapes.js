// The shapes that say a state beside its colour.

import { svg } from "./dom.js";

const PATHS = {
  disc: "M6 1a5 5 0 1 0 0 10a5 5 0 1 0 0-10z",
  ring: "M6 1a5 5 0 1 0 0 10a5 5 0 1 0 0-10zM6 3a3 3 0 1 1 0 6a3 3 0 1 1 0-6z",
  up: "M6 1l5 9H1z",
  down: "M6 11L1 2h10z",
  top: "M1 1h10v2H1zM6 4l5 7H1z",
  cross: "M3 .8L.8 3l3 3l-3 3L3 11.200l3-3l3 3L11.200 9l-3-3l3-3L9 .8l-3 3z",
  diamond: "M6 0l6 6l-6 6l-6-6zM5.200 2.800v4h1.600v-4zM5.200 7.800v1.600h1.600V7.800z",
  bars: "M2 1h3v10H2zM7 1h3v10H7z",
  dots: "M0 5h3v3H0zM4.500 5h3v3h-3zM9 5h3v3H9z",
};

// Returns a shape by its name.
export function shape(name) {
  return svg("svg", { class: "shape", viewBox: "0 0 12 12", width: 11, height: 11, "aria-hidden": "true" }, svg("path", { d: PATHS[name], "fill-rule": "evenodd" }));
}
