// Live pages: a socket reports changed rows of the environment, and the main region is fetched again and morphed when
// it shows rows of that kind. Without a socket the page polls every five seconds.
import { morphMain } from "./morph.js";
import { ReconnectingSocket } from "./reconnecting_socket.js";
import { noteServerTime, updateRelativeTimes } from "./relative_times.js";
import { toast } from "./toasts.js";

const BATCH_DELAY = 150;
const POLL_INTERVAL = 5000;
const RETRY_DELAY = 1000;
const FRESHNESS_INTERVAL = 60_000;
const region = document.getElementById("main");
const badge = document.getElementById("pulse");
const banner = document.getElementById("offline");
const environment = document.body.dataset.environment;
const isSiteWide = region?.dataset.scope === "site";
const kinds = new Set((region?.dataset.live ?? "").split(" ").filter(Boolean));

let refreshTimer = 0;
let pollTimer = 0;
let isRefreshing = false;
let isStale = false;
let socket = null;
let version = region?.dataset.version ? `"${region.dataset.version}"` : "";

// The badge is inside the closed drawer on phones; what is out of date says so above everything else.
function showStatus(wanted) {
  // An answer or a socket from just before the network went must not call the page live again.
  const state = navigator.onLine ? wanted : "offline";
  const isOffline = state === "offline";
  if (banner && banner.hidden === isOffline) {
    banner.querySelector("[data-reason]").textContent = navigator.onLine ? banner.dataset.portal : banner.dataset.network;
    banner.hidden = !isOffline;
  }
  if (!badge) return;
  badge.dataset.pulse = state;
  badge.lastElementChild.textContent = badge.dataset[state];
}

export function refreshSoon(delay = BATCH_DELAY) {
  if (!kinds.size) return;
  if (document.hidden) {
    isStale = true;
    return;
  }
  refreshTimer ||= setTimeout(refresh, delay);
}

async function refresh() {
  refreshTimer = 0;
  if (isRefreshing || isInUse()) {
    isStale = true;
    return;
  }
  isRefreshing = true;
  isStale = false;
  try {
    const response = await fetch(location.href, {
      headers: {
        "HX-Request": "true",
        "X-Corral-Refresh": "true",
        Accept: "text/html",
        ...(version && { "If-None-Match": version }),
      },
    });
    await applyResponse(response);
    if (banner?.hidden === false) showStatus(socket?.isOpen ? "live" : "delayed");
  } catch {
    showStatus("offline");
    setTimeout(() => refreshSoon(0), RETRY_DELAY);
  } finally {
    isRefreshing = false;
    if (isStale && !isInUse()) refreshSoon();
  }
}

// A morph would close a select that is open.
function isInUse() {
  return document.querySelector("#main select:open") !== null;
}

async function applyResponse(response) {
  const target = response.headers.get("HX-Redirect");
  if (target) return location.assign(target);
  if (response.status === 404 || response.status === 410) return leaveDeletedPage();
  if (!response.ok) return undefined; // 304 too: what is shown is current
  const html = await response.text();
  if (!document.hidden || !isStale) {
    await morphMain(html);
    version = response.headers.get("ETag") ?? ""; // after the morph, which reports a swap too
    updateRelativeTimes();
    document.dispatchEvent(new CustomEvent("corral:refreshed"));
  }
  return undefined;
}

function leaveDeletedPage() {
  const parent = region.dataset.parent.trim();
  kinds.clear();
  toast(document.body.dataset.gone, "warn");
  if (parent) setTimeout(() => location.assign(parent), 1200);
}

// Reloads at once when access to this page was revoked, instead of at the next poll.
async function reloadIfRevoked() {
  const headers = { "HX-Request": "true", "X-Corral-Refresh": "1", Accept: "text/html" };
  const response = await fetch(location.href, { headers }).catch(() => null);
  if (response?.status === 404) location.reload();
}

function setPolling(isOn) {
  clearInterval(pollTimer);
  pollTimer = isOn ? setInterval(() => refreshSoon(0), POLL_INTERVAL) : 0;
}

function handleMessage(data) {
  const message = JSON.parse(data);
  noteServerTime(message.at * 1000);
  if (message.type !== "changed") return;
  if (message.environment && String(message.environment) !== environment) return;
  if (message.changes.some(([kind]) => kinds.has(kind))) refreshSoon();
}

function connect() {
  // The first message comes once changes are reported: what changed between rendering and this moment was missed.
  let isMissingChanges = true;
  socket = new ReconnectingSocket(`/ws/events?environment=${environment}`, {
    open: () => {
      setPolling(isSiteWide && kinds.size > 0);
      showStatus("live");
      isMissingChanges = true;
    },
    message: (data) => {
      if (isMissingChanges) refreshSoon(0);
      isMissingChanges = false;
      handleMessage(data);
    },
    down: (tries) => {
      refreshSoon(0); // it fails at once where the portal is gone, and the page says so
      if (tries > 1 && navigator.onLine) {
        showStatus("delayed");
        if (!pollTimer) setPolling(true);
      }
    },
    closed: (event) => {
      showStatus("offline");
      if (event.code === 4401) return location.reload();
      setPolling(true);
      return event.code === 4403 ? reloadIfRevoked() : undefined;
    },
  });
}

// What is shown may differ from the version it was fetched as: a form answered, a button was disabled.
function forgetVersion() {
  version = "";
}

function watchNetwork() {
  addEventListener("offline", () => showStatus("offline"));
  addEventListener("online", () => {
    socket?.reconnect();
    refreshSoon(0);
  });
  if (!navigator.onLine) showStatus("offline");
}

export function startLiveRefresh() {
  watchNetwork();
  for (const name of ["htmx:after:swap", "corral:done", "corral:changed"]) document.addEventListener(name, forgetVersion);
  document.addEventListener("corral:done", (event) => event.detail?.changed !== false && refreshSoon(60));
  document.addEventListener("corral:changed", () => refreshSoon(60));
  document.addEventListener("visibilitychange", () => !document.hidden && isStale && refreshSoon(0));
  if (!environment) {
    if (kinds.size) setPolling(true);
    showStatus("delayed");
    return;
  }
  connect();
  // Observing a row again without a change sends no event, but moves its "as of" time.
  setInterval(() => region?.querySelector("time[data-renew]") && refreshSoon(0), FRESHNESS_INTERVAL);
  // Rows outside any environment are not reported on the socket of an environment.
  if (isSiteWide && kinds.size) setPolling(true);
  addEventListener("pagehide", () => {
    socket?.close();
    setPolling(false);
    clearTimeout(refreshTimer);
  });
  addEventListener("pageshow", (event) => event.persisted && (connect(), refreshSoon(0)));
}
