// A WebSocket that reconnects: back-off with jitter, closed when silent, nothing left running after `close`.
const SILENCE_TIMEOUT = 25_000; // servers ping every 15 s

export function socketUrl(path) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  return url;
}

export class ReconnectingSocket {
  constructor(path, { open, message, down, closed }) {
    this.path = path;
    this.handlers = { open, message, down, closed };
    this.attempts = 0;
    this.isClosed = false;
    this.connect();
  }

  connect() {
    clearTimeout(this.timer);
    if (this.isClosed) return;
    const path = typeof this.path === "function" ? this.path() : this.path;
    const socket = new WebSocket(socketUrl(path));
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      this.attempts = 0;
      this.resetSilenceTimer();
      this.handlers.open?.(socket);
    };
    socket.onmessage = (event) => {
      this.resetSilenceTimer();
      this.handlers.message(event.data, socket);
    };
    socket.onclose = (event) => this.handleClose(event);
  }

  resetSilenceTimer() {
    clearTimeout(this.silenceTimer);
    this.silenceTimer = setTimeout(() => this.socket?.close(), SILENCE_TIMEOUT);
  }

  handleClose(event) {
    clearTimeout(this.silenceTimer);
    if (this.isClosed) return;
    // 44xx are the portal's refusals: trying again would not help.
    if (event.code >= 4400 && event.code < 4500) {
      this.isClosed = true;
      this.handlers.closed?.(event);
      return;
    }
    this.attempts += 1;
    this.handlers.down?.(this.attempts);
    const delay = Math.min(15_000, 400 * 2 ** Math.min(this.attempts, 6)) * (0.7 + Math.random() * 0.6);
    this.timer = setTimeout(() => this.connect(), delay);
  }

  // Try again at once, with a new connection: the old one may be dead without having noticed.
  reconnect() {
    if (this.isClosed) return;
    const old = this.socket;
    if (old) old.onopen = old.onmessage = old.onclose = null;
    old?.close();
    this.attempts = 0;
    this.connect();
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  send(data) {
    if (this.isOpen) this.socket.send(data);
  }

  close() {
    this.isClosed = true;
    clearTimeout(this.timer);
    clearTimeout(this.silenceTimer);
    this.socket?.close();
  }
}
