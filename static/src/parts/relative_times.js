// Keeps relative times ("3 min ago") current while a page is open.
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
    setText(node, formatAgo((Date.now() - Date.parse(node.dateTime)) / 1000));
  }
  for (const node of document.querySelectorAll("time[data-ahead]")) {
    setText(node, formatAhead((Date.parse(node.dateTime) - Date.now()) / 1000));
  }
}
