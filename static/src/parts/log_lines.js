// The lines of a log viewer: sorted by time, bounded, with dates, and marks where a search found something.
import { appendAnsi, plainText } from "./ansi.js";

const MAX_LINES = 20_000;
const KEPT_WHILE_FOLLOWING = 5000;

const day = new Intl.DateTimeFormat([], { dateStyle: "medium" });
const clock = new Intl.DateTimeFormat([], { timeStyle: "medium", hour12: false });

export class LogLines {
  constructor(list, { isMerged }) {
    this.list = list;
    this.isMerged = isMerged;
  }

  create(source, [stream, at, text]) {
    const line = document.createElement("div");
    Object.assign(line.dataset, { stream, at, source: source.key, text });
    const time = document.createElement("time");
    time.dateTime = at;
    if (at) {
      const moment = new Date(at);
      line.dataset.day = day.format(moment);
      const isToday = line.dataset.day === day.format(new Date());
      time.textContent = `${isToday ? "" : `${line.dataset.day} `}${clock.format(moment)}`;
      time.title = at;
    }
    line.append(time);
    if (this.isMerged) {
      const name = document.createElement("b");
      name.className = `ink-${source.ink}`;
      name.textContent = source.name;
      name.title = source.name;
      line.append(name);
    }
    const content = document.createElement("span");
    if (stream === "stderr") content.className = "stderr";
    appendAnsi(text, content);
    line.append(content);
    return line;
  }

  // Puts a line where its time belongs: nearly always at the end.
  insert(line) {
    let before = this.list.lastElementChild;
    while (before && line.dataset.at && before.dataset.at > line.dataset.at) before = before.previousElementSibling;
    if (before) before.after(line);
    else this.list.prepend(line);
  }

  // Older lines above those that are shown, which stay where they are on the screen.
  prepend(lines) {
    const height = this.list.scrollHeight;
    const top = this.list.scrollTop;
    this.list.prepend(...lines);
    this.list.scrollTop = top + this.list.scrollHeight - height;
    while (this.list.childElementCount > MAX_LINES) this.list.lastElementChild.remove();
  }

  trim(isFollowing) {
    const most = isFollowing ? KEPT_WHILE_FOLLOWING : MAX_LINES;
    while (this.list.childElementCount > most) this.list.firstElementChild.remove();
    this.markDays();
  }

  // The date stands above the first line of each day.
  markDays() {
    let last = "";
    for (const line of this.list.children) {
      if (!line.dataset.day) continue;
      line.classList.toggle("is-new-day", line.dataset.day !== last);
      last = line.dataset.day;
    }
  }

  oldest(source) {
    return [...this.list.children].find((line) => line.dataset.source === source.key && line.dataset.at)?.dataset.at ?? "";
  }

  count(source) {
    return this.list.querySelectorAll(`:scope > [data-source="${source.key}"]`).length;
  }

  matches(line, stream, query) {
    const isInStream = !stream || [stream, "tty", "note"].includes(line.dataset.stream);
    return isInStream && (!query || plainText(line.dataset.text).toLowerCase().includes(query));
  }

  filter(stream) {
    for (const line of this.list.children) line.hidden = !this.matches(line, stream, "");
  }

  clear() {
    this.list.replaceChildren();
  }
}
