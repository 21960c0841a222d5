// The live view: a few numbers that move, a line of the rate, and the latest events.
import { max } from "d3-array";
import { scaleLinear } from "d3-scale";
import { h, followTheme, paint, themed } from "./dom.js";
import { bytes, count, shortCount } from "./format.js";
import { visible } from "./text.js";
import css from "./style.css";

function ago(ms) {
  if (ms === null || ms === undefined) return "never";
  return `${span(Math.max(0, (Date.now() - ms) / 1000))} ago`;
}

function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

// A lag below zero tells of clocks; up to two seconds of it is no news.
const ahead = (seconds) => seconds < -2;
const lag = (seconds) => (ahead(seconds) ? `−${span(-seconds)}` : span(seconds == null ? seconds : Math.max(0, seconds)));
const lagWords = (seconds) => (ahead(seconds) ? `Portal's clock ${span(-seconds)} ahead` : `${lag(seconds)} behind`);

class View {
  constructor(model, root) {
    this.model = model;
    this.root = root;
    this.dot = h("i", { class: "ci-dot" });
    this.title = h("strong", {});
    this.phase = h("span", { class: "ci-unit" });
    this.button = h("button", { class: "ci-button", onclick: () => this.toggle() });
    this.stopper = h("button", { class: "ci-button", onclick: () => model.send({ kind: "stop" }) }, "Stop collecting");
    this.cards = Object.fromEntries(
      [
        ["events", "Events"], ["rate", "Events per second"], ["lag", "Lag"], ["commit", "Last commit"], ["derived", "Activity"],
        ["quarantine", "Quarantine"],
      ].map(
        ([key, name]) => {
          const value = h("div", { class: "ci-value" });
          const note = h("div", { class: "ci-note" });
          return [key, { value, note, element: h("div", { class: `ci-card ci-card-${key}` }, h("div", { class: "ci-name" }, name), value, note) }];
        },
      ),
    );
    this.line = h("canvas", { class: "ci-spark", role: "img", "aria-label": "Events per second, lately" });
    this.cards.rate.element.append(this.line);
    this.notice = h("div", { class: "ci-notice", role: "alert", hidden: true });
    this.empty = h("div", { class: "ci-empty", hidden: true });
    this.feeds = h("div", { class: "ci-feeds" });
    this.recent = h("div", { class: "ci-recent" });
    this.body = h(
      "div", {}, h("div", { class: "ci-cards", "aria-live": "off" }, ...Object.values(this.cards).map((c) => c.element)),
      this.feeds, this.recent,
    );
    root.append(
      h("style", {}, css),
      h("div", { class: "ci-live-head" }, this.dot, this.title, this.phase, this.stopper, this.button),
      this.notice, this.empty, this.body,
    );
    root.addEventListener("keydown", (event) => event.stopPropagation());
    this.ticking = setInterval(() => this.tick(), 1000);
    this.draw();
  }

  toggle() {
    this.model.set("running", !this.model.get("running"));
    this.model.save_changes();
  }

  set(key, value, note = "") {
    this.cards[key].value.textContent = value;
    this.cards[key].note.textContent = note;
  }

  tick() {
    const shown = this.model.get("shown");
    this.set("commit", ago(shown.committed), shown.batches === undefined ? "" : `${count(shown.batches)} batches`);
  }

  draw() {
    const shown = this.model.get("shown");
    const running = this.model.get("running");
    const problem = shown.error || shown.trouble;
    this.dot.className = `ci-dot ${problem ? "bad" : running ? "on" : ""}`;
    this.title.textContent = visible(shown.title);
    this.phase.textContent = [
      shown.phase, shown.caught_up ? "caught up" : "", shown.state === "stopped" ? "stopped" : "", running ? "" : "not watching",
    ].filter(Boolean).join(" · ");
    this.button.textContent = running ? "Pause" : "Watch";
    this.button.setAttribute("aria-pressed", String(running));
    this.stopper.hidden = !(shown.collector && shown.state === "collecting");
    this.notice.hidden = !problem;
    this.notice.textContent = visible(problem || "");
    this.empty.hidden = !shown.waiting;
    this.empty.textContent = visible(shown.waiting || "");
    this.body.hidden = Boolean(shown.waiting) || shown.events === undefined;
    if (this.body.hidden) return;
    const arrived = shown.collector ? `${count(shown.arrived)} committed` : shown.arrived ? `+${count(shown.arrived)} since this view began` : bytes(shown.size_bytes ?? 0);
    this.set("events", count(shown.events), arrived);
    this.set("rate", shortCount(shown.rate ?? 0));
    this.set("lag", lag(shown.lag_s), ahead(shown.lag_s) ? "the Portal's clock is ahead" : "Portal to store, newest change");
    this.cards.lag.element.classList.toggle("bad", ahead(shown.lag_s));
    const behind = shown.behind_batches ?? 0;
    this.set("derived", behind ? `${count(behind)} behind` : "up to date", behind ? `batches, ${count(shown.behind_events)} events` : "derived from all batches");
    this.set("quarantine", count(shown.quarantined), shown.quarantined ? "entries could not be read" : "every entry could be read");
    this.cards.quarantine.element.classList.toggle("bad", shown.quarantined > 0);
    this.tick();
    const feeds = shown.feeds ?? [];
    this.feeds.replaceChildren(...(feeds.length > 1 ? feeds.map((feed) =>
      h("div", { class: "ci-feed" }, h("bdi", {}, visible(feed.feed)), h("span", {}, feed.phase), h("span", {}, `${count(feed.batch)} batches`),
        h("span", {}, lagWords(feed.lag_s)), h("span", {}, ago(feed.committed)))) : []));
    this.recent.replaceChildren(...(shown.recent?.length ? [h("div", { class: "ci-name" }, "Latest events"),
      ...shown.recent.map(([moment, name, type, deleted, size]) =>
        h("div", { class: "ci-event" }, h("span", {}, moment === null ? "" : new Date(moment).toISOString().slice(0, 19).replace("T", " ") + " UTC"),
          h("bdi", { class: deleted ? "gone" : "" }, `${visible(name ?? "(no name)")}${type === "folder" ? "/" : ""}`),
          h("span", {}, deleted ? "deleted" : type === "folder" || size === null ? "" : bytes(size))))] : []));
    this.colours = themed(this.root);
    paint(this.line, (c, width, height) => {
      const values = shown.history ?? [];
      if (values.length < 2) return;
      const x = scaleLinear([0, values.length - 1], [0, width]);
      const y = scaleLinear([0, max(values) || 1], [height - 1, 2]);
      c.beginPath();
      values.forEach((value, i) => (i ? c.lineTo(x(i), y(value)) : c.moveTo(x(i), y(value))));
      c.strokeStyle = this.colours.accent;
      c.lineWidth = 1.5;
      c.stroke();
      c.lineTo(width, height);
      c.lineTo(0, height);
      c.globalAlpha = 0.15;
      c.fillStyle = this.colours.accent;
      c.fill();
    });
    this.root.dataset.events = shown.events;
  }
}

function render({ model, el }) {
  const root = h("div", { class: "ctera-insights-live", role: "region", "aria-label": "Collection, live" });
  el.append(root);
  const view = new View(model, root);
  const draw = () => view.draw();
  model.on("change:shown", draw);
  model.on("change:running", draw);
  const unfollow = followTheme(root, draw);
  const resized = new ResizeObserver(draw);
  resized.observe(root);
  return () => {
    clearInterval(view.ticking);
    unfollow();
    resized.disconnect();
    model.off("change:shown", draw);
    model.off("change:running", draw);
  };
}

export default { render };
