// What the service says as it changes, over one connection that is taken up again when it breaks.

const SILENCE_MS = 25000; // the service says something every 10 s
const HIDDEN_MS = 30000; // a page that nobody sees costs the service nothing after this long
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 3000;

export class Feed extends EventTarget {
  // All workloads by name, and the names of those that are yet to come.
  workloads = new Map();
  expected = new Set();
  state = "connecting"; // then "live", or "lost"
  version = "";
  rejected = []; // what is configured otherwise than it runs
  lacksProxy = false;
  heardAt = 0; // by the service's clock, in seconds
  #ahead = 0;
  #source = null;
  #retry = FIRST_RETRY_MS;
  #timer = 0;
  #silence = 0;

  // The service's time in seconds since the epoch.
  get now() {
    return Date.now() / 1000 + this.#ahead;
  }

  // Whether all workloads have been told.
  get complete() {
    return this.state !== "connecting" && this.expected.size === 0;
  }

  start() {
    this.#connect();
    let hiding = 0;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(hiding);
      if (document.hidden) hiding = setTimeout(() => this.#close(), HIDDEN_MS);
      else if (this.#source === null) this.#connect();
    });
    addEventListener("online", () => this.#connect());
  }

  #connect() {
    this.#close();
    this.#source = new EventSource("v1/events");
    this.#listen();
    for (const name of ["hello", "workloads", "alive"]) {
      this.#source.addEventListener(name, (event) => this.#hear(name, JSON.parse(event.data)));
    }
    // The browser's own retries end for good at an answer that is no stream, such as when too many watch.
    this.#source.addEventListener("error", () => this.#lose());
  }

  #close() {
    this.#source?.close();
    this.#source = null;
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
  }

  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lose(), SILENCE_MS);
  }

  #lose() {
    this.#close();
    this.#become("lost");
    this.#timer = setTimeout(() => this.#connect(), this.#retry);
    this.#retry = Math.min(LONGEST_RETRY_MS, this.#retry * 2);
  }

  #hear(event, said) {
    this.#listen();
    this.#ahead = said.now - Date.now() / 1000;
    this.heardAt = said.now;
    this.rejected = said.rejected;
    this.lacksProxy = said.lacks_proxy;
    if (event === "hello") {
      this.version = said.version;
      this.expected = new Set(said.names);
      for (const name of this.workloads.keys()) if (!this.expected.has(name)) this.workloads.delete(name);
      this.#retry = FIRST_RETRY_MS;
      this.#become("live");
    } else {
      for (const workload of said.workloads) this.workloads.set(workload.name, workload);
      for (const name of said.gone) this.workloads.delete(name);
      for (const name of [...said.workloads.map((workload) => workload.name), ...said.gone]) this.expected.delete(name);
    }
    this.dispatchEvent(new Event("change"));
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

// Returns what the service answers to a path, or null where it does not.
export async function ask(path) {
  try {
    const answer = await fetch(path, { cache: "no-store" });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}
