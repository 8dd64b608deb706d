// Live charts of a container or a host: one socket feeds all the charts of a page.
import "uplot/dist/uPlot.min.css";
import uPlot from "uplot";
import { Socket } from "./parts/socket.js";

const SPAN = 120;
const UNITS = ["B", "kB", "MB", "GB", "TB"];

function size(value) {
  let at = 0;
  let left = value ?? 0;
  while (left >= 1000 && at < UNITS.length - 1) {
    left /= 1000;
    at += 1;
  }
  return `${left >= 100 || at === 0 ? Math.round(left) : left.toFixed(1)} ${UNITS[at]}`;
}

const KINDS = {
  cpu: { of: ["cpu"], text: (p) => `${p.cpu.toFixed(1)} %`, axis: (v) => `${v} %`, low: 5 },
  memory: {
    of: ["memory"],
    text: (p) => (p.memory_limit > 0 ? `${size(p.memory)} / ${size(p.memory_limit)}` : size(p.memory)),
    axis: size,
    low: 1e6,
  },
  network: { of: ["net_rx", "net_tx"], text: (p) => `↓ ${size(p.net_rx)}/s  ↑ ${size(p.net_tx)}/s`, axis: size, low: 1000 },
  disk: { of: ["disk_read", "disk_write"], text: (p) => `↓ ${size(p.disk_read)}/s  ↑ ${size(p.disk_write)}/s`, axis: size, low: 1000 },
};

function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

class Chart {
  constructor(box) {
    this.box = box;
    this.kind = KINDS[box.dataset.chart];
    this.points = [];
    this.out = box.querySelector("output");
    this.plot = box.querySelector(".plot");
    this.waiting = this.plot.textContent;
    new ResizeObserver(() => this.fit()).observe(this.plot);
  }

  build() {
    this.plot.textContent = "";
    this.box.classList.remove("is-waiting");
    const colours = [ink("--accent"), ink("--good")];
    const axis = { stroke: ink("--ink-3"), font: "10px Inter", grid: { stroke: ink("--line"), width: 1 }, ticks: { show: false } };
    this.chart = new uPlot(
      {
        width: Math.max(80, this.plot.clientWidth),
        height: 92,
        legend: { show: false },
        cursor: { points: { size: 6 }, drag: { x: false, y: false } },
        padding: [8, 14, 0, 0],
        scales: { y: { range: (_u, _low, high) => [0, Math.max(this.kind.low, (high ?? 0) * 1.15)] } },
        axes: [
          { ...axis, size: 18, space: 90, incrs: [1, 2, 5, 10, 15, 30, 60, 120], values: (_u, marks) => marks.map((at) => new Date(at * 1000).toLocaleTimeString([], { hour12: false })) },
          { ...axis, size: 48, space: 26, values: (_u, marks) => marks.map((value) => this.kind.axis(value)) },
        ],
        series: [{}, ...this.kind.of.map((_name, at) => ({ stroke: colours[at], width: 1.5, fill: at ? undefined : `${colours[at]}1f`, points: { show: false } }))],
      },
      this.data(),
      this.plot,
    );
  }

  data() {
    return [this.points.map((p) => p.at), ...this.kind.of.map((name) => this.points.map((p) => p[name] ?? null))];
  }

  add(points) {
    const last = this.points.at(-1)?.at ?? 0;
    this.points.push(...points.filter((p) => p.at > last));
    this.points.splice(0, this.points.length - SPAN);
    if (!this.points.length) return;
    if (this.chart) this.chart.setData(this.data());
    else this.build();
    this.out.textContent = this.kind.text(this.points.at(-1));
  }

  fit() {
    this.chart?.setSize({ width: Math.max(80, this.plot.clientWidth), height: 92 });
  }

  repaint() {
    if (!this.chart) return;
    this.chart.destroy();
    this.build();
  }

  rest(text) {
    this.out.textContent = "";
    if (this.chart) return;
    this.plot.textContent = text || this.waiting;
  }
}

function feed(source, charts) {
  let socket = null;
  const start = () => {
    socket = new Socket(`/ws/stats?${source}`, {
      message: (data) => {
        const said = JSON.parse(data);
        if (said.type === "points") charts.forEach((chart) => chart.add(said.points));
        if (said.type === "end") charts.forEach((chart) => chart.rest(said.reason));
      },
      closed: (event) => charts.forEach((chart) => chart.rest(event.reason)),
    });
  };
  const stop = () => socket?.close();
  // A hidden tab watches nothing; the first frame after it is shown again fills the gap.
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
  addEventListener("pagehide", stop);
  if (!document.hidden) start();
}

export function mount(boxes) {
  const bySource = new Map();
  for (const box of boxes) {
    const source = box.closest("[data-source]").dataset.source;
    bySource.set(source, [...(bySource.get(source) ?? []), new Chart(box)]);
  }
  for (const [source, charts] of bySource) feed(source, charts);
  const repaint = () => [...bySource.values()].flat().forEach((chart) => chart.repaint());
  new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
}

export { uPlot };
