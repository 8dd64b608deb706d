// Charts of a container or host: live points from one socket, or recorded ones of an hour or a day.
import "uplot/dist/uPlot.min.css";
import uPlot from "uplot";
import { ReconnectingSocket } from "./parts/reconnecting_socket.js";

const LIVE_SECONDS = 120;
const GAP_SECONDS = 3; // recorded points nearer to a live one are duplicates
const HISTORY_INTERVAL = 60_000;
const UNITS = ["B", "KB", "MB", "GB", "TB"]; // of 1024, as everywhere in the console
const POWERS_OF_TWO = Array.from({ length: 48 }, (_none, at) => 2 ** at);

function formatSize(value) {
  let unit = 0;
  let scaled = value ?? 0;
  while (scaled >= 1024 && unit < UNITS.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${scaled >= 100 || unit === 0 ? Math.round(scaled) : scaled.toFixed(1)} ${UNITS[unit]}`;
}

const CHART_KINDS = {
  cpu: { fields: ["cpu"], text: (p) => `${p.cpu.toFixed(1)} %`, axis: (v) => `${v} %`, minimum: 5 },
  memory: {
    fields: ["memory"],
    text: (p) => (p.memory_limit > 0 ? `${formatSize(p.memory)} / ${formatSize(p.memory_limit)}` : formatSize(p.memory)),
    axis: formatSize,
    steps: POWERS_OF_TWO,
    minimum: 2 ** 20,
  },
  network: { fields: ["net_rx", "net_tx"], text: (p) => `↓ ${formatSize(p.net_rx)}/s  ↑ ${formatSize(p.net_tx)}/s`, axis: formatSize, steps: POWERS_OF_TWO, minimum: 1024 },
  disk: { fields: ["disk_read", "disk_write"], text: (p) => `↓ ${formatSize(p.disk_read)}/s  ↑ ${formatSize(p.disk_write)}/s`, axis: formatSize, steps: POWERS_OF_TWO, minimum: 1024 },
};

const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200];

function formatClock(at, isShort) {
  const format = isShort ? { hour: "2-digit", minute: "2-digit", hour12: false } : { hour12: false };
  return new Date(at * 1000).toLocaleTimeString([], format);
}

function cssColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

class Chart {
  constructor(box) {
    this.box = box;
    this.kind = CHART_KINDS[box.dataset.chart];
    this.points = [];
    this.history = null;
    this.recorded = null;
    this.output = box.querySelector("output");
    this.plot = box.querySelector(".plot");
    this.placeholder = this.plot.textContent;
    new ResizeObserver(() => this.fit()).observe(this.plot);
  }

  build() {
    this.plot.textContent = "";
    this.box.classList.remove("is-waiting");
    const colours = [cssColour("--accent"), cssColour("--good")];
    const axis = { stroke: cssColour("--ink-3"), font: "10px Inter", grid: { stroke: cssColour("--line"), width: 1 }, ticks: { show: false } };
    this.chart = new uPlot(
      {
        width: Math.max(80, this.plot.clientWidth),
        height: 92,
        legend: { show: false },
        cursor: { points: { size: 6 }, drag: { x: false, y: false } },
        padding: [8, 14, 0, 0],
        scales: { y: { range: (_u, _low, high) => [0, Math.max(this.kind.minimum, (high ?? 0) * 1.15)] } },
        axes: [
          { ...axis, size: 18, space: 90, incrs: TIME_STEPS, values: (_u, marks) => marks.map((at) => formatClock(at, Boolean(this.history))) },
          { ...axis, ...(this.kind.steps && { incrs: this.kind.steps }), size: 48, space: 26, values: (_u, marks) => marks.map((value) => this.kind.axis(value)) },
        ],
        series: [{}, ...this.kind.fields.map((_name, at) => ({ stroke: colours[at], width: 1.5, fill: at ? undefined : `${colours[at]}1f`, points: { show: false } }))],
      },
      this.data(),
      this.plot,
    );
  }

  get visiblePoints() {
    return this.history ?? this.points;
  }

  data() {
    return [this.visiblePoints.map((p) => p.at), ...this.kind.fields.map((name) => this.visiblePoints.map((p) => p[name] ?? null))];
  }

  // The feed starts, perhaps again after the tab was hidden.
  begin() {
    this.isLive = false;
    this.recorded = null;
  }

  add(points) {
    const last = this.points.at(-1)?.at ?? 0;
    const since = (points.at(-1)?.at ?? 0) - LIVE_SECONDS;
    this.isLive ||= points.length > 0;
    this.points = [...this.points, ...points.filter((p) => p.at > last)].filter((p) => p.at > since).slice(-LIVE_SECONDS);
    this.mergeRecorded();
    if (!this.history) this.draw();
  }

  // Recorded points fill the gaps before and between live ones; they are merged only once live points are there.
  fillGaps(points) {
    this.recorded = points;
    this.mergeRecorded();
  }

  mergeRecorded() {
    if (!this.recorded || !this.isLive) return;
    const { at: last } = this.points.at(-1);
    const isGap = ({ at }) => at > last - LIVE_SECONDS && at < last && !this.points.some((p) => Math.abs(p.at - at) < GAP_SECONDS);
    this.points = [...this.recorded.filter(isGap), ...this.points].sort((a, b) => a.at - b.at);
    this.recorded = null;
    if (!this.history) this.draw();
  }

  showHistory(points) {
    this.history = points;
    this.chart?.destroy();
    this.chart = null;
    this.draw();
  }

  draw() {
    if (!this.visiblePoints.length) return this.showPlaceholder(this.history ? this.emptyText : "");
    if (this.chart) this.chart.setData(this.data());
    else this.build();
    this.output.textContent = this.kind.text(this.visiblePoints.at(-1));
  }

  get emptyText() {
    return this.box.closest("[data-source]").dataset.nothing;
  }

  fit() {
    this.chart?.setSize({ width: Math.max(80, this.plot.clientWidth), height: 92 });
  }

  rebuild() {
    if (!this.chart) return;
    this.chart.destroy();
    this.build();
  }

  showPlaceholder(text) {
    this.output.textContent = "";
    if (this.chart) return;
    this.box.classList.add("is-waiting");
    this.plot.textContent = text || this.placeholder;
  }
}

// Feeds the charts of one row: a socket while they are live, else recorded points.
class Feed {
  constructor(source, charts, host) {
    this.source = source;
    this.charts = charts;
    this.historyUrl = host.dataset.history;
    this.ranges = host.previousElementSibling?.matches(".ranges") ? host.previousElementSibling : null;
    this.hours = 0;
    this.ranges?.addEventListener("click", (event) => this.chooseRange(event.target.closest("[data-range]")));
    // A hidden tab holds no socket; recorded points fill the gap when it is shown again.
    document.addEventListener("visibilitychange", () => (document.hidden ? this.stop() : this.start()));
    addEventListener("pagehide", () => this.stop());
    if (!document.hidden) this.start();
  }

  start() {
    if (this.hours) this.loadHistory();
    else this.startLive();
  }

  stop() {
    clearTimeout(this.timer);
    this.socket?.close();
    this.socket = null;
  }

  startLive() {
    this.stop();
    this.updateCharts((chart) => chart.begin());
    this.fetchRecorded(1).then((points) => points && this.updateCharts((chart) => chart.fillGaps(points)));
    this.socket = new ReconnectingSocket(`/ws/stats?${this.source}`, {
      message: (data) => {
        const message = JSON.parse(data);
        if (message.type === "points") this.updateCharts((chart) => chart.add(message.points));
        if (message.type === "end") this.updateCharts((chart) => chart.showPlaceholder(message.reason));
      },
      closed: (event) => this.updateCharts((chart) => chart.showPlaceholder(event.reason)),
    });
  }

  async loadHistory() {
    const { hours } = this;
    const points = await this.fetchRecorded(hours);
    if (hours !== this.hours || document.hidden) return;
    if (points) this.updateCharts((chart) => chart.showHistory(points));
    this.timer = setTimeout(() => this.loadHistory(), HISTORY_INTERVAL);
  }

  async fetchRecorded(hours) {
    if (!this.historyUrl) return null;
    try {
      const response = await fetch(`${this.historyUrl}?hours=${hours}`, { headers: { Accept: "application/json" } });
      return response.ok ? (await response.json()).points : null;
    } catch {
      return null;
    }
  }

  chooseRange(button) {
    if (!button) return;
    for (const range of this.ranges.querySelectorAll("[data-range]")) {
      range.setAttribute("aria-pressed", String(range === button));
    }
    this.stop();
    this.hours = Number(button.dataset.range);
    if (!this.hours) this.updateCharts((chart) => chart.showHistory(null));
    this.start();
  }

  updateCharts(update) {
    this.charts.forEach(update);
    const last = this.charts[0]?.visiblePoints.at(-1)?.at;
    const asOf = this.ranges?.querySelector("[data-asof]");
    if (!asOf || !last) return;
    asOf.dateTime = new Date(last * 1000).toISOString();
    asOf.textContent = formatClock(last, false);
  }
}

export function mount(boxes) {
  const bySource = new Map();
  for (const box of boxes) {
    const source = box.closest("[data-source]").dataset.source;
    bySource.set(source, [...(bySource.get(source) ?? []), new Chart(box)]);
  }
  for (const [source, charts] of bySource) new Feed(source, charts, charts[0].box.closest("[data-source]"));
  const rebuildAll = () => [...bySource.values()].flat().forEach((chart) => chart.rebuild());
  new MutationObserver(rebuildAll).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", rebuildAll);
}

export { uPlot };
