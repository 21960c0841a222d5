// Events over time, stacked by operation, and bytes added and removed below; both brushed as one.
import { max } from "d3-array";
import { scaleLinear, scaleUtc } from "d3-scale";
import { h, paint } from "./dom.js";
import { ADDED, REMOVED, count, opName, shortCount, signedBytes } from "./format.js";

const LEFT = 62;
const RIGHT = 10;
const AXIS = 20;

export class Timeline {
  constructor(app) {
    this.app = app;
    this.events = h("canvas", { class: "ci-events", "aria-hidden": "true" });
    this.sizes = h("canvas", { class: "ci-sizes", "aria-hidden": "true" });
    this.tip = h("div", { class: "ci-tip", hidden: true });
    this.plot = h(
      "div",
      {
        class: "ci-plot", tabindex: "0", role: "slider", "aria-label":
          "Time range. Left and right arrows move it, with Shift they change its end, Escape removes it.",
        "aria-valuetext": "all",
      },
      this.events, this.sizes, this.tip,
    );
    this.zoomIn = h("button", { class: "ci-link", onclick: () => app.zoomIn() }, "Zoom to range");
    this.zoomOut = h("button", { class: "ci-link", onclick: () => app.zoomOut() }, "Zoom out");
    this.element = h(
      "section", { class: "ci-panel ci-timeline", "aria-label": "Events and size change over time" },
      h("header", {}, h("h3", {}, "Events over time"), (this.unit = h("span", { class: "ci-unit" })),
        this.zoomIn, this.zoomOut),
      this.plot,
    );
    this.plot.addEventListener("pointerdown", (event) => this.press(event));
    this.plot.addEventListener("pointermove", (event) => this.hover(event));
    this.plot.addEventListener("pointerleave", () => (this.tip.hidden = true));
    this.plot.addEventListener("dblclick", () => app.zoomIn());
    this.plot.addEventListener("keydown", (event) => this.key(event));
  }

  get x() {
    const { edges } = this.app.frame;
    return scaleLinear([edges[0], edges[edges.length - 1]], [LEFT, Math.max(this.plot.clientWidth - RIGHT, LEFT + 1)]);
  }

  bin(event) {
    const { edges, bins } = this.app.frame;
    const ms = this.x.invert(event.clientX - this.plot.getBoundingClientRect().left);
    let i = 0;
    while (i < bins - 1 && edges[i + 1] <= ms) i++;
    return ms < edges[0] ? 0 : i;
  }

  press(event) {
    if (event.button !== 0 || !this.app.frame) return;
    this.plot.focus({ preventScroll: true });
    event.preventDefault();
    const { edges } = this.app.frame;
    const [low, high] = this.app.window();
    const brushed = this.app.isBrushed();
    const px = event.clientX - this.plot.getBoundingClientRect().left;
    const near = (edge) => brushed && Math.abs(px - this.x(edges[edge])) < 5;
    const start = this.bin(event);
    let mode = near(low) ? "low" : near(high) ? "high" : brushed && start >= low && start < high ? "move" : "new";
    let moved = false;
    const move = (e) => {
      const now = this.bin(e);
      if (Math.abs(e.clientX - event.clientX) > 3) moved = true;
      if (!moved) return;
      let range;
      if (mode === "new") range = [Math.min(start, now), Math.max(start, now) + 1];
      else if (mode === "low") range = [Math.min(now, high - 1), high];
      else if (mode === "high") range = [low, Math.max(now + 1, low + 1)];
      else {
        const by = Math.max(-low, Math.min(now - start, this.app.frame.bins - high));
        range = [low + by, high + by];
      }
      this.app.brush(...range);
    };
    const up = (e) => {
      this.plot.removeEventListener("pointermove", move);
      this.plot.removeEventListener("pointerup", up);
      this.plot.removeEventListener("pointercancel", up);
      if (!moved && brushed && e.type === "pointerup") this.app.brush(0, this.app.frame.bins);
      this.app.commitBrush();
    };
    this.plot.setPointerCapture(event.pointerId);
    this.plot.addEventListener("pointermove", move);
    this.plot.addEventListener("pointerup", up);
    this.plot.addEventListener("pointercancel", up);
  }

  key(event) {
    const { frame } = this.app;
    if (!frame) return;
    let [low, high] = this.app.window();
    const step = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
    if (event.key === "Escape") [low, high] = [0, frame.bins];
    else if (event.key === "Enter") return this.app.zoomIn();
    else if (!step) return;
    else if (!this.app.isBrushed()) [low, high] = step > 0 ? [0, 1] : [frame.bins - 1, frame.bins];
    else if (event.shiftKey) high = Math.max(low + 1, Math.min(high + step, frame.bins));
    else if (low + step >= 0 && high + step <= frame.bins) [low, high] = [low + step, high + step];
    event.preventDefault();
    this.app.brush(low, high);
    this.app.commitBrush();
  }

  hover(event) {
    const { frame, clock } = this.app;
    if (!frame) return;
    const bin = this.bin(event);
    const shown = this.app.shownOps();
    const total = shown.reduce((sum, op) => sum + frame.byOp.at(bin, op), 0);
    const rows = shown
      .map((op) => [frame.ops[op], frame.byOp.at(bin, op)])
      .filter(([, n]) => n)
      .map(([op, n]) => h("div", {}, h("i", { style: `background:${this.app.colour(op)}` }), `${opName(op)} `, h("b", {}, count(n))));
    this.tip.replaceChildren(
      h("div", { class: "ci-tip-time" }, clock.range(frame.edges[bin], frame.edges[bin + 1])),
      h("div", {}, h("b", {}, count(total)), total === 1 ? " event" : " events"),
      ...rows,
      h("div", {}, `${signedBytes(frame.sizes.at(bin, 0))}  ${signedBytes(-frame.sizes.at(bin, 1))}`),
    );
    this.tip.hidden = false;
    const px = event.clientX - this.plot.getBoundingClientRect().left;
    const right = px > this.plot.clientWidth / 2;
    this.tip.style.left = right ? "" : `${px + 14}px`;
    this.tip.style.right = right ? `${this.plot.clientWidth - px + 14}px` : "";
  }

  draw() {
    const { frame, colours, clock } = this.app;
    const { x } = this;
    const [low, high] = this.app.window();
    const brushed = this.app.isBrushed();
    const shown = this.app.shownOps();
    const totals = Array.from({ length: frame.bins }, (_, i) => shown.reduce((sum, op) => sum + frame.byOp.at(i, op), 0));
    const bar = (i) => {
      const [a, b] = [x(frame.edges[i]), x(frame.edges[i + 1])];
      return [a, Math.max(b - a - (b - a > 3 ? 1 : 0), 0.75)];
    };
    this.unit.textContent = `events per ${binWords(frame)}, ${clock.tz}`;
    this.zoomIn.hidden = !brushed || high - low < 1;
    this.zoomOut.hidden = !this.app.state.domain;
    this.plot.setAttribute("aria-valuetext", brushed ? clock.range(frame.edges[low], frame.edges[high]) : "all");
    this.plot.setAttribute("aria-valuenow", low);
    this.plot.setAttribute("aria-valuemin", 0);
    this.plot.setAttribute("aria-valuemax", frame.bins);

    paint(this.events, (c, width, height) => {
      const bottom = height - AXIS;
      const y = scaleLinear([0, max(totals) || 1], [bottom, 8]).nice(4);
      leftAxis(c, y, y.ticks(4).filter(Number.isInteger), shortCount, width, colours);
      for (let i = 0; i < frame.bins; i++) {
        let base = 0;
        const [left, w] = bar(i);
        c.globalAlpha = brushed && (i < low || i >= high) ? 0.35 : 1;
        for (const op of shown) {
          const n = frame.byOp.at(i, op);
          if (!n) continue;
          c.fillStyle = this.app.colour(frame.ops[op]);
          c.fillRect(left, y(base + n), w, Math.max(y(base) - y(base + n), 0.5));
          base += n;
        }
      }
      c.globalAlpha = 1;
      timeAxis(c, x, width, bottom, clock, colours);
      if (brushed) band(c, x(frame.edges[low]), x(frame.edges[high]), 0, bottom, colours);
    });

    paint(this.sizes, (c, width, height) => {
      const most = Math.max(...totals.map((_, i) => Math.max(frame.sizes.at(i, 0), frame.sizes.at(i, 1))), 1);
      const y = scaleLinear([-most, most], [height - 6, 16]);
      const ticks = [-most, 0, most];
      leftAxis(c, y, ticks, (v) => (v ? signedBytes(v) : "0"), width, colours);
      for (let i = 0; i < frame.bins; i++) {
        const [left, w] = bar(i);
        c.globalAlpha = brushed && (i < low || i >= high) ? 0.35 : 1;
        c.fillStyle = ADDED;
        c.fillRect(left, y(frame.sizes.at(i, 0)), w, y(0) - y(frame.sizes.at(i, 0)));
        c.fillStyle = REMOVED;
        c.fillRect(left, y(0), w, y(-frame.sizes.at(i, 1)) - y(0));
      }
      c.globalAlpha = 1;
      c.fillStyle = colours.muted;
      c.font = `11px ${colours.font}`;
      c.textAlign = "left";
      c.textBaseline = "top";
      c.fillText("Bytes added (up) and removed (down)", LEFT, 1);
      if (brushed) band(c, x(frame.edges[low]), x(frame.edges[high]), 14, height, colours);
    });
  }
}

function binWords(frame) {
  const width = frame.edges[Math.min(2, frame.bins)] - frame.edges[Math.min(1, frame.bins - 1)];
  const hours = width / 3600000;
  if (hours > 8000) return "year";
  if (hours > 600) return "month";
  if (hours > 150) return "week";
  if (hours > 22) return "day";
  if (hours >= 1) return hours === 1 ? "hour" : `${Math.round(hours)} hours`;
  return hours * 60 === 1 ? "minute" : `${Math.round(hours * 60)} minutes`;
}

function leftAxis(c, y, ticks, words, width, colours) {
  c.font = `11px ${colours.font}`;
  c.textAlign = "right";
  c.textBaseline = "middle";
  for (const tick of ticks) {
    const at = Math.round(y(tick)) + 0.5;
    c.strokeStyle = colours.grid;
    c.beginPath();
    c.moveTo(LEFT, at);
    c.lineTo(width - RIGHT, at);
    c.stroke();
    c.fillStyle = colours.muted;
    c.fillText(words(tick), LEFT - 6, at);
  }
}

function timeAxis(c, x, width, top, clock, colours) {
  const [first, last] = x.domain();
  const local = scaleUtc([first + clock.offset(first), last + clock.offset(last)], x.range());
  const words = local.tickFormat();
  c.textAlign = "center";
  c.textBaseline = "top";
  c.fillStyle = colours.muted;
  c.strokeStyle = colours.muted;
  for (const tick of local.ticks(Math.max(2, Math.floor(width / 110)))) {
    const guess = +tick - clock.offset(+tick);
    const at = Math.round(x(+tick - clock.offset(guess))) + 0.5;
    if (at < LEFT + 8 || at > width - 24) continue;
    c.beginPath();
    c.moveTo(at, top);
    c.lineTo(at, top + 4);
    c.stroke();
    c.fillText(words(tick), at, top + 6);
  }
}

function band(c, left, right, top, bottom, colours) {
  c.fillStyle = colours.accent;
  c.globalAlpha = 0.1;
  c.fillRect(left, top, right - left, bottom - top);
  c.globalAlpha = 1;
  c.fillRect(left - 1, top, 2, bottom - top);
  c.fillRect(right - 1, top, 2, bottom - top);
  const middle = (top + bottom) / 2;
  for (const at of [left, right]) {
    c.beginPath();
    c.roundRect(at - 4, middle - 12, 8, 24, 3);
    c.fill();
  }
}

