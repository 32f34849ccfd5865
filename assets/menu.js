// Small controls that browsers lack: a menu behind a button, a row of exclusive choices, a tab strip.
// Keyboard as people know it from desktops; knows nothing of what is chosen.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom } = Forklore;
  const { el } = dom;

  /**
   * A button with a menu. items() -> [{label, hint?, checked?, disabled?, heading?, run()}], asked for at each opening.
   * Returns {root, button, close}.
   */
  function menu({ label, title, items, className = "" }) {
    const id = dom.uid("fl-menu");
    const list = el("div", { class: "fl-menu-list", role: "menu", id, hidden: true, "aria-label": title || label });
    const button = el("button", {
      type: "button", class: `fl-button fl-menu-button ${className}`, text: label, title, "aria-haspopup": "menu", "aria-expanded": "false", "aria-controls": id,
    });
    const root = el("div", { class: "fl-menu" }, button, list);
    const entries = () => [...list.querySelectorAll(".fl-menu-item:not([aria-disabled])")];
    const focus = (j) => { const all = entries(); if (all.length) all[(j + all.length) % all.length].focus(); };

    function outside(event) {
      if (!root.contains(event.target)) close();
    }
    function close(back) {
      list.hidden = true;
      button.setAttribute("aria-expanded", "false");
      document.removeEventListener("pointerdown", outside, true);
      if (back) button.focus();
    }
    function open(last) {
      list.replaceChildren(...items().map((item) => entry(item)));
      list.hidden = false;
      list.classList.remove("fl-menu-start");
      if (list.getBoundingClientRect().left < 8) list.classList.add("fl-menu-start");
      button.setAttribute("aria-expanded", "true");
      document.addEventListener("pointerdown", outside, true);
      const chosen = entries().findIndex((node) => node.getAttribute("aria-checked") === "true");
      focus(last ? -1 : Math.max(0, chosen));
    }
    function entry(item) {
      if (item.heading) return el("div", { class: "fl-menu-heading", role: "presentation", text: item.heading });
      const node = el("button", {
        type: "button", class: "fl-menu-item", tabindex: "-1", role: item.checked === undefined ? "menuitem" : "menuitemradio",
        "aria-checked": item.checked === undefined ? undefined : String(item.checked), "aria-disabled": item.disabled ? "true" : undefined,
      }, el("span", { class: "fl-menu-label", text: item.label }), item.hint ? el("span", { class: "fl-menu-hint", text: item.hint }) : null);
      node.addEventListener("click", () => {
        if (item.disabled) return;
        close(true);
        item.run();
      });
      return node;
    }

    button.addEventListener("click", () => (list.hidden ? open() : close()));
    button.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); open(event.key === "ArrowUp"); }
    });
    list.addEventListener("keydown", (event) => {
      const at = entries().indexOf(document.activeElement);
      const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
      if (to !== undefined) focus(to);
      else if (event.key === "Escape") close(true);
      else if (event.key === "Tab") return close();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    return { root, button, close };
  }

  /** Exclusive choices in one frame. choices: [{value, label, title?}]; pick(value) is called on a change by the reader. */
  function segmented({ label, choices, value, pick, className = "" }) {
    const root = el("div", { class: `fl-seg ${className}`, role: "radiogroup", "aria-label": label });
    const nodes = new Map();
    for (const choice of choices) {
      const node = el("button", { type: "button", role: "radio", class: "fl-seg-item", text: choice.label, title: choice.title, onclick: () => set(choice.value, true) });
      nodes.set(choice.value, node);
      root.append(node);
    }
    function set(next, told) {
      const none = !nodes.has(next);
      [...nodes].forEach(([key, node], j) => {
        node.setAttribute("aria-checked", String(key === next));
        node.tabIndex = key === next || (none && j === 0) ? 0 : -1;
      });
      if (told) pick(next);
    }
    root.addEventListener("keydown", (event) => {
      const all = [...nodes.values()].filter((node) => !node.hidden);
      const at = all.indexOf(document.activeElement);
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step || at < 0) return;
      event.preventDefault();
      event.stopPropagation();
      const next = all[(at + step + all.length) % all.length];
      next.focus();
      next.click();
    });
    set(value, false);
    return { root, set: (next) => set(next, false) };
  }

  /** A tab strip over panels that are built when first shown. tabs: [{id, label, build(host)}]; shown(id) is called after each change. */
  function tabs({ label, list, chosen, shown }) {
    const prefix = dom.uid("fl-tabs");
    const strip = el("div", { class: "fl-tabs", role: "tablist", "aria-label": label });
    const body = el("div", { class: "fl-panels" });
    const made = new Map();
    for (const tab of list) {
      const panel = el("section", { class: "fl-panel", role: "tabpanel", id: `${prefix}-${tab.id}`, "aria-labelledby": `${prefix}-${tab.id}-tab`, hidden: true, tabindex: "-1" });
      const handle = el("button", {
        type: "button", class: "fl-tab", role: "tab", id: `${prefix}-${tab.id}-tab`, "aria-controls": panel.id, text: tab.label, onclick: () => select(tab.id),
      });
      made.set(tab.id, { tab, panel, handle, built: null });
      strip.append(handle);
      body.append(panel);
    }
    function select(id) {
      for (const [key, item] of made) {
        item.panel.hidden = key !== id;
        item.handle.setAttribute("aria-selected", String(key === id));
        item.handle.tabIndex = key === id ? 0 : -1;
      }
      const item = made.get(id);
      if (!item.built) item.built = item.tab.build(item.panel) || {};
      shown(id, item.built);
    }
    strip.addEventListener("keydown", (event) => {
      const all = [...made.values()].map((item) => item.handle);
      const at = all.indexOf(document.activeElement);
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
      if (to === undefined || at < 0) return;
      event.preventDefault();
      event.stopPropagation();
      const next = all[(to + all.length) % all.length];
      next.focus();
      next.click();
    });
    return {
      strip, body, select, first: () => select(chosen || list[0].id),
      built: () => [...made.values()].filter((item) => item.built && !item.panel.hidden).map((item) => item.built),
    };
  }

  Forklore.controls = { menu, segmented, tabs };
})();
