// The console's entry: what every page loads. Terminals and charts come when a page asks for them.
import "./main.css";
import Alpine from "@alpinejs/csp";
import htmx from "htmx.org";
import "@tabler/core/dist/js/tabler.esm.js";

window.htmx = htmx;
window.Alpine = Alpine;
window.corral = {
  terminal: () => import("./terminal.js"),
  chart: () => import("./chart.js"),
};

Alpine.start();
