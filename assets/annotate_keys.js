// The keyboard of the annotator's page: what each key wishes for, and the list of them.
// Typing, other views of the page and input methods are left alone; nothing happens on Backspace or Delete.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom } = Forklore;
  const { el } = dom;

  const HELP = [
    ["← → ↑ ↓", "move in the text"], ["Shift + arrows", "extend the selection"], ["Ctrl + ← →", "move by words, with Shift extend"], ["Home End", "first, last token"],
    ["1 – 9", "give the label with this number"], ["Enter", "give the label given last"], ["x", "take labels off the selection"], ["u", "undo"], ["Shift + u", "redo"],
    ["t", "next label set", "sets"], ["n p", "next, previous uncertain token", "scores"], ["f", "flag"], ["s", "skip with a reason"], ["Ctrl + Enter", "submit"],
    ["[ ]", "previous, next item of mine"], ["Esc", "let go of the selection"], ["?", "this list"],
  ];

  /** Whether the page's keyboard is this view's: it is on show, and nothing outside of it has the focus. */
  function mine(root) {
    const at = document.activeElement;
    return root.isConnected && root.offsetParent !== null && (!at || at === document.body || root.contains(at));
  }

  /** Typing, an input method, or a modifier other than the one that many keyboards need for [ and ]. */
  function taken(event) {
    const bracket = (event.key === "[" || event.key === "]") && (event.getModifierState?.("AltGraph") || event.altKey);
    if (!bracket || event.isComposing) return dom.keyTaken(event);
    return event.target instanceof Element && (event.target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName));
  }

  /** The token an arrow leads to, null for other keys. */
  function target(event, text) {
    const last = text.tokens.length - 1;
    const at = text.head;
    const far = event.ctrlKey || event.altKey;
    switch (event.key) {
      case "ArrowRight": return far ? text.word(Math.max(0, at), 1) : Math.min(last, at + 1);
      case "ArrowLeft": return far ? text.word(Math.max(0, at), -1) : Math.max(0, at - 1);
      case "ArrowDown": return text.vertical(at, 1);
      case "ArrowUp": return text.vertical(at, -1);
      case "Home": return 0;
      case "End": return last;
      default: return null;
    }
  }

  /** Arrows and Enter while a text has the focus; true when the key was taken. */
  function inText(event, text, view) {
    if (event.metaKey || event.isComposing || !text.tokens.length) return false;
    if ((event.ctrlKey || event.altKey) && !/^Arrow(Left|Right)$/.test(event.key)) return false;
    const to = target(event, text);
    if (to !== null) {
      text.select(event.shiftKey && text.anchor >= 0 ? text.anchor : to, to);
      text.reveal();
    } else if (event.key === "Enter" && !event.shiftKey) view.labelReady();
    else return false;
    return true;
  }

  function shortcut(event, view) {
    if (/^[1-9]$/.test(event.key) && !event.shiftKey) return view.labelKey(Number(event.key));
    const wish = { x: "remove", u: "undo", U: "redo", t: "nextSet", f: "toggleFlag", s: "askSkip", "[": "before", "]": "after", "?": "toggleKeys", n: "hotter", p: "hotterBack", Escape: "letGo" }[event.key];
    return wish ? view[wish]() !== false : false;
  }

  /** Listens for one view of an item; returns what ends it. */
  function attach(view) {
    const pressed = (event) => {
      if (event.defaultPrevented || !mine(view.root) || view.desk.locked) return;
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing && !event.shiftKey && !event.altKey) {
        event.preventDefault();
        if (!event.repeat) view.submit();
        return;
      }
      const text = view.texts.find((one) => one.words === event.target);
      if (text && inText(event, text, view)) return event.preventDefault();
      if (taken(event) || (event.repeat && !/^[uUnp]$/.test(event.key))) return;
      if (shortcut(event, view)) event.preventDefault();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }

  function help(has) {
    const rows = HELP.filter(([, , needed]) => !needed || has[needed]).map(([keys, meaning]) => el("div", {},
      el("dt", {}, keys.split(" ").map((key) => (/^([+–]|arrows)$/.test(key) ? ` ${key} ` : el("kbd", { text: key })))), el("dd", { text: meaning })));
    return el("section", { class: "fl-an-keys", "aria-label": "Keys", hidden: true }, el("dl", {}, rows));
  }

  Forklore.annotationKeys = { attach, help };
})();
