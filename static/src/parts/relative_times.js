// Keeps relative times ("3 min ago") current while a page is open, by the server's clock: the browser's may be wrong.
const MAX_DRIFT = 60_000;

let offset = null; // milliseconds to add to the browser's clock

// A time that the server sent just now. It was delayed on its way, so of several the latest reading is the best one.
export function noteServerTime(milliseconds) {
  const found = milliseconds - Date.now();
  if (!Number.isFinite(found)) return;
  const isBetter = offset === null || found > offset || offset - found > MAX_DRIFT;
  if (isBetter) offset = found;
}

export function serverNow() {
  return Date.now() + (offset ?? 0);
}

noteServerTime(Number(document.body.dataset.clock || Number.NaN));

const SPANS = [
  [31_536_000, "y"],
  [2_592_000, "mo"],
  [86_400, "d"],
  [3600, "h"],
  [60, "min"],
];

function formatSpan(seconds) {
  const [size, unit] = SPANS.find(([least]) => seconds >= least) ?? [1, "s"];
  return `${Math.floor(seconds / size)} ${unit}`;
}

function formatAgo(seconds) {
  const data = document.body.dataset;
  return seconds < 5 ? data.now : data.ago.replace("%", formatSpan(seconds));
}

function formatAhead(seconds) {
  const data = document.body.dataset;
  return seconds < 1 ? data.due : data.ahead.replace("%", formatSpan(seconds));
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function updateRelativeTimes() {
  for (const node of document.querySelectorAll("time[data-ago]")) {
    setText(node, formatAgo((serverNow() - Date.parse(node.dateTime)) / 1000));
  }
  for (const node of document.querySelectorAll("time[data-ahead]")) {
    setText(node, formatAhead((Date.parse(node.dateTime) - serverNow()) / 1000));
  }
}
