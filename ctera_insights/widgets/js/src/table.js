// The events of the selection, newest first: a window onto all of them, however many there are.
import { h } from "./dom.js";
import { bytes, count, opName, signedBytes } from "./format.js";
import { visible } from "./text.js";

const ROW = 26;
const PAGE = 100;
const TALLEST = 8_000_000; // pixels that every browser can scroll

export class Table {
  constructor(app) {
    this.app = app;
    this.pages = new Map();
    this.asked = new Set();
    this.top = 0;
    this.total = 0;
    this.generation = 0;
    this.said = h("span", { class: "ci-unit", "aria-live": "polite" });
    this.spacer = h("div", { class: "ci-spacer" });
    this.rows = h("div", { class: "ci-rows" });
    this.scroller = h(
      "div", { class: "ci-scroller", tabindex: "0", role: "table", "aria-label": "Events of the selection, newest first" },
      this.spacer, this.rows,
    );
    this.element = h(
      "section", { class: "ci-panel ci-table", "aria-label": "Events" },
      h("header", {}, h("h3", {}, "Events"), this.said),
      h(
        "div", { class: "ci-tr ci-th", role: "row" },
        ...["Time", "Operation", "Path", "Size", "Change"].map((name) => h("span", { role: "columnheader" }, name)),
      ),
      this.scroller,
    );
    this.scroller.addEventListener("scroll", () => this.scrolled());
    this.scroller.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.scroller.addEventListener("keydown", (event) => this.key(event));
  }

  get visible() {
    return Math.max(1, Math.floor(this.scroller.clientHeight / ROW));
  }

  get last() {
    return Math.max(0, this.total - this.visible);
  }

  get range() {
    return Math.max(0, this.spacer.offsetHeight - this.scroller.clientHeight);
  }

  /** A new selection of `total` rows. */
  reset(total) {
    this.generation++;
    this.pages.clear();
    this.asked.clear();
    this.total = total;
    this.spacer.style.height = `${Math.min(total * ROW, TALLEST)}px`;
    this.go(0);
  }

  /** While brushing: only the number is known. */
  announce(total) {
    this.said.textContent = `${count(total)} ${total === 1 ? "row" : "rows"}, newest first, times in ${this.app.clock.tz}`;
  }

  go(row) {
    this.top = Math.max(0, Math.min(row, this.last));
    this.placed = this.last ? (this.top / this.last) * this.range : 0;
    this.scroller.scrollTop = this.placed;
    this.draw();
  }

  scrolled() {
    // What `go` itself set comes back as an event: rows are finer than pixels when there are many.
    if (Math.abs(this.scroller.scrollTop - this.placed) < 1.5) return;
    this.placed = this.scroller.scrollTop;
    this.top = this.range ? (this.placed / this.range) * this.last : 0;
    this.draw();
  }

  wheel(event) {
    const rows = event.deltaMode === 1 ? event.deltaY : event.deltaY / ROW;
    const next = Math.max(0, Math.min(this.top + rows, this.last));
    if (next === this.top) return;
    event.preventDefault();
    this.go(next);
  }

  key(event) {
    const row = {
      ArrowDown: this.top + 1,
      ArrowUp: this.top - 1,
      PageDown: this.top + this.visible,
      PageUp: this.top - this.visible,
      Home: 0,
      End: this.last,
    }[event.key];
    if (row === undefined) return;
    event.preventDefault();
    this.go(row);
  }

  ask(page) {
    if (this.asked.has(page)) return;
    this.asked.add(page);
    this.app.model.send({
      kind: "rows", offset: page * PAGE, id: `${this.app.id}/${this.generation}`, state: this.app.state,
    });
  }

  receive({ id, offset, rows }) {
    if (id !== `${this.app.id}/${this.generation}`) return;
    this.pages.set(offset / PAGE, rows);
    this.draw();
  }

  draw() {
    this.announce(this.total);
    const first = Math.floor(this.top);
    const upTo = Math.min(first + this.visible + 1, this.total);
    const drawn = [];
    clearTimeout(this.later);
    const missing = new Set();
    for (let i = first; i < upTo; i++) {
      const page = this.pages.get(Math.floor(i / PAGE));
      if (!page) missing.add(Math.floor(i / PAGE));
      drawn.push(this.row(i, page?.[i % PAGE]));
    }
    if (missing.size) this.later = setTimeout(() => missing.forEach((page) => this.ask(page)), this.pages.size ? 60 : 0);
    this.rows.replaceChildren(...drawn);
    this.rows.style.transform = `translateY(${this.placed - (this.top - first) * ROW}px)`;
    this.scroller.setAttribute("aria-rowcount", this.total);
    this.element.dataset.first = first;
    this.element.dataset.complete = missing.size === 0;
  }

  row(index, values) {
    if (!values) return h("div", { class: "ci-tr waiting", role: "row", "aria-rowindex": index + 1 }, h("span", {}, "…"));
    const [moment, op, type, named, before, size, delta] = values;
    const path = named === null ? "?" : visible(named);
    const oldPath = before === null ? null : visible(before);
    return h(
      "div", { class: "ci-tr", role: "row", "aria-rowindex": index + 1 },
      h("span", { role: "cell", class: "ci-time" }, this.app.clock.second.format(moment)),
      h("span", { role: "cell", class: "ci-op" }, h("i", { style: `background:${this.app.colour(op)}` }), opName(op)),
      h(
        "span", { role: "cell", class: "ci-path", title: oldPath ? `${path}\nbefore: ${oldPath}` : path },
        h("bdi", {}, type === "folder" ? `${path}/` : path),
        oldPath && oldPath !== path ? h("bdi", { class: "ci-old" }, ` ← ${oldPath}`) : null,
      ),
      h("span", { role: "cell", class: "ci-num" }, size === null || type === "folder" ? "" : bytes(size)),
      h("span", { role: "cell", class: `ci-num ${delta > 0 ? "up" : delta < 0 ? "down" : ""}` }, delta ? signedBytes(delta) : ""),
    );
  }
}
