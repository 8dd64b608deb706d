// A WebSocket that comes back: back-off with jitter, silence noticed, nothing left behind after `close`.
const QUIET = 40_000;

export function socketUrl(path) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  return url;
}

export class Socket {
  constructor(path, { open, message, down, closed }) {
    this.path = path;
    this.on = { open, message, down, closed };
    this.tries = 0;
    this.isOver = false;
    this.connect();
  }

  connect() {
    clearTimeout(this.timer);
    if (this.isOver) return;
    const path = typeof this.path === "function" ? this.path() : this.path;
    const socket = new WebSocket(socketUrl(path));
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      this.tries = 0;
      this.watch();
      this.on.open?.(socket);
    };
    socket.onmessage = (event) => {
      this.watch();
      this.on.message(event.data, socket);
    };
    socket.onclose = (event) => this.lost(event);
  }

  watch() {
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => this.socket?.close(), QUIET);
  }

  lost(event) {
    clearTimeout(this.quiet);
    if (this.isOver) return;
    if (event.code >= 4400 && event.code < 4500) {
      this.isOver = true;
      this.on.closed?.(event);
      return;
    }
    this.tries += 1;
    this.on.down?.(this.tries);
    const pause = Math.min(15_000, 400 * 2 ** Math.min(this.tries, 6)) * (0.7 + Math.random() * 0.6);
    this.timer = setTimeout(() => this.connect(), pause);
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  send(data) {
    if (this.isOpen) this.socket.send(data);
  }

  close() {
    this.isOver = true;
    clearTimeout(this.timer);
    clearTimeout(this.quiet);
    this.socket?.close();
  }
}
