// Numbers, bytes and local times, as the Python side writes them.
import { format } from "d3-format";
import { visible } from "./text.js";

export const OP_COLOURS = {
  created: "#009E73",
  modified: "#0072B2",
  renamed: "#56B4E9",
  moved: "#E69F00",
  deleted: "#D55E00",
  restored: "#CC79A7",
  acl_changed: "#4D4D4D",
};
export const ADDED = "#0072B2";
export const REMOVED = "#D55E00";
export const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

export const count = format(",d");
const short = format(".3~s");
export const shortCount = (n) => (Math.abs(n) < 10000 ? count(Math.round(n)) : short(n).replace("G", " bn"));

export function bytes(value) {
  let size = value;
  for (const unit of ["B", "kB", "MB", "GB", "TB"]) {
    if (Math.abs(size) < 999.5) return `${Number(size.toPrecision(3))} ${unit}`;
    size /= 1000;
  }
  return `${Number(size.toPrecision(3))} PB`;
}

export const signedBytes = (value) => (value > 0 ? "+" : value < 0 ? "−" : "") + bytes(Math.abs(value));

export const opName = (op) => (op === "acl_changed" ? "permissions" : op);
export const extensionName = (value) => (value === null ? "(folder)" : value === "" ? "(none)" : `.${visible(value)}`);
export const cloudFolderName = (value) => (value === null ? "(unknown)" : visible(value));

/** Local times of one zone. */
export class Clock {
  constructor(tz) {
    this.tz = tz;
    const parts = { timeZone: tz, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit" };
    this.date = new Intl.DateTimeFormat("sv-SE", parts);
    this.minute = new Intl.DateTimeFormat("sv-SE", { ...parts, hour: "2-digit", minute: "2-digit" });
    this.second = new Intl.DateTimeFormat("sv-SE", {
      ...parts, hour: "2-digit", minute: "2-digit", second: "2-digit",
    });
    this.weekday = new Intl.DateTimeFormat("en-GB", { timeZone: tz, weekday: "short" });
  }

  /** What to add to a moment so that its UTC fields are the local ones, in ms. */
  offset(ms) {
    return Date.parse(this.second.format(ms).replace(" ", "T") + "Z") - Math.floor(ms / 1000) * 1000;
  }

  /** A range in words; midnight is left out where both ends have it. */
  range(since, until) {
    const midnight = (ms) => this.minute.format(ms).endsWith("00:00");
    if (since !== null && until !== null && midnight(since) && midnight(until)) {
      const last = this.date.format(until - 1);
      const first = this.date.format(since);
      return first === last ? first : `${first} – ${last}`;
    }
    const text = (ms) => (ms === null ? "…" : this.minute.format(ms));
    return `${text(since)} – ${text(until)}`;
  }
}
