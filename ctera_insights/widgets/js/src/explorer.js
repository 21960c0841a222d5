// The explorer's page: holds the state, hears the kernel, draws the views.
import { h, followTheme, themed } from "./dom.js";
import {
  Clock, OP_COLOURS, WEEKDAYS, bytes, cloudFolderName, count, extensionName, opName,
} from "./format.js";
import { visible } from "./text.js";
import { Bars } from "./bars.js";
import { Frame } from "./frame.js";
import { Heatmap } from "./heatmap.js";
import { Table } from "./table.js";
import { Timeline } from "./timeline.js";
import css from "./style.css";

const SEARCH_AFTER = 350; // ms without a key
const NOTHING = {
  since: null, until: null, domain: null, cloud_folder: [], folder: "", op: [], extension: [], text: "",
  weekdays: null, hours: null,
};
let views = 0;

class App {
  constructor(model, root) {
    this.model = model;
    this.root = root;
    this.id = ++views;
    this.state = { ...NOTHING, ...model.get("state") };
    this.frame = null;
    this.clock = new Clock("UTC");
    this.by = "events";
    this.drawn = 0;
    this.build();
  }

  build() {
    this.timeline = new Timeline(this);
    this.table = new Table(this);
    this.heatmap = new Heatmap(this);
    const toggle = (name) => (value) => {
      const chosen = this.state[name];
      this.set({ [name]: chosen.includes(value) ? chosen.filter((v) => v !== value) : [...chosen, value] });
    };
    this.ops = new Bars({ title: "Operation", name: "ops", toggled: toggle("op") });
    this.extensions = new Bars({ title: "Extension", name: "extensions", toggled: toggle("extension") });
    this.cloudFolders = new Bars({ title: "Cloud folder", name: "cloudfolders", toggled: toggle("cloud_folder") });
    this.crumbs = h("nav", { class: "ci-crumbs", "aria-label": "Open folder" });
    this.measure = ["events", "bytes"].map((by) =>
      h("button", {
        "aria-pressed": String(by === this.by),
        title: by === "bytes" ? "Bytes added and removed" : "Observed changes",
        onclick: () => {
          this.by = by;
          this.measure.forEach((b) => b.setAttribute("aria-pressed", String(b.textContent === by)));
          this.draw();
        },
      }, by),
    );
    this.folders = new Bars({
      title: "Folders", name: "folders", toggled: (path) => this.set({ folder: path }), below: this.crumbs,
      tools: [h("span", { class: "ci-segment", role: "group", "aria-label": "Size of the bars" }, ...this.measure)],
    });
    this.folders.list.addEventListener("keydown", (event) => {
      if (event.key === "Backspace" && this.state.folder) this.set({ folder: parent(this.state.folder) });
    });
    this.search = h("input", {
      type: "search", placeholder: "Search in paths", "aria-label": "Search in paths", spellcheck: "false",
      oninput: () => {
        clearTimeout(this.searching);
        this.searching = setTimeout(() => this.find(), SEARCH_AFTER);
      },
      onkeydown: (event) => {
        event.stopPropagation(); // letters are commands to a notebook
        if (event.key === "Enter") this.find();
        if (event.key === "Escape") {
          this.search.value = "";
          this.find();
        }
      },
    });
    this.total = h("strong", { class: "ci-total" });
    this.of = h("span", { class: "ci-of" });
    this.change = h("span", { class: "ci-change" });
    this.chips = h("div", { class: "ci-chips", role: "group", "aria-label": "Filters" });
    this.notice = h("div", { class: "ci-notice", role: "alert", hidden: true });
    this.lacks = h("div", { class: "ci-lacks", role: "status", hidden: true });
    this.empty = h("div", { class: "ci-empty", hidden: true });
    this.views = h(
      "div", { class: "ci-views" }, this.timeline.element,
      h("div", { class: "ci-grid" }, this.folders.element, this.ops.element, this.extensions.element,
        this.cloudFolders.element, this.heatmap.element),
      this.table.element,
    );
    this.progress = h("div", { class: "ci-progress", hidden: true });
    this.root.append(
      h("style", {}, css), this.progress,
      h("div", { class: "ci-head" },
        h("div", { class: "ci-sum", "aria-live": "polite" }, this.total, this.of, this.change), this.search),
      this.chips, this.notice, this.lacks, this.empty, this.views,
    );
    this.views.hidden = true;
    // A notebook takes single letters as commands and arrows as moves between cells.
    this.root.addEventListener("keydown", (event) => event.stopPropagation());
    this.root.dataset.drawn = 0;
    this.wait();
  }

  // --- state ---

  /** Change filters here and in the kernel. */
  set(patch) {
    this.state = { ...this.state, ...patch };
    this.drawChips();
    this.model.set("state", this.state);
    this.model.save_changes();
    if (Object.keys(patch).every((name) => name === "since" || name === "until")) this.selected();
    else this.wait();
  }

  /** The kernel's side set the state. */
  heard() {
    const before = withoutTimes(this.state);
    this.state = { ...NOTHING, ...this.model.get("state") };
    this.drawChips();
    if (withoutTimes(this.state) === before && this.frame) this.selected();
    else this.wait();
  }

  find() {
    clearTimeout(this.searching);
    const text = this.search.value.trim();
    if (text !== this.state.text) this.set({ text });
  }

  brush(low, high) {
    const { edges, bins } = this.frame;
    this.state = {
      ...this.state,
      since: low === 0 && high === bins ? null : edges[low],
      until: low === 0 && high === bins ? null : edges[high],
    };
    this.schedule();
  }

  commitBrush() {
    const { since, until } = this.state;
    const known = this.model.get("state");
    if (known.since !== since || known.until !== until) this.set({ since, until });
  }

  window() {
    return this.frame.window(this.state.since, this.state.until);
  }

  isBrushed() {
    return this.state.since !== null || this.state.until !== null;
  }

  zoomIn() {
    if (!this.isBrushed()) return;
    const { edges } = this.frame;
    const [low, high] = this.window();
    this.set({ domain: [edges[low], edges[high]], since: null, until: null });
  }

  zoomOut() {
    const [since, until] = this.state.domain;
    this.set({ domain: null, since, until });
  }

  shownOps() {
    const { op } = this.state;
    return this.frame.ops.map((_, i) => i).filter((i) => !op.length || op.includes(this.frame.ops[i]));
  }

  colour(op) {
    return op === "acl_changed" ? this.colours?.permissions || OP_COLOURS[op] : OP_COLOURS[op] ?? "#999999";
  }

  // --- from the kernel ---

  receive(content, buffers) {
    if (content.kind === "rows") this.table.receive(content);
    else if (content.kind === "frame") {
      this.done();
      this.frame = new Frame(content, buffers);
      this.state = { ...this.state, domain: content.state.domain };
      if (this.clock.tz !== content.tz) this.clock = new Clock(content.tz);
      this.notice.hidden = true;
      this.lacks.textContent = visible(content.lacks);
      this.lacks.hidden = !content.lacks;
      this.empty.hidden = true;
      this.views.hidden = false;
      this.selected();
    } else if (content.kind === "empty") {
      this.done();
      this.showEmpty(content.inventory, content.lacks);
    } else if (content.kind === "error") {
      this.done();
      this.notice.replaceChildren(
        h("strong", {}, "This could not be answered. "), visible(content.text), " ",
        h("button", { class: "ci-link", onclick: () => this.model.send({ kind: "hello" }) }, "Try again"),
        h("button", { class: "ci-link", onclick: () => this.set({ ...NOTHING }) }, "Remove all filters"),
      );
      this.notice.hidden = false;
    }
  }

  showEmpty(inventory, lacks) {
    this.views.hidden = true;
    this.total.textContent = "No activity yet";
    this.of.textContent = this.change.textContent = "";
    this.empty.replaceChildren(
      h("p", {}, lacks ? visible(lacks) : inventory
        ? `The inventory is collected: ${count(inventory)} files and folders. Changes appear here with the next collection.`
        : "Nothing has been collected into this store yet."),
      inventory
        ? h("button", { class: "ci-button", onclick: () => (this.wait(), this.model.send({ kind: "inventory" })) }, "Show the inventory")
        : lacks ? "" : h("code", {}, "ctera-insights collect --data DIR …"),
    );
    this.lacks.hidden = true;
    this.empty.hidden = false;
    this.root.dataset.drawn = ++this.drawn;
  }

  wait() {
    this.root.setAttribute("aria-busy", "true");
    this.waiting ??= setTimeout(() => (this.progress.hidden = false), 150);
  }

  done() {
    this.root.setAttribute("aria-busy", "false");
    clearTimeout(this.waiting);
    this.waiting = undefined;
    this.progress.hidden = true;
  }

  // --- drawing ---

  /** The selection is another one: draw, and read its rows. */
  selected() {
    this.draw();
    this.table.reset(this.selectedEvents());
  }

  schedule() {
    if (this.scheduled) return;
    this.scheduled = requestAnimationFrame(() => {
      this.scheduled = null;
      this.drawChips();
      this.draw();
      this.table.announce(this.selectedEvents());
    });
  }

  selectedEvents() {
    const totals = this.frame.byOp.between(...this.window());
    return this.shownOps().reduce((sum, op) => sum + totals[op], 0);
  }

  draw() {
    if (!this.frame || this.views.hidden) return;
    this.colours = themed(this.root);
    const { frame, state } = this;
    const window_ = this.window();
    this.drawChips();
    if (document.activeElement !== this.search) this.search.value = state.text;

    const selected = this.selectedEvents();
    const sizes = frame.sizes.between(...window_);
    this.total.textContent = `${count(selected)} ${selected === 1 ? "event" : "events"}`;
    this.of.textContent = selected === frame.events ? "" : `of ${count(frame.events)}`;
    this.change.replaceChildren(
      h("span", { class: "up" }, `+${bytes(sizes[0])}`), " ", h("span", { class: "down" }, `−${bytes(sizes[1])}`),
    );
    this.root.classList.toggle("nothing", !selected);

    this.timeline.draw();
    this.heatmap.draw();
    const accent = this.colours.accent;
    const ops = frame.byOp.between(...window_);
    this.ops.draw(frame.ops.map((op, i) => ({
      key: op, label: opName(op), value: op, n: ops[i], colour: this.colour(op), pressed: state.op.includes(op),
    })));
    this.drawValues(this.extensions, "extension", frame.extensions, frame.byExtension, frame.more_extensions, extensionName, accent);
    this.drawValues(this.cloudFolders, "cloud_folder", frame.cloud_folders, frame.byCloudFolder, frame.more_cloud_folders, cloudFolderName, accent);
    this.drawFolders(accent);
    this.root.dataset.drawn = ++this.drawn;
  }

  /** Bars of a column, ordered by all of the timeline so that brushing moves none. */
  drawValues(bars, name, values, counts, more, label, colour) {
    const now = counts.between(...this.window());
    const all = counts.between(0, this.frame.bins);
    const items = values.map((value, i) => ({
      key: JSON.stringify(value), label: label(value), value, n: now[i], all: all[i], colour,
      pressed: this.state[name].includes(value),
    })).filter((item) => item.all || item.pressed);
    items.sort((a, b) => b.all - a.all);
    if (more && all[values.length]) {
      items.push({ key: "…", label: "(all others)", n: now[values.length], colour, pressed: false, inert: true });
    }
    bars.draw(items);
  }

  drawFolders(colour) {
    const { frame, state } = this;
    const counts = this.by === "bytes" ? frame.childBytes : frame.byChild;
    const now = counts.between(...this.window());
    const all = counts.between(0, frame.bins);
    const items = frame.children.map((child, i) => ({
      key: child.kind + child.path, label: visible(child.name), value: child.path, n: now[i], all: all[i], colour,
      pressed: false, inert: child.kind !== "folder", descend: child.kind === "folder",
    })).filter((item) => item.all);
    items.sort((a, b) => b.all - a.all);
    this.folders.draw(items, this.by === "bytes" ? bytes : undefined);
    const parts = state.folder ? state.folder.split("/") : [];
    const links = ["All folders", ...parts].map((name, i) => [visible(name), parts.slice(0, i).join("/")]);
    const key = state.folder;
    if (this.crumbs.dataset.path === key && this.crumbs.firstChild) return;
    this.crumbs.dataset.path = key;
    this.crumbs.replaceChildren(...links.flatMap(([name, path], i) => [
      i ? h("span", { "aria-hidden": "true" }, "›") : null,
      i === links.length - 1
        ? h("span", { class: "here", "aria-current": "page" }, name)
        : h("button", { class: "ci-link", "data-path": path, onclick: () => this.set({ folder: path }) }, name),
    ]).filter(Boolean));
  }

  drawChips() {
    const { state } = this;
    const chips = [];
    const chip = (name, text, without) => chips.push([`${name} ${text}`, name, text, without]);
    if (state.domain) chip("zoom", this.clock.range(...state.domain), { domain: null });
    if (state.since !== null || state.until !== null) chip("time", this.clock.range(state.since, state.until), { since: null, until: null });
    if (state.folder) chip("in", visible(state.folder), { folder: "" });
    for (const [name, words, label] of [
      ["op", opName, ""], ["extension", extensionName, ""], ["cloud_folder", cloudFolderName, "cloud folder"],
    ]) {
      for (const value of state[name]) chip(label, words(value), { [name]: state[name].filter((v) => v !== value) });
    }
    if (state.text) chip("path contains", `“${visible(state.text)}”`, { text: "" });
    if (state.weekdays || state.hours) {
      const days = state.weekdays ? [...new Set(state.weekdays)].map((d) => WEEKDAYS[d]).join("–") : "";
      const hours = state.hours ? `${String(state.hours[0]).padStart(2, "0")}:00–${String(state.hours[1] + 1).padStart(2, "0")}:00` : "";
      chip("", [days, hours].filter(Boolean).join(" "), { weekdays: null, hours: null });
    }
    const key = chips.map(([k]) => k).join("|");
    if (key === this.chips.dataset.key) return;
    this.chips.dataset.key = key;
    this.chips.replaceChildren(
      ...(chips.length ? [] : [h("span", { class: "ci-hint" }, "Drag over the timeline or the hours, click bars and folders, or search: every view filters all others.")]),
      ...chips.map(([, name, text, without]) =>
        h("button", {
          class: "ci-chip", title: "Remove this filter", "aria-label": `Remove filter ${name} ${text}`,
          onclick: () => {
            if ("text" in without) this.search.value = "";
            this.set(without);
          },
        }, name ? h("em", {}, name) : null, h("bdi", {}, text), h("span", { class: "x", "aria-hidden": "true" }, "×"))),
      chips.length > 1 ? h("button", { class: "ci-link", onclick: () => this.set({ ...NOTHING }) }, "Remove all") : "",
    );
  }
}

const parent = (path) => path.split("/").slice(0, -1).join("/");

const withoutTimes = (state) => JSON.stringify({ ...NOTHING, ...state, since: null, until: null });

function render({ model, el }) {
  const root = h("div", { class: "ctera-insights-explorer", role: "region", "aria-label": "File activity explorer" });
  el.append(root);
  const app = new App(model, root);
  const heard = () => {
    if (JSON.stringify(model.get("state")) !== JSON.stringify(app.state)) app.heard();
  };
  const received = (content, buffers) => app.receive(content, buffers);
  model.on("change:state", heard);
  model.on("msg:custom", received);
  const unfollow = followTheme(root, () => app.draw());
  const resized = new ResizeObserver(() => {
    if (!app.frame) return;
    app.draw();
    app.table.go(app.table.top);
  });
  resized.observe(root);
  model.send({ kind: "hello" });
  return () => {
    unfollow();
    resized.disconnect();
    model.off("change:state", heard);
    model.off("msg:custom", received);
  };
}

export default { render };
