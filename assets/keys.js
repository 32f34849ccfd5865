// The keyboard of the text: arrows, spans, jumps between marked tokens, pinning, help.
// Translates key presses into wishes of the instrument; typing, modifiers and input methods are left alone.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom } = Forklore;

  const HELP = [
    ["← →", "previous, next token"], ["↑ ↓", "token above, below"], ["Home End", "first, last token"], ["Shift + arrows", "extend a span"],
    ["Enter", "pin the token"], ["n p", "next, previous marked token"], ["Esc", "let go: tooltip, span, pin"], ["?", "this help"],
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

  /** Listens on the text of one instrument. */
  function attachKeys(context) {
    const { prose, place } = context;
    prose.box.addEventListener("keydown", (event) => {
      if (dom.keyTaken(event) || !context.trace.length) return;
      const target = targetOf(event, context);
      if (target !== null) {
        if (event.shiftKey) context.extendTo(target);
        else context.moveTo(target);
      } else if (event.key === "Enter" || event.key === " ") context.pin(place.state.cursor, "key");
      else if (event.key === "n" || event.key === "p") context.jump(event.key === "n" ? 1 : -1);
      else if (event.key === "Escape") context.letGo();
      else if (event.key === "?") context.toggleHelp();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    prose.box.addEventListener("focus", () => {
      if (place.state.cursor < 0 && context.trace.length && prose.box.matches(":focus-visible")) {
        context.moveTo(Math.max(0, place.state.pinned));
      }
    });
    prose.box.addEventListener("blur", () => context.hideTip());
  }

  /** The list of keys as a table, hidden until asked for. */
  function keyHelp() {
    const { el } = dom;
    const rows = HELP.map(([keys, meaning]) => el("div", { class: "fl-help-row" },
      el("dt", {}, keys.split(" ").map((key) => (/^[+]$/.test(key) ? "+" : el("kbd", { text: key })))), el("dd", { text: meaning })));
    return el("dl", { class: "fl-help", hidden: true, "aria-label": "Keys of the text" }, rows);
  }

  Forklore.attachKeys = attachKeys;
  Forklore.keyHelp = keyHelp;
})();
