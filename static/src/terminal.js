// The terminal (shell, logs), loaded when a page opens one.
import "@xterm/xterm/css/xterm.css";
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";

export { FitAddon, Terminal };
