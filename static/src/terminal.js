// A shell in a container: a terminal over a WebSocket.
import "@xterm/xterm/css/xterm.css";
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import { socketUrl } from "./parts/reconnecting_socket.js";

const COLOURS = {
  background: "#0e1013",
  foreground: "#d5d9e0",
  cursor: "#8e9cf5",
  selectionBackground: "#34406e",
  black: "#1c1f24",
  red: "#f2827c",
  green: "#7fd1a0",
  yellow: "#e2c06a",
  blue: "#7fb0f5",
  magenta: "#c79bf0",
  cyan: "#6fd0d8",
  white: "#d5d9e0",
  brightBlack: "#7c838f",
};

class ShellTerminal {
  constructor(box) {
    this.box = box;
    this.status = box.querySelector("[data-status]");
    this.reconnectButton = box.querySelector("[data-again]");
    this.terminal = new Terminal({
      fontFamily: '"JetBrains Mono", ui-monospace, Menlo, monospace',
      fontSize: 13,
      lineHeight: 1.25,
      cursorBlink: true,
      scrollback: 5000,
      theme: COLOURS,
    });
    this.fit = new FitAddon();
    this.terminal.loadAddon(this.fit);
    const screen = box.querySelector(".screen");
    this.terminal.open(screen);
    new ResizeObserver(() => this.resize()).observe(screen);
    this.terminal.onData((text) => this.send(new TextEncoder().encode(text)));
    this.terminal.onBinary((text) => this.send(Uint8Array.from(text, (character) => character.charCodeAt(0))));
    this.reconnectButton.addEventListener("click", () => this.connect());
    box.querySelector("[data-command]").addEventListener("change", () => this.connect());
    document.fonts.load('13px "JetBrains Mono"').finally(() => this.connect());
  }

  connect() {
    this.socket?.close();
    this.terminal.reset();
    this.terminal.focus(); // or early input would trigger the keyboard shortcuts of the page
    this.reconnectButton.hidden = true;
    this.setStatus("connecting");
    const command = encodeURIComponent(this.box.querySelector("[data-command]").value);
    const socket = new WebSocket(socketUrl(`/ws/shell?container=${this.box.dataset.shell}&command=${command}`));
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.setStatus("open");
      this.resize();
      this.terminal.focus();
    };
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") return this.terminal.write(new Uint8Array(data));
      const message = JSON.parse(data);
      return message.type === "end" ? this.showEnd(message) : undefined;
    };
    socket.onclose = (event) => this.socket === socket && this.handleClose(event);
  }

  showEnd(message) {
    const { ended, exited } = this.box.dataset;
    const text = message.code === undefined ? `${ended} ${message.reason ?? ""}` : exited.replace("%", message.code);
    this.terminal.write(`\r\n\x1b[2m${text}\x1b[0m\r\n`);
  }

  handleClose(event) {
    this.setStatus(event.code === 4403 ? "refused" : "closed");
    this.reconnectButton.hidden = event.code === 4403;
  }

  resize() {
    this.fit.fit();
    const { cols, rows } = this.terminal;
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify({ type: "resize", columns: cols, rows }));
    }
  }

  send(bytes) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(bytes);
  }

  setStatus(name) {
    this.status.textContent = this.box.dataset[name] ?? "";
  }
}

export function mount(boxes) {
  for (const box of boxes) new ShellTerminal(box);
}
