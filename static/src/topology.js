// The graph of services: stacks as boxes, laid out one by one and then among each other, links as arrows. Every service is
// a link, so Tab and the arrow keys reach it; the list below the graph says the same in words.
import dagre from "@dagrejs/dagre";

const SVG = "http://www.w3.org/2000/svg";
const NODE = { height: 46, min: 128, max: 220, letter: 7.1, padding: 34 };
const BOX = { side: 14, top: 34, gap: 22 };
const ZOOM_STEP = 1.25;
const MAX_SCALE = 1.15; // a graph of five services need not fill the page
const MIN_SCALE = 0.75; // and on a phone names stay legible: what does not fit is scrolled to
const PADDING = 32;

function element(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function layOut(nodes, edges, options) {
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: "LR", marginx: 0, marginy: 0, ...options });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) graph.setNode(String(node.key), { width: node.width, height: node.height });
  for (const [from, to] of edges) if (from !== to) graph.setEdge(String(from), String(to), {}, `${from}-${to}`);
  dagre.layout(graph);
  for (const node of nodes) {
    const { x, y } = graph.node(String(node.key));
    node.x = x - node.width / 2;
    node.y = y - node.height / 2;
  }
  return graph.graph();
}

// Services without links would be one endless row: they go into rows below those with links.
function packLoose(nodes, left, top, width) {
  let x = left;
  let y = top;
  let right = left;
  for (const node of nodes) {
    if (x > left && x + node.width > left + width) {
      x = left;
      y += NODE.height + 18;
    }
    node.x = x;
    node.y = y;
    x += node.width + 18;
    right = Math.max(right, node.x + node.width);
  }
  return { right, bottom: nodes.length ? y + NODE.height : top - 18 };
}

function widthOf(service) {
  const letters = Math.max(service.name.length, service.note.length + 3);
  return Math.min(NODE.max, Math.max(NODE.min, letters * NODE.letter + NODE.padding));
}

function layOutStack(stack, links) {
  const keys = new Set(stack.services.map((each) => each.key));
  const inside = links.filter((link) => keys.has(link.from) && keys.has(link.to) && link.from !== link.to);
  const linked = new Set(inside.flatMap((link) => [link.from, link.to]));
  for (const service of stack.services) Object.assign(service, { width: widthOf(service), height: NODE.height });
  const tied = stack.services.filter((each) => linked.has(each.key));
  const loose = stack.services.filter((each) => !linked.has(each.key));
  let size = { width: 0, height: 0 };
  if (tied.length) size = layOut(tied, inside.map((link) => [link.from, link.to]), { nodesep: 18, ranksep: 44 });
  const wanted = Math.max(size.width, Math.ceil(Math.sqrt(loose.length)) * 1.5 * NODE.min, NODE.min);
  const end = packLoose(loose, 0, tied.length ? size.height + 26 : 0, wanted);
  const title = stack.name.length * NODE.letter + 12;
  stack.width = Math.max(size.width, end.right, title) + 2 * BOX.side;
  stack.height = Math.max(size.height, end.bottom) + BOX.top + BOX.side;
}

// Rows of boxes as wide as the page, the tall ones first where nothing leads from one to the other.
function packBoxes(stacks, left, top, width) {
  let x = left;
  let y = top;
  let row = 0;
  for (const stack of [...stacks].sort((a, b) => b.height - a.height)) {
    if (x > left && x + stack.width > left + width) {
      x = left;
      y += row + BOX.gap;
      row = 0;
    }
    stack.x = x;
    stack.y = y;
    x += stack.width + BOX.gap;
    row = Math.max(row, stack.height);
  }
}

function layOutAll(graph, available) {
  const stackOf = new Map(graph.stacks.flatMap((stack) => stack.services.map((each) => [each.key, stack])));
  for (const stack of graph.stacks) layOutStack(stack, graph.links);
  const between = graph.links.map((link) => [stackOf.get(link.from).key, stackOf.get(link.to).key]).filter(([a, b]) => a !== b);
  const tiedKeys = new Set(between.flat());
  const tied = graph.stacks.filter((each) => tiedKeys.has(each.key));
  const loose = graph.stacks.filter((each) => !tiedKeys.has(each.key));
  let size = { width: 0, height: 0 };
  if (tied.length) size = layOut(tied, between, { nodesep: BOX.gap, ranksep: 60 });
  packBoxes(loose, 0, tied.length ? size.height + 2 * BOX.gap : 0, Math.max(size.width, available));
  for (const stack of graph.stacks) {
    for (const service of stack.services) {
      service.x += stack.x + BOX.side;
      service.y += stack.y + BOX.top;
    }
  }
  return {
    width: Math.max(...graph.stacks.map((each) => each.x + each.width)),
    height: Math.max(...graph.stacks.map((each) => each.y + each.height)),
  };
}

function pathOf(from, to) {
  const beside = to.x >= from.x + from.width || to.x + to.width <= from.x;
  const down = to.y >= from.y;
  if (!beside) {
    const [y1, y2] = down ? [from.y + from.height, to.y - 3] : [from.y, to.y + to.height + 3];
    const [x1, x2] = [from.x + from.width / 2, to.x + to.width / 2];
    const bend = Math.max(18, Math.abs(y2 - y1) / 2) * (down ? 1 : -1);
    return { d: `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`, x: (x1 + x2) / 2, y: (y1 + y2) / 2 };
  }
  const right = to.x > from.x;
  const [x1, x2] = right ? [from.x + from.width, to.x - 3] : [from.x, to.x + to.width + 3];
  const [y1, y2] = [from.y + from.height / 2, to.y + to.height / 2];
  const bend = Math.max(16, Math.abs(x2 - x1) / 2) * (right ? 1 : -1);
  return { d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`, x: (x1 + x2) / 2, y: (y1 + y2) / 2 };
}

function shorten(text, width) {
  const fitting = Math.floor((width - NODE.padding) / NODE.letter);
  return text.length > fitting ? `${text.slice(0, fitting - 1)}…` : text;
}

class Topology {
  constructor(view) {
    this.view = view;
    this.scale = 0; // as fits until somebody zooms
    this.drawn = "";
    view.closest(".topology").addEventListener("click", (event) => {
      const step = event.target.closest("[data-zoom]")?.dataset.zoom;
      if (step !== undefined) this.zoom(Number(step));
    });
    view.addEventListener("keydown", (event) => this.move(event));
    for (const name of ["pointerover", "focusin"]) view.addEventListener(name, (event) => this.mark(event.target.closest?.("[data-key]")));
    for (const name of ["pointerleave", "focusout"]) view.addEventListener(name, () => this.mark(null));
    new ResizeObserver(() => this.resize()).observe(view);
  }

  update() {
    const text = document.getElementById(this.view.dataset.topology)?.textContent ?? "";
    if (text === this.drawn || !text) return;
    this.drawn = text;
    this.draw(JSON.parse(text));
  }

  draw(graph) {
    const focused = this.view.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    this.size = layOutAll(graph, Math.max(640, this.view.clientWidth - PADDING - 4));
    this.services = new Map(graph.stacks.flatMap((stack) => stack.services.map((each) => [String(each.key), each])));
    this.links = graph.links;
    const arrow = element("marker", { id: "topology-arrow", viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" }, element("path", { d: "M0 0L8 4L0 8Z" }));
    const boxes = graph.stacks.map((stack) => this.drawStack(stack));
    // A link between stacks may pass behind services: it stands out when one of its ends does.
    const links = graph.links.map((link) => this.drawLink(link));
    const nodes = [...this.services.values()].map((service) => this.drawService(service));
    this.svg = element("svg", { viewBox: `-2 -2 ${this.size.width + 4} ${this.size.height + 4}`, role: "group", "aria-label": this.view.dataset.label });
    this.svg.append(element("defs", {}, arrow), ...boxes, ...links, ...nodes);
    this.view.replaceChildren(this.svg);
    this.resize();
    if (focused) this.view.querySelector(`[data-key="${focused}"]`)?.focus({ preventScroll: true });
  }

  drawStack(stack) {
    const title = element("text", { x: stack.x + BOX.side, y: stack.y + 22 }, stack.name);
    const link = element("a", { href: stack.url, class: "topology-title" }, title);
    const outside = stack.services.every((each) => each.outside) ? " is-outside" : "";
    const box = element("rect", { x: stack.x, y: stack.y, width: stack.width, height: stack.height, rx: 10 });
    return element("g", { class: `topology-stack${outside}` }, box, link);
  }

  drawLink(link) {
    const path = pathOf(this.services.get(String(link.from)), this.services.get(String(link.to)));
    const group = element("g", { class: `topology-link is-${link.kind}`, "data-from": link.from, "data-to": link.to });
    group.append(element("path", { d: path.d, "marker-end": "url(#topology-arrow)" }));
    if (link.name) group.append(element("text", { x: path.x, y: path.y - 4 }, link.name));
    return group;
  }

  drawService(service) {
    const targets = this.links.filter((link) => link.from === service.key).map((link) => this.services.get(String(link.to)).name);
    const spoken = [service.state, targets.length ? `${this.view.dataset.to} ${targets.join(", ")}` : ""];
    const node = element("a", { href: service.url, class: `topology-node is-${service.tone}`, "data-key": service.key, transform: `translate(${service.x} ${service.y})`, "aria-description": spoken.filter(Boolean).join(", ") });
    node.append(
      element("rect", { width: service.width, height: service.height, rx: 8 }),
      element("circle", { cx: 15, cy: 17, r: 4.5 }),
      element("text", { x: 27, y: 21, class: "name" }, shorten(service.name, service.width)),
      " ",
      element("text", { x: 27, y: 37, class: "note" }, shorten(service.note || service.state, service.width)),
    );
    return node;
  }

  zoom(step) {
    const zoomed = this.current() * (step > 0 ? ZOOM_STEP : 1 / ZOOM_STEP);
    this.scale = step === 0 ? this.fitting() : Math.min(3, Math.max(0.15, zoomed));
    this.resize();
  }

  fitting() {
    return Math.min(MAX_SCALE, (this.view.clientWidth - PADDING) / (this.size.width + 4));
  }

  current() {
    return this.scale || Math.max(MIN_SCALE, this.fitting());
  }

  resize() {
    if (!this.svg) return;
    const scale = this.current();
    this.svg.setAttribute("width", Math.floor((this.size.width + 4) * scale));
    this.svg.setAttribute("height", Math.floor((this.size.height + 4) * scale));
  }

  // What a service leads to, and what leads to it, stands out; everything else steps back.
  mark(node) {
    const key = node?.dataset.key;
    this.view.classList.toggle("has-focus", Boolean(key));
    if (!this.svg) return;
    const near = new Set([key]);
    for (const link of this.svg.querySelectorAll(".topology-link")) {
      const isNear = [link.dataset.from, link.dataset.to].includes(key);
      link.classList.toggle("is-near", isNear);
      if (isNear) near.add(link.dataset.from).add(link.dataset.to);
    }
    for (const each of this.svg.querySelectorAll(".topology-node")) each.classList.toggle("is-near", near.has(each.dataset.key));
  }

  // To the nearest service in the direction of the arrow; those straight ahead count as nearer.
  move(event) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = ways[event.key];
    const from = this.services?.get(event.target.closest?.("[data-key]")?.dataset.key);
    if (!way || !from) return;
    event.preventDefault();
    const middle = (each) => [each.x + each.width / 2, each.y + each.height / 2];
    const [fx, fy] = middle(from);
    let best = null;
    for (const each of this.services.values()) {
      const [x, y] = middle(each);
      const ahead = (x - fx) * way[0] + (y - fy) * way[1];
      const aside = Math.abs((x - fx) * way[1]) + Math.abs((y - fy) * way[0]);
      if (each !== from && ahead > 1 && (!best || ahead + 2 * aside < best.distance)) best = { each, distance: ahead + 2 * aside };
    }
    if (best) this.view.querySelector(`[data-key="${best.each.key}"]`).focus();
  }
}

export function mount(views) {
  for (const view of views) {
    const topology = new Topology(view);
    topology.update();
    document.addEventListener("corral:refreshed", () => topology.update());
  }
}
