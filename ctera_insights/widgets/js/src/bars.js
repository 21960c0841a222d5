// A list of bars: one button a value, pressed when the value is filtered for.
import { h } from "./dom.js";
import { count, shortCount } from "./format.js";

export class Bars {
  /**
   * @param {object} options title; toggled(value); and hint, read out for the list.
   */
  constructor({ title, name, toggled, tools = [], below = null }) {
    this.toggled = toggled;
    this.rows = new Map();
    this.list = h("div", { class: "ci-bars", role: "group", "aria-label": title });
    this.element = h(
      "section", { class: `ci-panel ci-${name}`, "aria-label": title },
      h("header", {}, h("h3", {}, title), ...tools), below, this.list,
    );
    this.list.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const buttons = [...this.list.querySelectorAll("button:not(:disabled)")];
    const at = buttons.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -at, End: buttons.length - 1 - at }[event.key];
    if (step === undefined || at < 0) return;
    event.preventDefault();
    buttons[Math.max(0, Math.min(at + step, buttons.length - 1))]?.focus();
  }

  /**
   * @param {{key: string, label: string, value: any, n: number, colour: string, pressed: boolean,
   *          inert?: boolean, descend?: boolean}[]} items in the order to show.
   * @param words how a number is written.
   */
  draw(items, words = shortCount) {
    const most = Math.max(...items.map((item) => item.n), 1);
    const any = items.some((item) => item.pressed);
    const focused = document.activeElement?.dataset?.key;
    const seen = new Set();
    items.forEach((item, i) => {
      let row = this.rows.get(item.key);
      if (!row) {
        row = this.row(item);
        this.rows.set(item.key, row);
      }
      seen.add(item.key);
      row.item = item;
      if (this.list.children[i] !== row.button) this.list.insertBefore(row.button, this.list.children[i] ?? null);
      const n = words(item.n);
      if (row.number.textContent !== n) row.number.textContent = n;
      row.bar.style.transform = `scaleX(${Math.max(item.n, 0) / most})`;
      row.bar.style.backgroundColor = item.colour;
      row.button.setAttribute("aria-pressed", String(item.pressed));
      row.button.classList.toggle("off", any && !item.pressed);
      row.button.classList.toggle("zero", !item.n);
      row.button.title = `${item.label}: ${words === shortCount ? `${count(item.n)} events` : n}`;
    });
    for (const [key, row] of this.rows) {
      if (!seen.has(key)) {
        row.button.remove();
        this.rows.delete(key);
      }
    }
    if (focused && this.list.contains(document.activeElement) === false) this.rows.get(focused)?.button.focus();
  }

  row(item) {
    const bar = h("span", { class: "ci-bar" });
    const number = h("span", { class: "ci-n" });
    const button = h(
      "button", { class: `ci-row${item.descend ? " descend" : ""}`, "data-key": item.key, disabled: item.inert },
      bar, h("span", { class: "ci-label" }, h("bdi", {}, item.label)), number,
    );
    const row = { button, bar, number, item };
    button.addEventListener("click", (event) => this.toggled(row.item.value, event));
    return row;
  }
}
