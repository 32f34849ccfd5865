// The keyboard of the tree, its help line, the small card beside a token, and what a reader chose on earlier visits.
// Translates presses into wishes of the piece; typing, modifiers and input methods are left alone.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format } = Forklore;
  const { el } = dom;
  const KEPT = "forklore-tree";
  const USUAL = { mode: "chips", colour: "probability" };
  const VALUES = { mode: ["chips", "icicle"], colour: ["probability", "entropy", "share", "none"] };
  const ACTS = { e: "expand", b: "bookmark", f: "fold", c: "compare", h: "hoist" };
  const HELP = [
    ["← →", "parent, best child"], ["↑ ↓", "siblings"], ["Home", "the root"], ["Enter", "select in the run"], ["E", "expand here"], ["F", "fold, unfold"], ["H", "hoist, back"],
    ["B", "bookmark"], ["C", "compare: first, second"], ["u Shift+U", "undo, redo: a step, a mark, own words, a removal"], ["Esc", "end comparison, close"], ["?", "this help"],
  ];

  /** Performs what a key means; false when it means nothing here. */
  function perform(key, piece) {
    if (key.startsWith("Arrow")) {
      const { shape, selected } = piece;
      if (key === "ArrowRight" && shape.state.folded.has(selected)) piece.act("fold", selected);
      else piece.pick(shape.neighbour(selected, key), "walk");
    } else if (key === "Home") piece.pick(piece.shape.state.root, "key");
    else if (key === "Enter" || key === " ") piece.pick(piece.selected, "key");
    else if (key === "u") piece.travel(-1);
    else if (key === "U") piece.travel(1);
    else if (key === "?") piece.toggleHelp();
    else if (key === "Escape") piece.letGo();
    else if (ACTS[key.toLowerCase()]) piece.act(ACTS[key.toLowerCase()], piece.selected);
    else return false;
    return true;
  }

  function attach(piece) {
    piece.frame.addEventListener("keydown", (event) => {
      if (dom.keyTaken(event) || !piece.data.size || !perform(event.key, piece)) return;
      piece.tip.hide();
      event.preventDefault();
      event.stopPropagation();
    });
    piece.frame.addEventListener("focus", () => { if (piece.frame.matches(":focus-visible")) piece.reveal(piece.selected); });
    piece.frame.addEventListener("pointerover", (event) => { if (event.pointerType !== "touch") piece.tip.at(piece.nodeOf(event.target), event.target); });
    piece.frame.addEventListener("pointerleave", () => piece.tip.hide());
  }

  function help() {
    return el("dl", { class: "fl-tr-help", hidden: true, "aria-label": "Keys of the tree" }, HELP.map(([keys, meaning]) => el("div", {}, el("dt", {}, keys.split(" ").map((key) => el("kbd", { text: key }))), el("dd", { text: meaning }))));
  }

  /** The numbers of the token under the pointer; takes no focus and no clicks. */
  class TreeTip {
    constructor(piece) {
      this.piece = piece;
      this.root = el("div", { class: "fl-tr-tip", role: "tooltip", hidden: true });
    }

    hide() {
      this.root.hidden = true;
      this.node = -1;
    }

    at(node, target) {
      if (node < 0) { this.hide(); return; }
      if (node === this.node) return;
      this.node = node;
      const { data, shape } = this.piece;
      const rows = [["entropy of what follows", format.exists(data.entropy(node)) ? format.quantity(data.entropy(node), "nats", false, 3) : "not looked into"]];
      if (data.parent(node) >= 0) rows.unshift(["probability", format.percent(data.probability(node), 2)], ["share", Forklore.treeWords.shareOf(data, shape, node, 2)]);
      const note = data.note(node);
      const tags = data.tags(node).map((tag) => `#${tag}`).join("  ");
      this.root.replaceChildren(el("bdi", { class: "fl-tr-tip-piece", text: data.label(node) }), ...rows.map(([name, value]) => el("div", {}, el("span", { text: name }), el("b", { text: value }))), note ? el("p", { text: note.length > 140 ? `${note.slice(0, 139)}…` : note }) : "", tags ? el("p", { text: tags }) : "");
      this.root.hidden = false;
      const box = target.closest("[data-node]").getBoundingClientRect();
      const { offsetWidth: w, offsetHeight: h } = this.root;
      const around = this.piece.root.getBoundingClientRect();
      this.root.style.left = `${Math.max(0, Math.min(around.width - w, box.left - around.left))}px`;
      this.root.style.top = `${(box.bottom + 8 + h < innerHeight ? box.bottom + 8 : Math.max(6, box.top - h - 8)) - around.top}px`;
    }
  }

  function recall() {
    const out = { ...USUAL };
    try {
      const kept = JSON.parse(localStorage.getItem(KEPT) || "{}");
      for (const [key, values] of Object.entries(VALUES)) if (values.includes(kept[key])) out[key] = kept[key];
    } catch { /* a private window, or somebody else's text under this key */ }
    return out;
  }
  function remember(values) {
    try {
      localStorage.setItem(KEPT, JSON.stringify(values));
    } catch { /* a private window forgets */ }
  }

  Forklore.TreeTip = TreeTip;
  Forklore.treeKeys = { attach, help, recall, remember };
})();
