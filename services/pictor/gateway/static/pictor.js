// What every page does: colours, keys, actions, live updates. No framework; htmx swaps what the server renders.
"use strict";
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

const EVENTS = ["frame.received", "frame.ingested", "frame.quarantined", "frame.observed", "frame.previewed",
  "frame.measured", "frame.solved", "frame.unsolved", "frame.processed", "module.finished", "job.finished",
  "master.created", "master.rejected", "master.expired", "master.recalled", "stacking.deferred"];
const THEMES = ["light", "dark", "red"];

function toast(sentence, bad = false) {
  const line = document.createElement("p");
  line.textContent = sentence;
  if (bad) line.className = "bad";
  $("#toasts").append(line);
  setTimeout(() => line.remove(), bad ? 9000 : 3500);
}

// Actions: buttons carry data-action; what they change goes through the API with the session's CSRF token.
async function send(method, url, body, more = {}) {
  const headers = { "X-CSRF-Token": document.body.dataset.csrf || "", "Accept": "application/json", ...more };
  if (body !== undefined && !headers["Content-Type"]) headers["Content-Type"] = "application/json";
  const answer = await fetch(url, { method, headers, body, credentials: "same-origin" });
  if (answer.ok) return answer;
  let sentence = `${answer.status} ${answer.statusText}`, fields = [];
  try { const problem = await answer.json(); sentence = problem.detail || problem.title || sentence; fields = problem.errors || []; } catch { /* not JSON */ }
  throw Object.assign(new Error(sentence), { fields });
}
const post = (url, body) => send("POST", url, body);

const ACTIONS = {
  async post(button) {
    if (button.dataset.confirm && !confirm(button.dataset.confirm)) return;
    button.disabled = true;
    try {
      await post(button.dataset.url, button.dataset.body);
      toast(button.dataset.done || "Done");
      refresh();
    } catch (problem) { toast(problem.message, true); }
    button.disabled = false;
  },
  // A verdict by hand; on the night page it is that of the selected row.
  async grade(button) { await judge($("#look").dataset.id, button.dataset.status); },
  theme() {
    const now = document.documentElement.dataset.theme
      || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
    document.documentElement.dataset.theme = next;
    localStorage.setItem("pictor-theme", next);
    document.dispatchEvent(new Event("pictor:theme"));
  },
  help() { $("#help").showModal(); },
  async copy(button) {
    try { await navigator.clipboard.writeText(button.dataset.copy); toast(`Copied ${button.dataset.copy}`); }
    catch { toast("The browser did not allow copying", true); }
  },
  async logout() {
    try { await post("/logout"); } catch { /* the session was over already */ }
    location.assign("/login");
  },
  corners() {
    const box = $("#corners"), image = box && $("img", box);
    if (!box) return;
    if (!image.src) image.src = image.dataset.src;
    box.hidden = !box.hidden;
  },
};

async function judge(id, status) {
  if (!id) return;
  try {
    await send("PATCH", `/api/v1/frames/${id}/grade`, JSON.stringify({ status }));
    for (const button of $$(".verdict button")) button.setAttribute("aria-pressed", String(button.dataset.status === status));
    toast(status === "pending" ? "Grade cleared" : `Frame ${status}`);
    refresh(id);
  } catch (problem) { toast(problem.message, true); }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-action]");
  if (button && ACTIONS[button.dataset.action]) { event.preventDefault(); ACTIONS[button.dataset.action](button); }
});
document.addEventListener("change", (event) => {
  if (event.target.closest("#filters") && event.target.tagName === "SELECT") {
    for (const field of $$("#filters select")) field.disabled = !field.value;
    $("#filters").submit();
  }
});

// Live: one event stream; what arrives names a frame, whose line or timeline is fetched again.
const waiting = new Map();
function later(key, work, delay = 150) {
  clearTimeout(waiting.get(key));
  waiting.set(key, setTimeout(() => { waiting.delete(key); work(); }, delay));
}

async function refreshRow(id) {
  const body = $("#rows");
  if (!body) return;
  const answer = await fetch(`/night/rows/${encodeURIComponent(id)}${location.search}`, { credentials: "same-origin" });
  const old = document.getElementById(`row-${id}`);
  if (answer.status === 204) { old?.remove(); document.dispatchEvent(new Event("pictor:rows")); return; }
  if (!answer.ok) return;
  const holder = document.createElement("template");
  holder.innerHTML = (await answer.text()).trim();
  const row = $("tr", holder.content);
  if (!row) return;
  if (old) {
    if (old.classList.contains("selected")) row.classList.add("selected");
    old.replaceWith(row);
  } else {
    row.classList.add("fresh");
    const before = $$("tr", body).find((other) => Number(other.dataset.time) <= Number(row.dataset.time));
    body.insertBefore(row, before || null);
    $(".table .empty")?.remove();
    const count = $("#tally b");
    if (count) count.textContent = $$("tr", body).length;
  }
  document.dispatchEvent(new Event("pictor:rows"));
}

function refreshTimeline(id) {
  const line = $("#timeline");
  if (line && (!id || line.dataset.frame === id)) htmx.ajax("GET", line.dataset.refresh, { target: "#timeline", swap: "outerHTML" });
}

function refresh(id) {
  if (id && $("#rows")) later(`row-${id}`, () => refreshRow(id));
  if ($("#timeline")) later("timeline", () => refreshTimeline(id), 300);
  if ($("#jobs")) htmx.trigger(document.body, "pictor:jobs");
  if (!id && $("#loads")) htmx.trigger("#loads", "pictor:loads");
}

function frameOf(text) {
  try {
    const fact = JSON.parse(text);
    return fact.frame_id || fact.message?.frame_id || fact.data?.frame_id || null;
  } catch { return null; }
}

function listen() {
  const address = document.body.dataset.events, light = $("#live");
  if (!address || !light) return;
  const stream = new EventSource(address);
  const heard = (event) => {
    const id = frameOf(event.data);
    if (id) refresh(id);
    document.dispatchEvent(new CustomEvent("pictor:event", { detail: { kind: event.type, frame: id } }));
    light.classList.add("beat");
    later("beat", () => light.classList.remove("beat"), 400);
  };
  stream.onopen = () => light.classList.add("on");
  stream.onerror = () => light.classList.remove("on");
  stream.onmessage = heard;
  for (const name of EVENTS) stream.addEventListener(name, heard);
  addEventListener("pagehide", () => stream.close());
}

// Night: selection, search.
function select(row, { scroll = true, quiet = false } = {}) {
  if (!row) return;
  for (const other of $$("#rows .selected")) other.classList.remove("selected");
  row.classList.add("selected");
  if (scroll) row.scrollIntoView({ block: "nearest" });
  if (!quiet) {
    const url = new URL(location);
    url.searchParams.set("frame", row.dataset.id);
    history.replaceState(null, "", url);
  }
  document.dispatchEvent(new CustomEvent("pictor:select", { detail: row }));
}
const current = () => $("#rows .selected")?.dataset.id || $("#look")?.dataset.id;
const shown = () => $$("#rows tr").filter((row) => !row.hidden);
function step(by) {
  const rows = shown(), at = rows.findIndex((row) => row.classList.contains("selected"));
  select(rows[Math.min(Math.max(at < 0 ? 0 : at + by, 0), rows.length - 1)]);
}

document.addEventListener("click", (event) => {
  const row = event.target.closest("#rows tr");
  if (row && !event.target.closest("a, button")) select(row, { scroll: false });
});
document.addEventListener("dblclick", (event) => {
  const row = event.target.closest("#rows tr");
  if (row) location.assign(`/frames/${row.dataset.id}`);
});
document.addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase();
  if (event.target.id === "search") {
    for (const row of $$("#rows tr")) row.hidden = !row.textContent.toLowerCase().includes(words);
    document.dispatchEvent(new Event("pictor:rows"));
  }
  if (event.target.id === "card-search") {
    for (const row of $$(".cards tr")) row.hidden = !row.textContent.toLowerCase().includes(words);
  }
});

// Keys.
let prefix = "";
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, textarea")) { if (event.key === "Escape") event.target.blur(); return; }
  if ($("dialog[open]")) return;
  const pages = { n: "/night", c: "/calibration", j: "/jobs", o: "/operations" };
  if (prefix === "g" && pages[event.key]) { location.assign(pages[event.key]); return; }
  prefix = event.key === "g" ? "g" : "";
  const follow = (id) => $(id)?.href && location.assign($(id).href);
  const onNight = Boolean($("#rows"));
  const keys = {
    j: () => (onNight ? step(1) : follow("#next")), ArrowDown: () => onNight && step(1),
    k: () => (onNight ? step(-1) : follow("#previous")), ArrowUp: () => onNight && step(-1),
    Enter: () => $("#rows .selected") && location.assign(`/frames/${$("#rows .selected").dataset.id}`),
    "/": () => ($("#search") || $("#card-search"))?.focus(), "?": ACTIONS.help, c: ACTIONS.corners,
    f: () => ACTIONS.fit?.(), 1: () => ACTIONS.full?.(), i: () => ACTIONS.invert?.(),
    "+": () => ACTIONS.zoom?.(1.5), "-": () => ACTIONS.zoom?.(1 / 1.5),
    a: () => judge(current(), "accepted"), x: () => judge(current(), "rejected"), u: () => judge(current(), "pending"),
    h: () => $("#header")?.scrollIntoView({ behavior: "smooth" }), r: () => $("#reprocess")?.click(),
    d: () => follow("#download"),
  };
  if (keys[event.key] && !(onNight === false && event.key.startsWith("Arrow"))) {
    if (event.key !== "Enter" || $("#rows .selected")) event.preventDefault();
    keys[event.key]();
  }
});

function tick() {
  const clock = $("#utc");
  if (clock) clock.textContent = `${new Date().toISOString().slice(11, 19)} UTC`;
}

tick();
setInterval(tick, 1000);
listen();
document.addEventListener("DOMContentLoaded", () => {
  const wanted = new URL(location).searchParams.get("frame");
  const row = (wanted && document.getElementById(`row-${wanted}`)) || $("#rows tr[data-tiles]") || $("#rows tr");
  if (row) select(row, { scroll: Boolean(wanted), quiet: true });
});
