// One text of an item as prose: tokens that are selected by pointer and keyboard, labels below them, tints when scores
// are shown. Reports what is selected; what is done with it is decided elsewhere.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, scale, annotationLanes, annotationWords } = Forklore;
  const { el } = dom;
  const TOUCH_MS = 350;

  const mark = (shown, title, kind) => el("i", { class: `fl-mark ${kind}`, data: { mark: shown }, title, "aria-hidden": "true" });

  function fill(word, token) {
    if (token.c) word.append(mark(format.label(token.t), "control token", "fl-mark-control"));
    else if (token.x && (!token.t || /^\ufffd+$/.test(token.t))) word.append(mark(`⟨${token.x}⟩`, "bytes of an unfinished character", "fl-mark-code"));
    else if (!token.t) word.append(mark("⟨empty⟩", "a token without text", "fl-mark-code"));
    else Forklore.fillText(word, token.t);
  }

  class AnnotationText {
    /** context: {label, selected({anchor, head} or null)}; label: the name of the text for those who hear it. */
    constructor(context) {
      this.context = context;
      this.prefix = dom.uid("fl-an-token");
      Object.assign(this, { tokens: [], nodes: [], anchor: -1, head: -1, rows: [], picked: -1, lanes: 0, pointer: "mouse", touched: 0, marks: new Map() });
      this.words = el("div", { class: "fl-an-words", role: "listbox", tabindex: "0", "aria-label": context.label, "aria-multiselectable": "true", dir: "auto", translate: "no" });
      this.strokes = el("div", { class: "fl-an-strokes", "aria-hidden": "true" });
      this.root = el("div", { class: "fl-an-text" }, this.words, this.strokes);
      this.listen();
      this.observer = new ResizeObserver(() => this.place());
      this.observer.observe(this.words);
    }

    listen() {
      const { words } = this;
      words.addEventListener("pointerdown", (event) => { this.pointer = event.pointerType; });
      words.addEventListener("mousedown", (event) => this.pressed(event));
      words.addEventListener("click", (event) => { if (this.pointer === "touch") this.tapped(event); });
      words.addEventListener("focus", () => { if (this.head < 0 && this.tokens.length && words.matches(":focus-visible")) this.select(0, 0); });
      words.addEventListener("copy", (event) => this.copied(event));
      this.selecting = () => {
        clearTimeout(this.touched);
        if (this.pointer === "touch") this.touched = setTimeout(() => this.takeSelection(), TOUCH_MS);
      };
      document.addEventListener("selectionchange", this.selecting);
    }

    close() {
      this.observer.disconnect();
      document.removeEventListener("selectionchange", this.selecting);
    }

    // ---- selecting

    tokenOf(target) {
      const node = target instanceof Element ? target.closest("[data-t]") : target?.parentElement?.closest("[data-t]");
      return node && this.words.contains(node) ? Number(node.dataset.t) : -1;
    }

    /** The token at a point, or the one nearest to it on its line; beyond the text, that of its edge. */
    tokenAt(x, y) {
      const box = this.words.getBoundingClientRect();
      const [inX, inY] = [Math.min(box.right - 9, Math.max(box.left + 9, x)), Math.min(box.bottom - 9, Math.max(box.top + 9, y))];
      const there = this.tokenOf(document.elementFromPoint(inX, inY));
      if (there >= 0) return there;
      const place = document.caretPositionFromPoint?.(inX, inY);
      return this.tokenOf(place ? place.offsetNode : document.caretRangeFromPoint?.(inX, inY)?.startContainer);
    }

    /** A press selects its token, with Shift the range up to it; moving on extends the range. */
    pressed(event) {
      if (event.button !== 0 || this.pointer === "touch") return;
      const t = this.tokenOf(event.target);
      event.preventDefault();
      this.words.focus({ preventScroll: true });
      if (t < 0) return;
      this.select(event.shiftKey && this.anchor >= 0 ? this.anchor : t, t);
      const moved = (move) => {
        const over = this.tokenAt(move.clientX, move.clientY);
        if (over >= 0 && over !== this.head) this.select(this.anchor, over);
      };
      const let_go = () => {
        document.removeEventListener("mousemove", moved);
        document.removeEventListener("mouseup", let_go);
        this.root.classList.remove("fl-an-dragging");
      };
      this.root.classList.add("fl-an-dragging");
      document.addEventListener("mousemove", moved);
      document.addEventListener("mouseup", let_go);
    }

    tapped(event) {
      const t = this.tokenOf(event.target);
      const selection = getSelection();
      if (t < 0 || (selection && !selection.isCollapsed)) return;
      this.select(t, t);
    }

    /** What a finger has selected as browsers let it, widened to whole tokens. */
    takeSelection() {
      const selection = getSelection();
      if (!selection || selection.isCollapsed || !this.words.contains(selection.anchorNode) || !this.words.contains(selection.focusNode)) return;
      const [from, to] = [selection.anchorNode, selection.focusNode].map((node) => this.tokenOf(node)).sort((a, b) => a - b);
      if (from >= 0) this.select(from, to);
    }

    /** Selected tokens are copied as the text they are. */
    copied(event) {
      if (!this.span || !getSelection()?.isCollapsed) return;
      event.clipboardData.setData("text/plain", this.tokens.slice(...this.span).map((token) => token.t || "").join(""));
      event.preventDefault();
    }

    get span() { return this.head < 0 ? null : [Math.min(this.anchor, this.head), Math.max(this.anchor, this.head) + 1]; }

    /** Selects the tokens between two, both included; (-1, -1) for none. */
    select(anchor, head, { quiet = false } = {}) {
      const before = this.span;
      Object.assign(this, { anchor, head });
      const after = this.span;
      const [old, now] = [before || [0, 0], after || [0, 0]];
      for (let t = old[0]; t < old[1]; t += 1) if (t < now[0] || t >= now[1]) this.dress(t, false);
      for (let t = now[0]; t < now[1]; t += 1) this.dress(t, true);
      this.words.querySelector(".fl-an-head")?.classList.remove("fl-an-head");
      const node = this.nodes[head];
      if (node) {
        node.classList.add("fl-an-head");
        node.setAttribute("aria-label", Forklore.dom.shown(this.spoken(head)));
        this.words.setAttribute("aria-activedescendant", node.id);
      } else this.words.removeAttribute("aria-activedescendant");
      if (!quiet) this.context.selected(this);
    }

    dress(t, on) {
      const node = this.nodes[t];
      node.classList.toggle("fl-an-sel", on);
      node.setAttribute("aria-selected", String(on));
    }

    /** Brings the end of the selection into view, below what stays at the top of the page. */
    reveal() { this.nodes[this.head]?.scrollIntoView({ block: "nearest", inline: "nearest" }); }

    /** The token nearest to this one on the next line (1) or the one before (-1). */
    vertical(from, way) {
      const boxOf = (t) => this.nodes[t].lastChild.getClientRects()[0] || this.nodes[t].getBoundingClientRect();
      if (from < 0) return 0;
      const here = boxOf(from);
      const middle = (here.left + here.right) / 2;
      let [best, apart, line] = [from, Infinity, null];
      for (let t = from + way; t >= 0 && t < this.nodes.length; t += way) {
        const box = boxOf(t);
        if (way > 0 ? box.top < here.top + here.height * 0.6 : box.bottom > here.bottom - here.height * 0.6) continue;
        if (line !== null && Math.abs(box.top - line) > here.height * 0.6) break;
        line = box.top;
        const off = Math.abs((box.left + box.right) / 2 - middle);
        if (off < apart) [best, apart] = [t, off];
      }
      return best;
    }

    /** Where the word before or behind a token begins: a token that starts with a blank or follows a line break. */
    word(from, way) {
      const begins = (t) => t === 0 || /^\s/.test(this.tokens[t].t) || /\s$/.test(this.tokens[t - 1].t);
      let t = from + way;
      while (t > 0 && t < this.tokens.length - 1 && !begins(way > 0 ? t + 1 : t)) t += way;
      return Math.max(0, Math.min(this.tokens.length - 1, t));
    }

    // ---- drawing

    write(tokens) {
      Object.assign(this, { tokens, anchor: -1, head: -1, rows: [], picked: -1, lanes: 0, marks: new Map() });
      this.nodes = tokens.map((token, t) => {
        const lead = token.c || !token.t ? "" : /^ +(?=[^ ])/.exec(token.t)?.[0] || "";
        const word = el("span", { class: "fl-an-w" });
        fill(word, lead ? { ...token, t: token.t.slice(lead.length) } : token);
        return el("span", { class: "fl-an-token", role: "option", id: `${this.prefix}-${t}`, "aria-selected": "false", "aria-label": this.odd(t) ? annotationWords.piece(token) : null, data: { t } }, lead || null, word);
      });
      this.words.replaceChildren(...this.nodes);
      this.words.removeAttribute("aria-activedescendant");
      this.place();
    }

    /** rows: [{start, stop, name, hue, stroke, kind?}] of this text; picked: the token a question is answered with, -1. */
    draw(rows, picked) {
      const marks = new Map();
      for (const row of rows) for (let t = row.start; t < row.stop; t += 1) if (this.nodes[t]) marks.set(t, [...(marks.get(t) || []), row]);
      const touched = new Set([...this.marks.keys(), ...marks.keys(), this.picked, picked]);
      Object.assign(this, { rows, marks, picked });
      for (const t of touched) if (this.nodes[t]) this.wear(t);
      this.place();
    }

    wear(t) {
      const node = this.nodes[t];
      // of several the narrowest tints: it says most
      const own = (this.marks.get(t) || []).filter((row) => !row.kind).reduce((a, b) => (a && a.stop - a.start <= b.stop - b.start ? a : b), null);
      node.classList.forEach((name) => { if (name.startsWith("fl-an-hue")) node.classList.remove(name); });
      node.classList.toggle("fl-an-on", Boolean(own));
      if (own) node.classList.add(`fl-an-hue${own.hue}`);
      node.classList.toggle("fl-an-picked", t === this.picked);
      if (this.marks.has(t) || t === this.picked || this.odd(t)) node.setAttribute("aria-label", Forklore.dom.shown(this.marks.has(t) || t === this.picked ? this.spoken(t) : annotationWords.piece(this.tokens[t])));
      else node.removeAttribute("aria-label");
    }

    /** Whether a token cannot be heard from its own text. */
    odd(t) {
      const token = this.tokens[t];
      return Boolean(token.c || token.x !== undefined || !/\S/u.test(token.t || ""));
    }

    /** Strokes where the words are now; makes room between the lines when labels need another lane. */
    place() {
      if (!this.root.isConnected || this.words.clientWidth < 40) return;
      const needed = annotationLanes.draw(this.strokes, this.nodes, this.rows, this.root);
      // room once made stays, so that undo and redo do not move the text
      const lanes = Math.max(1, this.lanes, needed);
      if (lanes === this.lanes) return;
      this.lanes = lanes;
      this.root.style.setProperty("--fl-an-lanes", String(lanes));
      annotationLanes.draw(this.strokes, this.nodes, this.rows, this.root);
    }

    /** Tints every word by a score, or takes all tints away: shares = [0 to 1 or null] or null. */
    tint(shares, hot) {
      this.nodes.forEach((node, t) => {
        const level = shares ? scale.level(shares[t] ?? null) : 0;
        const cue = shares ? scale.cue(shares[t] ?? null) : 0;
        node.lastChild.className = `fl-an-w${level ? ` fl-h${level}` : ""}${cue ? ` fl-an-cue${cue}` : ""}${hot?.[t] ? " fl-an-hot" : ""}`;
      });
      this.root.classList.toggle("fl-an-tinted", Boolean(shares));
    }

    spoken(t) {
      const labels = (this.marks.get(t) || []).map((row) => row.name);
      return [annotationWords.piece(this.tokens[t]), `token ${t + 1}`, labels.length ? labels.join(" and ") : "", t === this.picked ? "picked" : ""].filter(Boolean).join(", ");
    }
  }

  Forklore.AnnotationText = AnnotationText;
})();
