// The console's entry: what every page loads. Terminals, logs and charts come when a page shows one.
import "./main.css";
import htmx from "htmx.org";
import "./parts/requests.js";
import "./parts/overlays.js";
import "./parts/palette.js";
import "./parts/forms.js";
import "./parts/shell.js";
import { startLive } from "./parts/live.js";
import { tickTimes } from "./parts/times.js";

window.htmx = htmx;
startLive();
setInterval(tickTimes, 15_000);

const lazy = {
  "[data-chart]": () => import("./chart.js"),
  "[data-logs]": () => import("./parts/logs.js"),
  "[data-shell]": () => import("./terminal.js"),
};
for (const [selector, load] of Object.entries(lazy)) {
  const found = [...document.querySelectorAll(selector)];
  if (found.length) load().then((part) => part.mount(found));
}
