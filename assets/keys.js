// The keyboard of the text: arrows, spans, jumps between marked tokens, pinning, help.
// Translates key presses into wishes of the instrument; typing, modifiers and input methods are left alone.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom } = Forklore;

  const HELP = [
    ["← →", "previous, next token"], ["↑ ↓", "token above, below"], ["Home End", "first, last token"], ["Shift + arrows", "extend a span"],
    ["Enter", "pin the token"], ["n p", "next, previous marked token"], ["w", "what if something else stood here", "branches"], ["Esc", "let go: tooltip, span, pin"], ["?", "this help"],
  ];

  function targetOf(event, context) {
    const { trace, prose, place } = context;
    const at = place.state.cursor;
    const last = trace.length - 1;
    switch (event.key) {
      case "ArrowRight": return Math.min(last, at + 1);
      case "ArrowLeft": return Math.max(0, at - 1);
      case "ArrowDown": return at < 0 ? 0 : prose.vertical(at, 1);
      case "ArrowUp": return at < 0 ? 0 : prose.vertical(at, -1);
      case "Home": return 0;
      case "End": return last;
      default: return null;
    }
  }

  /** Whether nothing else has the keyboard: n, p and ? then work without a step into the text first, unless switched off. */
  function keyboardIsFree({ root, view }) {
    if (!view.state.keys) return false;
    const at = document.activeElement;
    return root.isConnected && root.offsetParent !== null && (!at || at === document.body || root.contains(at));
  }

  /** n, p, w, Escape and ?; true when the key was one of them. */
  function shortcut(key, context) {
    if (key === "n" || key === "p") context.jump(key === "n" ? 1 : -1);
    else if (key === "w" && context.subject() >= 0 && context.inspector.branching.able) context.inspector.branching.start(context.subject());
    else if (key === "Escape") context.letGo();
    else if (key === "?") context.toggleHelp();
    else return false;
    return true;
  }

  /** Listens on the text of one instrument, and for the shortcuts wherever the keyboard is free. */
  function attachKeys(context) {
    const { prose, place } = context;
    prose.box.addEventListener("keydown", (event) => {
      if (dom.keyTaken(event) || !context.trace.length) return;
      const target = targetOf(event, context);
      if (target !== null) {
        if (event.shiftKey) context.extendTo(target);
        else context.moveTo(target);
      } else if (event.key === "Enter" || event.key === " ") context.pin(place.state.cursor, "key");
      else if (!shortcut(event.key, context)) return;
      event.preventDefault();
      event.stopPropagation();
    });
    document.addEventListener("keydown", (event) => {
      if (event.defaultPrevented || dom.keyTaken(event) || !context.trace.length || !keyboardIsFree(context)) return;
      if (event.key === "Escape" || !shortcut(event.key, context)) return;
      if (event.key !== "?" && event.key !== "w") prose.box.focus({ preventScroll: true });
      event.preventDefault();
    });
    prose.box.addEventListener("focus", () => {
      if (place.state.cursor < 0 && context.trace.length && prose.box.matches(":focus-visible")) {
        context.moveTo(Math.max(0, place.state.pinned));
      }
    });
    prose.box.addEventListener("blur", () => context.hideTip());
  }

  /** The list of keys as a table, hidden until asked for, with a switch for those that work without the focus. */
  function keyHelp({ view, props }) {
    const { el } = dom;
    const rows = HELP.filter(([, , needed]) => !needed || props[needed]).map(([keys, meaning]) => el("div", { class: "fl-help-row" },
      el("dt", {}, keys.split(" ").map((key) => (/^[+]$/.test(key) ? "+" : el("kbd", { text: key })))), el("dd", { text: meaning })));
    const anywhere = el("input", { type: "checkbox", checked: view.state.keys, onchange: () => view.set({ keys: anywhere.checked }) });
    return el("div", { class: "fl-help", hidden: true }, el("dl", { class: "fl-help-keys", "aria-label": "Keys of the text" }, rows),
      el("label", { class: "fl-help-anywhere" }, anywhere, " n, p and ? also work while nothing has the focus"));
  }

  Forklore.attachKeys = attachKeys;
  Forklore.keyHelp = keyHelp;
})();
