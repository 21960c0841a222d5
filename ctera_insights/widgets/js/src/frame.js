// What the kernel sent: each view by bins. Prefix sums give any range of bins by one subtraction.

const HOURS_OF_WEEK = 168;

/** Running totals over the rows of a matrix: row i holds the sum of the rows before i. */
class Running {
  constructor(values, columns) {
    this.columns = columns;
    this.rows = columns ? values.length / columns : 0;
    this.sums = new Float64Array((this.rows + 1) * columns);
    for (let i = 0; i < values.length; i++) this.sums[i + columns] = this.sums[i] + values[i];
  }

  /** Totals by column of the rows from `low` up to but without `high`. */
  between(low, high) {
    const { columns, sums } = this;
    return Float64Array.from({ length: columns }, (_, c) => sums[high * columns + c] - sums[low * columns + c]);
  }

  at(row, column) {
    return this.sums[(row + 1) * this.columns + column] - this.sums[row * this.columns + column];
  }
}

export class Frame {
  constructor(content, buffers) {
    Object.assign(this, content);
    this.bins = this.edges.length - 1;
    const view = (i, Type) => {
      const b = buffers[i];
      const bytes = b instanceof ArrayBuffer ? b : b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength);
      return new Type(bytes);
    };
    const running = (i, Type) => {
      const values = view(i, Type);
      return new Running(values, values.length / this.bins);
    };
    [this.byOp, this.byExtension, this.byCloudFolder, this.byChild] = [0, 1, 2, 3].map((i) => running(i, Uint32Array));
    const hours = new Uint32Array(this.bins * HOURS_OF_WEEK);
    const counts = view(5, Uint32Array);
    view(4, Uint32Array).forEach((place, i) => (hours[place] = counts[i]));
    this.byHour = new Running(hours, HOURS_OF_WEEK);
    this.childBytes = running(6, Float64Array);
    this.sizes = running(7, Float64Array);
  }

  /** The bins of a time range whose ends lie on edges. */
  window(since, until) {
    const find = (ms) => {
      let [low, high] = [0, this.bins];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (this.edges[middle] < ms) low = middle + 1;
        else high = middle;
      }
      return low;
    };
    const low = since === null ? 0 : find(since);
    return [low, Math.max(until === null ? this.bins : find(until), low)];
  }
}
