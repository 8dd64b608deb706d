// The entry point that every page loads; terminals, logs and charts are loaded by the pages that show them.
import "./main.css";
import htmx from "htmx.org";
import "./parts/htmx_setup.js";
import "./parts/requests.js";
import { openDialog } from "./parts/overlays.js";
import "./parts/command_palette.js";
import "./parts/forms.js";
import "./parts/file_sender.js";
import "./parts/page_frame.js";
import { startDrafts } from "./parts/drafts.js";
import { startLiveRefresh } from "./parts/live_refresh.js";
import { updateRelativeTimes } from "./parts/relative_times.js";

window.htmx = htmx;
startLiveRefresh();
startDrafts(openDialog);
setInterval(updateRelativeTimes, 15_000);

const lazyModules = {
  "[data-chart]": () => import("./chart.js"),
  "[data-logs]": () => import("./parts/log_viewer.js"),
  "[data-topology]": () => import("./topology.js"),
  "[data-shell]": () => import("./terminal.js"),
};
// Also after a refresh: a container that was created meanwhile has charts and output from then on.
const mounted = new WeakSet();
function mountLazyModules() {
  for (const [selector, load] of Object.entries(lazyModules)) {
    const elements = [...document.querySelectorAll(selector)].filter((each) => !mounted.has(each));
    for (const each of elements) mounted.add(each);
    if (elements.length) load().then((module) => module.mount(elements));
  }
}
mountLazyModules();
document.addEventListener("corral:refreshed", mountLazyModules);
