// The charts, loaded when a page shows one.
import "uplot/dist/uPlot.min.css";
import uPlot from "uplot";

export { uPlot };
