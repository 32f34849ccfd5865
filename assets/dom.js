// Small helpers around the DOM: elements without HTML strings, clipboard, downloads.
// Knows nothing of tokens or runs. Text only ever enters through textContent, with marks for characters that would act.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const SVG = "http://www.w3.org/2000/svg";

  // what a reader sees or hears; every other attribute is for the program
  const READ = new Set(["title", "aria-label", "aria-description", "placeholder", "alt", "label"]);
  /** Somebody's words as they may be shown: nothing in them turns round, hides or joins what stands beside it. */
  const shown = (text) => Forklore.format.marked(String(text ?? ""));
  const child = (one) => (typeof one === "string" ? shown(one) : one);

  function assign(node, attributes) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === undefined || value === null || value === false) continue;
      if (name === "text") node.textContent = shown(value);
      else if (name === "class") node.setAttribute("class", value);
      else if (name === "data") Object.assign(node.dataset, value);
      else if (name === "style") for (const [key, v] of Object.entries(value)) node.style.setProperty(key, v);
      else if (name.startsWith("on") && typeof value === "function") node.addEventListener(name.slice(2), value);
      else if (name === "value" || name === "checked" || name === "disabled" || name === "hidden" || name === "selected") node[name] = value;
      else node.setAttribute(name, value === true ? "" : READ.has(name) ? shown(value) : String(value));
    }
    return node;
  }

  /** el("button", {class: "fl-x", text: "…", onclick: fn, data: {id: 1}, style: {"--u": 1}}, child, "text", …) */
  function el(tag, attributes, ...children) {
    const node = assign(document.createElement(tag), attributes);
    node.append(...children.flat().filter((one) => one !== null && one !== undefined && one !== false).map(child));
    return node;
  }

  function svg(tag, attributes, ...children) {
    const node = assign(document.createElementNS(SVG, tag), attributes);
    node.append(...children.flat().filter(Boolean).map(child));
    return node;
  }

  function button(label, onclick, attributes) {
    return el("button", { type: "button", class: "fl-button", text: label, onclick, ...attributes });
  }

  async function copyText(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = el("textarea", { value: text, style: { position: "fixed", opacity: "0" }, "aria-hidden": "true" });
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  }

  function download(name, content, type) {
    const blob = content instanceof Blob ? content : new Blob([content], { type: type || "text/plain;charset=utf-8" });
    const url = URL.createObjectURL(blob);
    const link = el("a", { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  /** A file name made of what a person wrote: letters, digits and dashes, never empty. */
  function fileName(text, fallback) {
    const plain = String(text || "").normalize("NFKD").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 60);
    return plain || fallback || "run";
  }

  const isDark = () => document.body.classList.contains("dark");

  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  /** True when a key press belongs to somebody else: typing, a modifier, an input method at work. */
  function keyTaken(event) {
    if (event.isComposing || event.keyCode === 229 || event.ctrlKey || event.metaKey || event.altKey) return true;
    const at = event.target;
    return at instanceof Element && (at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName));
  }

  let serial = 0;
  const uid = (prefix) => `${prefix || "fl"}-${(serial += 1)}`;

  Forklore.dom = { shown, el, svg, button, copyText, download, fileName, isDark, calm, keyTaken, uid };
})();
