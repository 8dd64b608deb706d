// "3 min ago" stays true while a page is open.
const SPANS = [
  [31_536_000, "y"],
  [2_592_000, "mo"],
  [86_400, "d"],
  [3600, "h"],
  [60, "min"],
];

function words(seconds) {
  const data = document.body.dataset;
  if (seconds < 5) return data.now;
  const [span, unit] = SPANS.find(([size]) => seconds >= size) ?? [1, "s"];
  return data.ago.replace("%", `${Math.floor(seconds / span)} ${unit}`);
}

export function tickTimes() {
  for (const node of document.querySelectorAll("time[data-ago]")) {
    const text = words((Date.now() - Date.parse(node.dateTime)) / 1000);
    if (node.textContent !== text) node.textContent = text;
  }
}
