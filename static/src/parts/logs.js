// A container's output: followed, filtered, searched, kept to the newest lines.
import { Socket } from "./socket.js";

const KEEP = 5000;
const ANSI = /\u001b\[([0-9;]*)([A-Za-z])/g;

// Colours that programs write are shown; every other control sequence is dropped.
function paint(text, into) {
  let at = 0;
  let names = [];
  for (const found of text.matchAll(ANSI)) {
    piece(text.slice(at, found.index), names, into);
    at = found.index + found[0].length;
    if (found[2] === "m") names = inks(found[1], names);
  }
  piece(text.slice(at), names, into);
}

function inks(codes, names) {
  let now = names;
  for (const code of (codes || "0").split(";").map(Number)) {
    if (code === 0) now = [];
    else if (code === 1) now = [...now, "ink-bold"];
    else if (code === 2) now = [...now, "ink-dim"];
    else if (code === 39) now = now.filter((name) => !/ink-\d/.test(name));
    else if ((code >= 31 && code <= 37) || (code >= 90 && code <= 97)) {
      const ink = code >= 90 ? (code === 90 ? 8 : code - 90) : code - 30;
      now = [...now.filter((name) => !/ink-\d/.test(name)), `ink-${ink}`];
    }
  }
  return now;
}

function piece(text, names, into) {
  if (!text) return;
  if (!names.length) return into.append(text);
  const span = document.createElement("span");
  span.className = names.join(" ");
  span.textContent = text;
  return into.append(span);
}

class Logs {
  constructor(box) {
    this.box = box;
    this.list = box.querySelector(".lines");
    this.status = box.querySelector("[data-status]");
    this.only = "";
    this.word = "";
    this.following = true;
    this.last = "";
    this.waiting = [];
    this.listen();
    this.socket = new Socket(() => this.path(), {
      open: () => this.say("open"),
      message: (data) => this.heard(JSON.parse(data)),
      down: () => this.say("down"),
      closed: (event) => this.say(event.code === 4403 ? "refused" : "ended"),
    });
  }

  path() {
    const since = this.last ? `&since=${encodeURIComponent(this.last)}` : "";
    return `/ws/logs?container=${this.box.dataset.logs}&tail=${since ? 1000 : 500}${since}`;
  }

  say(word) {
    this.status.textContent = this.box.dataset[word] ?? "";
  }

  heard(said) {
    if (said.type === "end") {
      this.say("ended");
      this.socket.close();
      return;
    }
    if (said.type !== "lines") return;
    this.waiting.push(...said.lines);
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = 0;
    const batch = document.createDocumentFragment();
    for (const [stream, at, text] of this.waiting.splice(0).slice(-KEEP)) {
      if (at && at === this.last && this.list.lastElementChild?.dataset.text === text) continue;
      this.last = at || this.last;
      batch.append(this.line(stream, at, text));
    }
    this.list.append(batch);
    while (this.list.childElementCount > KEEP) this.list.firstElementChild.remove();
    if (this.following) this.list.scrollTop = this.list.scrollHeight;
  }

  line(stream, at, text) {
    const line = document.createElement("div");
    line.dataset.stream = stream;
    line.dataset.text = text;
    const time = document.createElement("time");
    time.dateTime = at;
    time.textContent = at ? new Date(at).toLocaleTimeString([], { hour12: false }) : "";
    const words = document.createElement("span");
    if (stream === "stderr") words.className = "stderr";
    paint(text, words);
    line.append(time, words);
    line.hidden = !this.shows(line);
    return line;
  }

  shows(line) {
    const right = !this.only || line.dataset.stream === this.only || line.dataset.stream === "tty";
    return right && (!this.word || line.dataset.text.toLowerCase().includes(this.word));
  }

  sift() {
    for (const line of this.list.children) line.hidden = !this.shows(line);
  }

  follow(on) {
    this.following = on;
    this.box.querySelector("[data-do=follow]").setAttribute("aria-pressed", String(on));
    if (on) this.list.scrollTop = this.list.scrollHeight;
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

  listen() {
    const doing = {
      follow: () => this.follow(!this.following),
      clear: () => this.list.replaceChildren(),
      wrap: (button) => this.toggle(button, "is-wrapped"),
      times: (button) => this.toggle(button, "is-untimed"),
      download: () => this.download(),
    };
    this.box.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do]");
      if (button) doing[button.dataset.do]?.(button);
    });
    this.box.querySelector("[data-stream]").addEventListener("change", (event) => {
      this.only = event.target.value;
      this.sift();
    });
    this.box.querySelector("[data-word]").addEventListener("input", (event) => {
      this.word = event.target.value.toLowerCase();
      this.sift();
    });
    this.list.addEventListener("wheel", (event) => event.deltaY < 0 && this.follow(false), { passive: true });
    this.list.addEventListener("scroll", () => {
      const end = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 4;
      if (end && !this.following) this.follow(true);
    });
    addEventListener("pagehide", () => this.socket.close());
  }
}

export function mount(boxes) {
  for (const box of boxes) new Logs(box);
}
