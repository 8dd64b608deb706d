// Pages that keep themselves current: one socket for the page's environment, one region that is fetched again and
// morphed in place when something it shows has changed; every five seconds where no socket can be had.
import { patch } from "./patch.js";
import { Socket } from "./socket.js";
import { tickTimes } from "./times.js";
import { toast } from "./toasts.js";

const PAUSE = 150;
const POLL = 5000;
const RETRY = 1000;
const LOOK = 60_000;
const region = document.getElementById("main");
const badge = document.getElementById("pulse");
const environment = document.body.dataset.environment;
const isSiteWide = region?.dataset.scope === "site";
const kinds = new Set((region?.dataset.live ?? "").split(" ").filter(Boolean));

let due = 0;
let poll = 0;
let busy = false;
let stale = false;
let socket = null;

function tell(state) {
  if (!badge) return;
  badge.dataset.pulse = state;
  badge.lastElementChild.textContent = badge.dataset[state];
}

export function refreshSoon(pause = PAUSE) {
  if (!kinds.size) return;
  if (document.hidden) {
    stale = true;
    return;
  }
  due ||= setTimeout(refresh, pause);
}

async function refresh() {
  due = 0;
  if (busy || isHeld()) {
    stale = true;
    return;
  }
  busy = true;
  stale = false;
  try {
    const response = await fetch(location.href, {
      headers: { "HX-Request": "true", "X-Corral-Refresh": "true", Accept: "text/html" },
    });
    await show(response);
    if (badge?.dataset.pulse === "offline") tell(socket?.isOpen ? "live" : "delayed");
  } catch {
    tell("offline");
    setTimeout(() => refreshSoon(0), RETRY);
  } finally {
    busy = false;
    if (stale && !isHeld()) refreshSoon();
  }
}

// A drag over the text, or a menu of a select, would be torn by a morph under it.
function isHeld() {
  return document.querySelector("#main select:open") !== null;
}

async function show(response) {
  const target = response.headers.get("HX-Redirect");
  if (target) return location.assign(target);
  if (response.status === 404 || response.status === 410) return gone();
  if (!response.ok) return undefined;
  const text = await response.text();
  if (!document.hidden || !stale) {
    await patch(text);
    tickTimes();
    document.dispatchEvent(new CustomEvent("corral:refreshed"));
  }
  return undefined;
}

function gone() {
  const parent = region.dataset.parent.trim();
  kinds.clear();
  toast(document.body.dataset.gone, "warn");
  if (parent) setTimeout(() => location.assign(parent), 1200);
}

// Whose right to be here was taken away sees that now, not at the next poll.
async function leaveIfLost() {
  const headers = { "HX-Request": "true", "X-Corral-Refresh": "1", Accept: "text/html" };
  const response = await fetch(location.href, { headers }).catch(() => null);
  if (response?.status === 404) location.reload();
}

function polling(on) {
  clearInterval(poll);
  poll = on ? setInterval(() => refreshSoon(0), POLL) : 0;
}

function heard(data) {
  const said = JSON.parse(data);
  if (said.type !== "changed") return;
  if (said.environment && String(said.environment) !== environment) return;
  if (said.changes.some(([kind]) => kinds.has(kind))) refreshSoon();
}

function connect() {
  let fresh = true;
  socket = new Socket(`/ws/events?environment=${environment}`, {
    open: () => {
      polling(isSiteWide && kinds.size > 0);
      tell("live");
      if (!fresh) refreshSoon(0);
      fresh = false;
    },
    message: heard,
    down: (tries) => {
      fresh = false;
      if (tries > 1) {
        tell("delayed");
        if (!poll) polling(true);
      }
    },
    closed: (event) => {
      tell("offline");
      if (event.code === 4401) return location.reload();
      polling(true);
      return event.code === 4403 ? leaveIfLost() : undefined;
    },
  });
}

export function startLive() {
  document.addEventListener("corral:done", (event) => event.detail?.changed !== false && refreshSoon(60));
  document.addEventListener("corral:changed", () => refreshSoon(60));
  document.addEventListener("visibilitychange", () => !document.hidden && stale && refreshSoon(0));
  if (!environment) {
    if (kinds.size) polling(true);
    tell("delayed");
    return;
  }
  connect();
  // That something was seen again is no change that anybody is told of.
  setInterval(() => region?.querySelector("time[data-renew]") && refreshSoon(0), LOOK);
  // What belongs to no environment is not told on an environment's socket.
  if (isSiteWide && kinds.size) polling(true);
  addEventListener("pagehide", () => {
    socket?.close();
    polling(false);
    clearTimeout(due);
  });
  addEventListener("pageshow", (event) => event.persisted && (connect(), refreshSoon(0)));
}
