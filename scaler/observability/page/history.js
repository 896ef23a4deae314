// Fetches what became of workloads: few at a time, and of those only that are looked at.

import { ask } from "./feed.js";

const AT_ONCE = 3;

const waiting = new Map();
let busy = 0;

// Asks for a workload's history, and gives it to `take`; a later call for the same `key` takes the place of one that waits.
export function fetchHistory(name, take, { key = name, decisions = false } = {}) {
  waiting.set(key, async () => {
    const path = `v1/workloads/${encodeURIComponent(name)}`;
    const [hour, last] = await Promise.all([ask(`${path}/history`), decisions ? ask(`${path}/decisions`) : null]);
    if (hour !== null) take(hour, last?.decisions ?? []);
  });
  next();
}

function next() {
  for (const [key, fetching] of waiting) {
    if (busy >= AT_ONCE) return;
    waiting.delete(key);
    busy += 1;
    fetching().finally(() => {
      busy -= 1;
      next();
    });
  }
}

// Returns a function that runs `work` soon, and again no sooner than `pause` ms later, however often it is called.
export function calmly(work, pause) {
  let timer = 0;
  let again = 0;
  const begin = () => {
    timer = 0;
    again = Date.now() + pause;
    work();
  };
  const soon = () => {
    timer ||= setTimeout(begin, Math.max(150, again - Date.now()));
  };
  soon.cancel = () => {
    clearTimeout(timer);
    timer = 0;
  };
  return soon;
}
