// The log viewer: follows one or several containers merged by time, loads older lines on scrolling up, searches the
// whole log on the server, and shows or downloads a time range.
import { LogLines } from "./log_lines.js";
import { ReconnectingSocket } from "./reconnecting_socket.js";

const SEARCH_DELAY = 350;
const LOAD_AT = 200; // pixels from the top

class LogViewer {
  constructor(box) {
    this.box = box;
    this.list = box.querySelector(".lines");
    this.status = box.querySelector("[data-status]");
    this.counter = box.querySelector("[data-count]");
    this.sources = [...box.querySelectorAll("[data-source]")].map((each, index) => ({
      key: each.dataset.source,
      name: each.dataset.name,
      url: each.dataset.lines,
      ink: 1 + (index % 6),
      last: "",
      state: "",
      isComplete: false,
    }));
    this.lines = new LogLines(this.list, { isMerged: this.sources.length > 1 });
    this.following = true;
    this.mode = "live"; // or "range" or "search"
    this.queue = [];
    this.request = 0;
    this.addListeners();
    this.start();
  }

  start() {
    for (const source of this.sources) {
      source.socket = new ReconnectingSocket(() => this.path(source), {
        open: () => this.setState(source, "open"),
        message: (data) => this.handleMessage(source, JSON.parse(data)),
        down: () => this.setState(source, "down"),
        closed: (event) => this.setState(source, event.code === 4403 ? "refused" : "ended"),
      });
    }
  }

  path(source) {
    const since = source.last ? `&since=${encodeURIComponent(source.last)}` : "";
    return `/ws/logs?container=${source.key}&tail=${since ? 1000 : 500}${since}`;
  }

  setState(source, state) {
    source.state = state;
    this.showStatus();
  }

  // "Following" is said only while new lines appear by themselves; the worst of several connections counts.
  showStatus() {
    const states = this.sources.map((source) => source.state);
    let state = ["refused", "down", "open", "ended"].find((each) => states.includes(each)) ?? "";
    if (state === "open" && !this.following) state = "paused";
    if (this.mode === "range") state = "range";
    if (state) this.status.textContent = this.box.dataset[state];
  }

  handleMessage(source, message) {
    if (message.type === "end") {
      source.socket.close();
      this.setState(source, "ended");
    } else if (message.type === "lines") {
      for (const line of message.lines) this.queue.push([source, line]);
      this.frame ||= requestAnimationFrame(() => this.flush());
    }
  }

  flush() {
    this.frame = 0;
    const fresh = this.queue.splice(0);
    for (const [source, line] of fresh) {
      if (line[1] && line[1] <= source.last) continue; // sent again after a reconnection
      source.last = line[1] || source.last;
      if (this.mode === "live") this.add(source, line);
    }
    if (this.mode !== "live") return;
    this.lines.trim(this.following);
    if (this.following) this.list.scrollTop = this.list.scrollHeight;
  }

  add(source, line) {
    const made = this.lines.create(source, line);
    made.hidden = !this.lines.matches(made, this.stream, "");
    this.lines.insert(made);
  }

  get stream() {
    return this.box.querySelector("[data-stream]").value;
  }

  follow(isOn) {
    if (isOn && this.mode !== "live") return this.backToLive();
    this.following = isOn;
    this.box.querySelector("[data-do=follow]").setAttribute("aria-pressed", String(isOn));
    if (isOn) this.list.scrollTop = this.list.scrollHeight;
    this.showStatus();
    return undefined;
  }

  // Closes and opens the sockets anew: the newest lines come back in order.
  backToLive() {
    this.box.querySelector("[data-word]").value = "";
    for (const input of this.box.querySelectorAll(".moment input")) input.value = "";
    this.request += 1;
    this.mode = "live";
    this.counter.textContent = "";
    this.linkFiles();
    this.lines.clear();
    for (const source of this.sources) {
      source.socket.close();
      source.last = "";
      source.isComplete = false;
    }
    this.start();
    this.follow(true);
  }

  async fetchLines(source, query) {
    const response = await fetch(`${source.url}?${new URLSearchParams(query)}`, { headers: { "HX-Request": "true" } });
    if (!response.ok) throw new Error((await response.text()).slice(0, 300) || this.box.dataset.failed);
    return response.json();
  }

  async loadOlder() {
    if (this.mode !== "live" || this.isLoading || !this.list.childElementCount) return;
    this.isLoading = true;
    try {
      const open = this.sources.filter((source) => !source.isComplete);
      const pages = await Promise.all(open.map((source) => this.olderPage(source)));
      const made = open.flatMap((source, at) => pages[at].lines.map((line) => this.lines.create(source, line)));
      made.sort((one, other) => (one.dataset.at < other.dataset.at ? -1 : one.dataset.at > other.dataset.at ? 1 : 0));
      for (const line of made) line.hidden = !this.lines.matches(line, this.stream, "");
      if (this.mode === "live") this.lines.prepend(made);
      if (this.sources.every((source) => source.isComplete)) this.counter.textContent = this.box.dataset.start;
      this.lines.markDays();
    } catch (error) {
      this.counter.textContent = error.message;
    } finally {
      this.isLoading = false;
    }
  }

  async olderPage(source) {
    const page = await this.fetchLines(source, { until: this.lines.oldest(source), newer: this.lines.count(source) });
    source.isComplete = page.complete;
    return page;
  }

  range() {
    const moment = (name) => {
      const { value } = this.box.querySelector(`[data-${name}]`);
      return value ? new Date(value).toISOString() : "";
    };
    return { since: moment("since"), until: moment("until") };
  }

  linkFiles() {
    const filled = Object.entries(this.range()).filter(([, value]) => value);
    for (const link of this.box.querySelectorAll("[data-file]")) link.search = new URLSearchParams(filled).toString();
  }

  // Shows what the server found: the lines of a range, or those that hold a text.
  async show() {
    const word = this.box.querySelector("[data-word]").value.trim();
    const { since, until } = this.range();
    this.linkFiles();
    if (!word && !since && !until) return this.mode === "live" ? undefined : this.backToLive();
    const request = ++this.request;
    this.mode = word ? "search" : "range";
    this.follow(false);
    this.counter.textContent = this.box.dataset.searching;
    const query = { since: since || (word ? "" : "1970-01-02T00:00:00Z"), until, ...(word && { q: word }) };
    try {
      const pages = await Promise.all(this.sources.map((source) => this.fetchLines(source, query)));
      if (request === this.request) this.showPages(pages, word);
    } catch (error) {
      if (request === this.request) this.counter.textContent = error.message;
    }
    return undefined;
  }

  showPages(pages, word) {
    this.lines.clear();
    const made = pages.flatMap((page, at) => {
      const hits = new Set(page.matches);
      return page.lines.map((line, index) => {
        const element = this.lines.create(this.sources[at], line);
        element.classList.toggle("is-hit", hits.has(index));
        element.classList.toggle("is-context", Boolean(word) && !hits.has(index));
        return element;
      });
    });
    made.sort((one, other) => (one.dataset.at < other.dataset.at ? -1 : one.dataset.at > other.dataset.at ? 1 : 0));
    this.list.append(...made);
    this.lines.filter(this.stream);
    this.lines.markDays();
    this.list.scrollTop = word ? this.list.scrollHeight : 0;
    this.counter.textContent = this.resultText(pages, word);
  }

  resultText(pages, word) {
    const { found, foundOne, foundNone, partial, cut } = this.box.dataset;
    const isComplete = pages.every((page) => page.complete);
    if (!word) return isComplete ? "" : cut;
    const count = pages.reduce((sum, page) => sum + page.count, 0);
    if (!isComplete) return partial.replace("%", count);
    return count === 0 ? foundNone : count === 1 ? foundOne : found.replace("%", count);
  }

  toggle(button, name) {
    const on = this.list.classList.toggle(name);
    button.setAttribute("aria-pressed", String(name === "is-untimed" ? !on : on));
  }

  addListeners() {
    const actions = {
      follow: () => this.follow(!this.following),
      clear: () => this.lines.clear(),
      wrap: (button) => this.toggle(button, "is-wrapped"),
      times: (button) => this.toggle(button, "is-untimed"),
    };
    this.box.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do]");
      if (button) actions[button.dataset.do]?.(button);
    });
    this.box.querySelector("[data-stream]").addEventListener("change", () => this.lines.filter(this.stream));
    this.box.querySelector("[data-word]").addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.show(), SEARCH_DELAY);
    });
    for (const input of this.box.querySelectorAll(".moment input")) input.addEventListener("change", () => this.show());
    this.list.addEventListener("scroll", () => this.handleScroll());
    addEventListener("pagehide", () => this.sources.forEach((source) => source.socket.close()));
  }

  // Whoever scrolls up, with whatever device, stops following; at the end it goes on.
  handleScroll() {
    if (this.mode !== "live") return;
    const isAtEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 4;
    const isUpwards = this.list.scrollTop < (this.lastTop ?? 0);
    this.lastTop = this.list.scrollTop;
    if (isAtEnd && !this.following) this.follow(true);
    else if (!isAtEnd && isUpwards && this.following) this.follow(false);
    if (!this.following && this.list.scrollTop < LOAD_AT) this.loadOlder();
  }
}

export function mount(boxes) {
  for (const box of boxes) new LogViewer(box);
}
