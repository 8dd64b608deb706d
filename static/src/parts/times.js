// "3 min ago" stays true while a page is open.
const SPANS = [
  [31_536_000, "y"],
  [2_592_000, "mo"],
  [86_400, "d"],
  [3600, "h"],
  [60, "min"],
];

function span(seconds) {
  const [size, unit] = SPANS.find(([least]) => seconds >= least) ?? [1, "s"];
  return `${Math.floor(seconds / size)} ${unit}`;
}

function words(seconds) {
  const data = document.body.dataset;
  return seconds < 5 ? data.now : data.ago.replace("%", span(seconds));
}

function ahead(seconds) {
  const data = document.body.dataset;
  return seconds < 1 ? data.due : data.ahead.replace("%", span(seconds));
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function tickTimes() {
  for (const node of document.querySelectorAll("time[data-ago]")) {
    put(node, words((Date.now() - Date.parse(node.dateTime)) / 1000));
  }
  for (const node of document.querySelectorAll("time[data-ahead]")) {
    put(node, ahead((Date.parse(node.dateTime) - Date.now()) / 1000));
  }
}
