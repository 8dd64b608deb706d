// The log viewer: follows the output of a container, filters and searches the newest lines.
import { ReconnectingSocket } from "./reconnecting_socket.js";

const MAX_LINES = 5000;
const ANSI = /\u001b\[([0-9;]*)([A-Za-z])/g;

// Renders ANSI colours; every other control sequence is dropped.
function appendAnsi(text, parent) {
  let at = 0;
  let names = [];
  for (const match of text.matchAll(ANSI)) {
    appendText(text.slice(at, match.index), names, parent);
    at = match.index + match[0].length;
    if (match[2] === "m") names = ansiClasses(match[1], names);
  }
  appendText(text.slice(at), names, parent);
}

function ansiClasses(codes, names) {
  let classes = names;
  for (const code of (codes || "0").split(";").map(Number)) {
    if (code === 0) classes = [];
    else if (code === 1) classes = [...classes, "ink-bold"];
    else if (code === 2) classes = [...classes, "ink-dim"];
    else if (code === 39) classes = classes.filter((name) => !/ink-\d/.test(name));
    else if ((code >= 31 && code <= 37) || (code >= 90 && code <= 97)) {
      const colour = code >= 90 ? (code === 90 ? 8 : code - 90) : code - 30;
      classes = [...classes.filter((name) => !/ink-\d/.test(name)), `ink-${colour}`];
    }
  }
  return classes;
}

function appendText(text, names, parent) {
  if (!text) return;
  if (!names.length) return parent.append(text);
  const span = document.createElement("span");
  span.className = names.join(" ");
  span.textContent = text;
  return parent.append(span);
}

class LogViewer {
  constructor(box) {
    this.box = box;
    this.list = box.querySelector(".lines");
    this.status = box.querySelector("[data-status]");
    this.stream = "";
    this.query = "";
    this.following = true;
    this.last = "";
    this.queue = [];
    this.addListeners();
    this.socket = new ReconnectingSocket(() => this.path(), {
      open: () => this.setStatus("open"),
      message: (data) => this.handleMessage(JSON.parse(data)),
      down: () => this.setStatus("down"),
      closed: (event) => this.setStatus(event.code === 4403 ? "refused" : "ended"),
    });
  }

  path() {
    const since = this.last ? `&since=${encodeURIComponent(this.last)}` : "";
    return `/ws/logs?container=${this.box.dataset.logs}&tail=${since ? 1000 : 500}${since}`;
  }

  setStatus(name) {
    this.status.textContent = this.box.dataset[name] ?? "";
  }

  handleMessage(message) {
    if (message.type === "end") {
      this.setStatus("ended");
      this.socket.close();
      return;
    }
    if (message.type !== "lines") return;
    this.queue.push(...message.lines);
    this.frame ||= requestAnimationFrame(() => this.flush());
  }

  flush() {
    this.frame = 0;
    const batch = document.createDocumentFragment();
    for (const [stream, at, text] of this.queue.splice(0).slice(-MAX_LINES)) {
      if (at && at === this.last && this.list.lastElementChild?.dataset.text === text) continue;
      this.last = at || this.last;
      batch.append(this.createLine(stream, at, text));
    }
    this.list.append(batch);
    while (this.list.childElementCount > MAX_LINES) this.list.firstElementChild.remove();
    if (this.following) this.list.scrollTop = this.list.scrollHeight;
  }

  createLine(stream, at, text) {
    const line = document.createElement("div");
    line.dataset.stream = stream;
    line.dataset.text = text;
    const time = document.createElement("time");
    time.dateTime = at;
    time.textContent = at ? new Date(at).toLocaleTimeString([], { hour12: false }) : "";
    const content = document.createElement("span");
    if (stream === "stderr") content.className = "stderr";
    appendAnsi(text, content);
    line.append(time, content);
    line.hidden = !this.matches(line);
    return line;
  }

  matches(line) {
    const isInStream = !this.stream || line.dataset.stream === this.stream || line.dataset.stream === "tty";
    return isInStream && (!this.query || line.dataset.text.toLowerCase().includes(this.query));
  }

  applyFilter() {
    for (const line of this.list.children) line.hidden = !this.matches(line);
  }

  follow(isOn) {
    this.following = isOn;
    this.box.querySelector("[data-do=follow]").setAttribute("aria-pressed", String(isOn));
    if (isOn) this.list.scrollTop = this.list.scrollHeight;
  }

  download() {
    const text = [...this.list.children].map((line) => `${line.firstChild.dateTime} ${line.dataset.text}`).join("\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text, "\n"], { type: "text/plain" }));
    link.download = `${this.box.dataset.name}.log`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  toggle(button, name) {
    const on = this.list.classList.toggle(name);
    button.setAttribute("aria-pressed", String(name === "is-untimed" ? !on : on));
  }

  addListeners() {
    const actions = {
      follow: () => this.follow(!this.following),
      clear: () => this.list.replaceChildren(),
      wrap: (button) => this.toggle(button, "is-wrapped"),
      times: (button) => this.toggle(button, "is-untimed"),
      download: () => this.download(),
    };
    this.box.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do]");
      if (button) actions[button.dataset.do]?.(button);
    });
    this.box.querySelector("[data-stream]").addEventListener("change", (event) => {
      this.stream = event.target.value;
      this.applyFilter();
    });
    this.box.querySelector("[data-word]").addEventListener("input", (event) => {
      this.query = event.target.value.toLowerCase();
      this.applyFilter();
    });
    this.list.addEventListener("wheel", (event) => event.deltaY < 0 && this.follow(false), { passive: true });
    this.list.addEventListener("scroll", () => {
      const isAtEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 4;
      if (isAtEnd && !this.following) this.follow(true);
    });
    addEventListener("pagehide", () => this.socket.close());
  }
}

export function mount(boxes) {
  for (const box of boxes) new LogViewer(box);
}
