// Ties the page together: the feed, the address, and what is shown for it.

import { Feed } from "./feed.js";
import { Overview } from "./overview.js";
import { renew, setText } from "./dom.js";
import { timeOfDay, troublesOfService } from "./words.js";
import { trouble, WorkloadPage } from "./workload.js";

const feed = new Feed();
const overview = new Overview(feed);
const workload = new WorkloadPage(feed);
let shown = null;
let drawing = 0;

// Returns the workload that the address names, after `#/`; an empty name is all of them.
function addressed() {
  const name = location.hash.startsWith("#/") ? location.hash.slice(2) : "";
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function route() {
  const name = addressed();
  if (shown === name) return;
  const from = shown;
  shown = name;
  if (name) {
    overview.close();
    workload.open(name);
  } else {
    workload.close();
    overview.open(from);
  }
  document.title = (name ? workload : overview).title;
}

function draw() {
  drawing = 0;
  if (shown) workload.update();
  else overview.update();
  const wrong = troublesOfService(feed);
  renew(document.getElementById("troubles"), wrong, () => wrong.map(trouble));
  setText(document.getElementById("version"), feed.version && `scaler ${feed.version}`);
}

const WORDS = { connecting: "connecting", live: "live", lost: "not connected" };

feed.addEventListener("change", () => {
  drawing ||= requestAnimationFrame(draw);
});
feed.addEventListener("state", () => {
  const connection = document.getElementById("connection");
  connection.dataset.state = feed.state;
  setText(connection, WORDS[feed.state]);
  document.body.classList.toggle("stale", feed.state === "lost");
  const lost = document.getElementById("lost");
  lost.hidden = feed.state !== "lost";
  const known = feed.heardAt ? ` Below is what was known at ${timeOfDay(feed.heardAt)}.` : "";
  setText(lost, feed.state === "lost" ? `The service does not answer.${known} Trying again…` : "");
});
addEventListener("hashchange", route);
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address after # is the workload's
  document.getElementById("main").focus();
});
addEventListener("keydown", (event) => {
  const typing = event.target instanceof Element && event.target.closest("input:not([type=radio], [type=checkbox]), textarea");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  if (shown) location.hash = "#/";
  route();
  overview.focusFilter();
});

route();
feed.start();
