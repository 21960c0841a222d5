// Elements, canvases and colours that follow the page's theme.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A canvas as large as its box, in device pixels; `draw(context, width, height)` gets CSS pixels. */
export function paint(canvas, draw) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return;
  const ratio = window.devicePixelRatio || 1;
  const [w, hh] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== hh) {
    canvas.width = w;
    canvas.height = hh;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  draw(context, width, height);
}

function luminance(colour) {
  const [r, g, b, a = 1] = (colour.match(/[\d.]+/g) ?? []).map(Number);
  return a === 0 ? null : (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
}

/** Whether the page behind an element is dark. */
export function isDark(element) {
  for (let node = element; node; node = node.parentElement) {
    const light = luminance(getComputedStyle(node).backgroundColor);
    if (light !== null) return light < 0.5;
  }
  return false;
}

/** Keep `root`'s class `dark` in step with the page; calls `changed` when it turns. */
export function followTheme(root, changed) {
  const look = () => {
    const dark = isDark(root.parentElement);
    if (root.classList.contains("dark") !== dark) {
      root.classList.toggle("dark", dark);
      changed();
    }
  };
  const observer = new MutationObserver(() => requestAnimationFrame(look));
  for (const node of [document.documentElement, document.body]) {
    observer.observe(node, { attributes: true, attributeFilter: ["class", "data-jp-theme-light", "data-theme", "style"] });
  }
  requestAnimationFrame(look);
  const later = setTimeout(look, 600); // a theme's style sheet may come after its name
  return () => {
    observer.disconnect();
    clearTimeout(later);
  };
}

export function themed(root) {
  const style = getComputedStyle(root);
  const colour = (name) => style.getPropertyValue(name).trim();
  return {
    text: colour("--ci-text"),
    muted: colour("--ci-muted"),
    grid: colour("--ci-grid"),
    surface: colour("--ci-surface"),
    heat: colour("--ci-heat"),
    accent: colour("--ci-accent"),
    permissions: colour("--ci-permissions"),
    font: style.fontFamily,
  };
}
