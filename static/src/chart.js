// Live charts of a container or a host: one socket feeds all the charts of a page.
import "uplot/dist/uPlot.min.css";
import uPlot from "uplot";
import { Socket } from "./parts/socket.js";

const SPAN = 120;
const NEAR = 3;
const AGAIN = 60_000;
const UNITS = ["B", "kB", "MB", "GB", "TB"];
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB"];
const POWERS = Array.from({ length: 48 }, (_none, at) => 2 ** at);

function size(value, step = 1000, units = UNITS) {
  let at = 0;
  let left = value ?? 0;
  while (left >= step && at < units.length - 1) {
    left /= step;
    at += 1;
  }
  return `${left >= 100 || at === 0 ? Math.round(left) : left.toFixed(1)} ${units[at]}`;
}

// Memory is bought and limited in powers of two; what flows is counted in powers of ten.
function memory(value) {
  return size(value, 1024, BINARY);
}

const KINDS = {
  cpu: { of: ["cpu"], text: (p) => `${p.cpu.toFixed(1)} %`, axis: (v) => `${v} %`, low: 5 },
  memory: {
    of: ["memory"],
    text: (p) => (p.memory_limit > 0 ? `${memory(p.memory)} / ${memory(p.memory_limit)}` : memory(p.memory)),
    axis: memory,
    steps: POWERS,
    low: 2 ** 20,
  },
  network: { of: ["net_rx", "net_tx"], text: (p) => `↓ ${size(p.net_rx)}/s  ↑ ${size(p.net_tx)}/s`, axis: (v) => size(v), low: 1000 },
  disk: { of: ["disk_read", "disk_write"], text: (p) => `↓ ${size(p.disk_read)}/s  ↑ ${size(p.disk_write)}/s`, axis: (v) => size(v), low: 1000 },
};

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200];

function clock(at, short) {
  const shape = short ? { hour: "2-digit", minute: "2-digit", hour12: false } : { hour12: false };
  return new Date(at * 1000).toLocaleTimeString([], shape);
}

function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

class Chart {
  constructor(box) {
    this.box = box;
    this.kind = KINDS[box.dataset.chart];
    this.points = [];
    this.past = null;
    this.older = null;
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
          { ...axis, size: 18, space: 90, incrs: STEPS, values: (_u, marks) => marks.map((at) => clock(at, Boolean(this.past))) },
          { ...axis, ...(this.kind.steps && { incrs: this.kind.steps }), size: 48, space: 26, values: (_u, marks) => marks.map((value) => this.kind.axis(value)) },
        ],
        series: [{}, ...this.kind.of.map((_name, at) => ({ stroke: colours[at], width: 1.5, fill: at ? undefined : `${colours[at]}1f`, points: { show: false } }))],
      },
      this.data(),
      this.plot,
    );
  }

  get shown() {
    return this.past ?? this.points;
  }

  data() {
    return [this.shown.map((p) => p.at), ...this.kind.of.map((name) => this.shown.map((p) => p[name] ?? null))];
  }

  // The feed starts, maybe again after a while in which nobody looked.
  begin() {
    this.isLive = false;
    this.older = null;
  }

  add(points) {
    const last = this.points.at(-1)?.at ?? 0;
    const since = (points.at(-1)?.at ?? 0) - SPAN;
    this.isLive ||= points.length > 0;
    this.points = [...this.points, ...points.filter((p) => p.at > last)].filter((p) => p.at > since).slice(-SPAN);
    this.join();
    if (!this.past) this.draw();
  }

  // What was recorded while nobody watched fills the gaps, before and between: never among what came live, and only
  // once that is there.
  fill(points) {
    this.older = points;
    this.join();
  }

  join() {
    if (!this.older || !this.isLive) return;
    const { at: last } = this.points.at(-1);
    const isGap = ({ at }) => at > last - SPAN && at < last && !this.points.some((p) => Math.abs(p.at - at) < NEAR);
    this.points = [...this.older.filter(isGap), ...this.points].sort((a, b) => a.at - b.at);
    this.older = null;
    if (!this.past) this.draw();
  }

  look(past) {
    this.past = past;
    this.chart?.destroy();
    this.chart = null;
    this.draw();
  }

  draw() {
    if (!this.shown.length) return this.rest(this.past ? this.nothing : "");
    if (this.chart) this.chart.setData(this.data());
    else this.build();
    this.out.textContent = this.kind.text(this.shown.at(-1));
  }

  get nothing() {
    return this.box.closest("[data-source]").dataset.nothing;
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
    this.box.classList.add("is-waiting");
    this.plot.textContent = text || this.waiting;
  }
}

// One thing's charts: a socket while they show what is live, what was recorded for an hour or a day.
class Feed {
  constructor(source, charts, host) {
    this.source = source;
    this.charts = charts;
    this.address = host.dataset.history;
    this.ranges = host.previousElementSibling?.matches(".ranges") ? host.previousElementSibling : null;
    this.hours = 0;
    this.ranges?.addEventListener("click", (event) => this.choose(event.target.closest("[data-range]")));
    // A hidden tab watches nothing; what was recorded and what others watched meanwhile fill the gap when it is shown again.
    document.addEventListener("visibilitychange", () => (document.hidden ? this.stop() : this.start()));
    addEventListener("pagehide", () => this.stop());
    if (!document.hidden) this.start();
  }

  start() {
    if (this.hours) this.recall();
    else this.listen();
  }

  stop() {
    clearTimeout(this.timer);
    this.socket?.close();
    this.socket = null;
  }

  listen() {
    this.stop();
    this.each((chart) => chart.begin());
    this.recorded(1).then((points) => points && this.each((chart) => chart.fill(points)));
    this.socket = new Socket(`/ws/stats?${this.source}`, {
      message: (data) => {
        const said = JSON.parse(data);
        if (said.type === "points") this.each((chart) => chart.add(said.points));
        if (said.type === "end") this.each((chart) => chart.rest(said.reason));
      },
      closed: (event) => this.each((chart) => chart.rest(event.reason)),
    });
  }

  async recall() {
    const { hours } = this;
    const points = await this.recorded(hours);
    if (hours !== this.hours || document.hidden) return;
    if (points) this.each((chart) => chart.look(points));
    this.timer = setTimeout(() => this.recall(), AGAIN);
  }

  async recorded(hours) {
    if (!this.address) return null;
    try {
      const answer = await fetch(`${this.address}?hours=${hours}`, { headers: { Accept: "application/json" } });
      return answer.ok ? (await answer.json()).points : null;
    } catch {
      return null;
    }
  }

  choose(button) {
    if (!button) return;
    for (const each of this.ranges.querySelectorAll("[data-range]")) {
      each.setAttribute("aria-pressed", String(each === button));
    }
    this.stop();
    this.hours = Number(button.dataset.range);
    if (!this.hours) this.each((chart) => chart.look(null));
    this.start();
  }

  each(change) {
    this.charts.forEach(change);
    const last = this.charts[0]?.shown.at(-1)?.at;
    const seen = this.ranges?.querySelector("[data-asof]");
    if (!seen || !last) return;
    seen.dateTime = new Date(last * 1000).toISOString();
    seen.textContent = clock(last, false);
  }
}

export function mount(boxes) {
  const bySource = new Map();
  for (const box of boxes) {
    const source = box.closest("[data-source]").dataset.source;
    bySource.set(source, [...(bySource.get(source) ?? []), new Chart(box)]);
  }
  for (const [source, charts] of bySource) new Feed(source, charts, charts[0].box.closest("[data-source]"));
  const repaint = () => [...bySource.values()].flat().forEach((chart) => chart.repaint());
  new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
}

export { uPlot };
