// Text with ANSI colours (16, 256, true colour) as elements; every other control sequence is dropped.
const SEQUENCE = /\u001b(?:\[([0-9;:]*)([A-Za-z])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[()][0-9A-B]|[=>78])/g;
const LEVELS = [0, 95, 135, 175, 215, 255];
const PLAIN = { classes: [], colour: "", ground: "" };

function palette(number) {
  if (number < 16) return null;
  if (number >= 232) return `rgb(${Array(3).fill(8 + 10 * (number - 232)).join(" ")})`;
  const cube = number - 16;
  return `rgb(${LEVELS[Math.floor(cube / 36)]} ${LEVELS[Math.floor(cube / 6) % 6]} ${LEVELS[cube % 6]})`;
}

function withInk(style, ink) {
  const classes = style.classes.filter((name) => !/^ink-\d/.test(name));
  return { ...style, classes: ink ? [...classes, `ink-${ink}`] : classes, colour: "" };
}

// The colour after 38 or 48, and how many codes it took.
function extended(codes) {
  if (codes[0] === 5) {
    const number = codes[1] ?? 0;
    return { taken: 2, ink: number < 8 ? number : 8 + (number % 8), colour: palette(number) };
  }
  if (codes[0] === 2) return { taken: 4, colour: `rgb(${codes.slice(1, 4).map((part) => Math.min(part || 0, 255)).join(" ")})` };
  return { taken: codes.length };
}

function applyColour(style, code, codes, at) {
  const { taken, ink, colour } = extended(codes.slice(at + 1));
  if (code === 48) return [colour ? { ...style, ground: colour } : style, taken];
  if (colour) return [{ ...withInk(style, 0), colour }, taken];
  return [withInk(style, ink), taken];
}

function applyCodes(text, before) {
  const codes = (text || "0").split(/[;:]/).map(Number);
  let style = before;
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at];
    if (code === 0) style = PLAIN;
    else if (code === 1) style = { ...style, classes: [...style.classes, "ink-bold"] };
    else if (code === 2) style = { ...style, classes: [...style.classes, "ink-dim"] };
    else if (code === 22) style = { ...style, classes: style.classes.filter((name) => !/bold|dim/.test(name)) };
    else if (code === 39) style = withInk(style, 0);
    else if (code === 49) style = { ...style, ground: "" };
    else if (code >= 30 && code <= 37) style = withInk(style, code === 30 ? 8 : code - 30);
    else if (code >= 90 && code <= 97) style = withInk(style, code === 90 ? 8 : code - 90);
    else if (code === 38 || code === 48) {
      const [changed, taken] = applyColour(style, code, codes, at);
      style = changed;
      at += taken;
    }
  }
  return style;
}

// What a terminal would show of a line that returns to its start: a progress bar's last state.
export function lastState(text) {
  const parts = text.replace(/\r+$/, "").split("\r");
  return parts.findLast((part) => part !== "") ?? "";
}

export function plainText(text) {
  return lastState(text).replace(SEQUENCE, "");
}

export function appendAnsi(text, parent) {
  let at = 0;
  let style = PLAIN;
  const line = lastState(text);
  for (const match of line.matchAll(SEQUENCE)) {
    appendText(line.slice(at, match.index), style, parent);
    at = match.index + match[0].length;
    if (match[2] === "m") style = applyCodes(match[1], style);
  }
  appendText(line.slice(at), style, parent);
}

function appendText(text, { classes, colour, ground }, parent) {
  if (!text) return;
  if (!classes.length && !colour && !ground) {
    parent.append(text);
    return;
  }
  const span = document.createElement("span");
  span.className = classes.join(" ");
  span.textContent = text;
  if (colour) span.style.color = colour;
  if (ground) span.style.backgroundColor = ground;
  parent.append(span);
}
