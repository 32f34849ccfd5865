// What the parts of one instrument share: small observable values, and which panels stand below the text.
// Knows nothing of runs; forgets nothing it was not told to forget.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});

  /** A bag of values; `set` tells every listener once which of them changed. */
  function observable(initial) {
    const state = { ...initial };
    const listeners = new Set();
    return {
      state,
      set(patch) {
        const changed = new Set();
        for (const [key, value] of Object.entries(patch)) {
          if (Object.is(state[key], value)) continue;
          state[key] = value;
          changed.add(key);
        }
        if (changed.size) for (const listener of [...listeners]) listener(changed, state);
        return changed.size > 0;
      },
      on(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    };
  }

  const PREFERENCES = "forklore-view";
  /** The reader's preferences from earlier visits; only the keys of `defaults`, only values of the same type. */
  function recall(defaults) {
    const out = { ...defaults };
    try {
      const kept = JSON.parse(localStorage.getItem(PREFERENCES) || "{}");
      for (const key of Object.keys(defaults)) if (typeof kept[key] === typeof defaults[key]) out[key] = kept[key];
    } catch { /* private window, or somebody else's text under this key */ }
    return out;
  }
  function remember(values) {
    try {
      localStorage.setItem(PREFERENCES, JSON.stringify(values));
    } catch { /* a private window forgets */ }
  }

  const panels = [];
  /**
   * Adds a panel below the text of every instrument mounted later.
   * {id, label, order, build(host, context) -> {update(change)?, shown()?}}; built when first opened.
   */
  function registerPanel(panel) {
    const known = panels.findIndex((other) => other.id === panel.id);
    if (known >= 0) panels.splice(known, 1);
    panels.push(panel);
    panels.sort((a, b) => a.order - b.order);
  }

  Object.assign(Forklore, { observable, recall, remember, registerPanel, panels });
})();
