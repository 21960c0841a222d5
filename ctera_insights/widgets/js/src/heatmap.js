// Events by local hour and weekday; a dragged rectangle filters.
import { scaleSequential, scaleSqrt } from "d3-scale";
import { interpolateRgb } from "d3-interpolate";
import { h, paint } from "./dom.js";
import { WEEKDAYS, count, shortCount } from "./format.js";

const LEFT = 34;
const TOP = 4;
const BOTTOM = 34;

export class Heatmap {
  constructor(app) {
    this.app = app;
    this.cursor = [0, 8];
    this.canvas = h("canvas", {
      class: "ci-heat", tabindex: "0", role: "application", "aria-label":
        "Events by weekday and hour. Arrows move, Enter filters for one hour, Shift with arrows extends, Escape removes the filter.",
    });
    this.said = h("span", { class: "ci-unit", "aria-live": "polite" });
    this.element = h(
      "section", { class: "ci-panel ci-hours", "aria-label": "Hour and weekday" },
      h("header", {}, h("h3", {}, "Hour × weekday"), this.said), this.canvas,
    );
    this.canvas.addEventListener("pointerdown", (event) => this.press(event));
    this.canvas.addEventListener("pointermove", (event) => this.say(this.cell(event)));
    this.canvas.addEventListener("pointerleave", () => this.say(null));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("focus", () => app.draw());
    this.canvas.addEventListener("blur", () => app.draw());
  }

  get size() {
    return [(this.canvas.clientWidth - LEFT - 4) / 24, (this.canvas.clientHeight - TOP - BOTTOM) / 7];
  }

  cell(event) {
    const box = this.canvas.getBoundingClientRect();
    const [w, hh] = this.size;
    const clamp = (value, most) => Math.max(0, Math.min(Math.floor(value), most));
    return [clamp((event.clientY - box.top - TOP) / hh, 6), clamp((event.clientX - box.left - LEFT) / w, 23)];
  }

  say(cell) {
    const { frame } = this.app;
    if (!frame) return;
    this.said.textContent = cell
      ? `${WEEKDAYS[cell[0]]} ${String(cell[1]).padStart(2, "0")}:00  ${count(this.values[cell[0] * 24 + cell[1]])}`
      : frame.tz;
  }

  press(event) {
    if (event.button !== 0 || !this.app.frame) return;
    const start = this.cell(event);
    const box = this.canvas.getBoundingClientRect();
    const px = event.clientX - box.left;
    const py = event.clientY - box.top;
    const wholeDay = px < LEFT;
    const wholeHour = !wholeDay && py > this.canvas.clientHeight - BOTTOM;
    let last = start;
    const rectangle = () => {
      const order = (a, b) => [Math.min(a, b), Math.max(a, b)];
      return [wholeHour ? [0, 6] : order(start[0], last[0]), wholeDay ? [0, 23] : order(start[1], last[1])];
    };
    const move = (e) => {
      last = this.cell(e);
      this.draft = rectangle();
      this.app.draw();
    };
    const up = (e) => {
      this.canvas.removeEventListener("pointermove", move);
      this.canvas.removeEventListener("pointerup", up);
      this.draft = null;
      last = this.cell(e);
      this.filter(...rectangle());
    };
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerup", up);
  }

  /** Filter for a rectangle, or remove the filter when it is the one that holds. */
  filter(days, hours) {
    const { state } = this.app;
    const same = JSON.stringify([state.weekdays ?? [0, 6], state.hours ?? [0, 23]]) === JSON.stringify([days, hours]);
    this.app.set({
      weekdays: same || (days[0] === 0 && days[1] === 6) ? null : days,
      hours: same || (hours[0] === 0 && hours[1] === 23) ? null : hours,
    });
  }

  key(event) {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const step = steps[event.key];
    if (event.key === "Escape") this.app.set({ weekdays: null, hours: null });
    else if (event.key === "Enter" || event.key === " ") {
      const from = this.anchor ?? this.cursor;
      const order = (a, b) => [Math.min(a, b), Math.max(a, b)];
      this.filter(order(from[0], this.cursor[0]), order(from[1], this.cursor[1]));
      this.anchor = null;
    } else if (step) {
      this.anchor = event.shiftKey ? (this.anchor ?? this.cursor) : null;
      this.cursor = [Math.max(0, Math.min(6, this.cursor[0] + step[0])), Math.max(0, Math.min(23, this.cursor[1] + step[1]))];
      this.say(this.cursor);
      this.app.draw();
    } else return;
    event.preventDefault();
  }

  draw() {
    const { frame, colours, state } = this.app;
    this.values = frame.byHour.between(...this.app.window());
    const most = Math.max(...this.values, 1);
    const colour = scaleSequential(interpolateRgb(colours.grid, colours.heat));
    const shade = scaleSqrt([0, most], [0, 1]);
    const [days, hours] = this.draft ?? [state.weekdays ?? [0, 6], state.hours ?? [0, 23]];
    const filtered = this.draft || state.weekdays || state.hours;
    const inside = (day, hour) => day >= days[0] && day <= days[1] && hour >= hours[0] && hour <= hours[1];
    if (!this.said.textContent) this.say(null);
    paint(this.canvas, (c, width, height) => {
      const [w, hh] = this.size;
      c.font = `11px ${colours.font}`;
      for (let day = 0; day < 7; day++) {
        c.globalAlpha = 1;
        c.fillStyle = colours.muted;
        c.textAlign = "right";
        c.textBaseline = "middle";
        c.fillText(WEEKDAYS[day], LEFT - 6, TOP + (day + 0.5) * hh);
        for (let hour = 0; hour < 24; hour++) {
          c.globalAlpha = !filtered || inside(day, hour) ? 1 : 0.3;
          c.fillStyle = colour(shade(this.values[day * 24 + hour]));
          c.fillRect(LEFT + hour * w, TOP + day * hh, w - 1, hh - 1);
        }
      }
      c.globalAlpha = 1;
      c.fillStyle = colours.muted;
      c.textAlign = "center";
      c.textBaseline = "top";
      for (let hour = 0; hour < 24; hour += 3) {
        c.fillText(String(hour).padStart(2, "0"), LEFT + (hour + 0.5) * w, height - BOTTOM + 3);
      }
      // What the shades mean.
      const from = LEFT;
      const to = LEFT + Math.min(120, width - LEFT - 90);
      for (let i = 0; i < to - from; i++) {
        c.fillStyle = colour(Math.sqrt(i / (to - from)));
        c.fillRect(from + i, height - 13, 1.5, 8);
      }
      c.fillStyle = colours.muted;
      c.textBaseline = "middle";
      c.textAlign = "right";
      c.fillText("0", from - 4, height - 9);
      c.textAlign = "left";
      c.fillText(`${shortCount(most)} events`, to + 5, height - 9);
      if (filtered) {
        c.strokeStyle = colours.accent;
        c.lineWidth = 2;
        c.strokeRect(
          LEFT + hours[0] * w - 1, TOP + days[0] * hh - 1,
          (hours[1] - hours[0] + 1) * w + 1, (days[1] - days[0] + 1) * hh + 1,
        );
      }
      if (document.activeElement === this.canvas && this.canvas.matches(":focus-visible")) {
        c.strokeStyle = colours.text;
        c.lineWidth = 1.5;
        const [a, b] = [this.anchor ?? this.cursor, this.cursor];
        c.strokeRect(
          LEFT + Math.min(a[1], b[1]) * w, TOP + Math.min(a[0], b[0]) * hh,
          (Math.abs(a[1] - b[1]) + 1) * w - 1, (Math.abs(a[0] - b[0]) + 1) * hh - 1,
        );
      }
    });
  }
}
