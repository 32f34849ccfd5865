// One of two compared answers as tinted prose: tokens that differ are underlined, long stretches of the same may be folded.
// Draws what it is told and reports pointer and keys; does not know the other answer.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, scale } = Forklore;
  const { el } = dom;
  const AROUND = 3; // tokens of the same that stay on each side of a difference when the rest is folded

  const mark = (shown, title, kind) => el("i", { class: `fl-mark ${kind}`, data: { mark: shown }, title, "aria-hidden": "true" });
  const unfinished = (token) => token.x && (!token.t || /^\ufffd+$/.test(token.t));

  /** One line that names a token: its text with marks, or its bytes. */
  function tokenLabel(token) {
    if (!token) return "";
    return unfinished(token) ? `⟨${token.x}⟩` : format.label(token.t);
  }

  function fill(word, token, text) {
    if (token.c) word.append(mark(format.label(token.t), "control token", "fl-mark-control"));
    else if (unfinished(token)) word.append(mark(`⟨${token.x}⟩`, "bytes of an unfinished character", "fl-mark-bytes"));
    else if (!token.t) word.append(mark("⟨empty⟩", "a token without text", ""));
    else Forklore.fillText(word, text);
  }

  class ComparedText {
    /** side: "a" or "b"; tokens: [{t, id, c, x}]; differs: [bool]; first: index of the first difference or -1. */
    constructor({ side, tokens, differs, first, label, hover }) {
      Object.assign(this, { side, tokens, differs, first, hover });
      this.prefix = dom.uid(`fl-compare-${side}`);
      this.nodes = [];
      this.marked = [];
      this.cursor = -1;
      this.box = el("div", { class: `fl-cmp-prose fl-cmp-${side}`, role: "listbox", tabindex: "0", "aria-label": label, translate: "no" });
      this.box.addEventListener("pointerover", (event) => this.point(event));
      this.box.addEventListener("click", (event) => this.point(event));
      this.box.addEventListener("keydown", (event) => this.keys(event));
    }

    point(event) {
      const node = event.target instanceof Element ? event.target.closest(".fl-tk") : null;
      if (node) this.hover(this.side, node.flIndex, event.type === "click");
    }

    keys(event) {
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity }[event.key];
      if (step === undefined || event.ctrlKey || event.metaKey || event.altKey || !this.tokens.length) return;
      event.preventDefault();
      const back = step < 0;
      const last = this.tokens.length - 1;
      let i = Number.isFinite(step) ? this.cursor + step : back ? 0 : last;
      // up and down go from difference to difference, left and right over what is folded away
      if (event.key === "ArrowUp" || event.key === "ArrowDown") while (i >= 0 && i <= last && !this.differs[i]) i += step;
      else while (i >= 0 && i <= last && !this.nodes[i]) i += (back ? -1 : 1) * (Number.isFinite(step) ? 1 : -1);
      if (this.nodes[i]) this.hover(this.side, i, true);
    }

    build(i) {
      const token = this.tokens[i];
      const word = el("span", { class: "fl-w" });
      const lead = token.c || !token.t ? null : /^ +(?=[^ ])/.exec(token.t);
      const node = el("span", { class: "fl-tk", id: `${this.prefix}-${i}`, role: "option", "aria-label": tokenLabel(token) }, lead ? lead[0] : null, word);
      node.flIndex = i;
      fill(word, token, lead ? token.t.slice(lead[0].length) : token.t);
      if (this.differs[i]) node.classList.add("fl-cmp-differs");
      if (i === this.first) node.classList.add("fl-cmp-first");
      return node;
    }

    /** Builds the text; with `folded` only differences and a few tokens around them. */
    draw(folded) {
      const keep = this.differs.map((_, i) => !folded || this.differs.slice(Math.max(0, i - AROUND), i + AROUND + 1).includes(true));
      const fragment = document.createDocumentFragment();
      this.nodes = [];
      for (let i = 0; i < this.tokens.length; i += 1) {
        if (keep[i]) fragment.append((this.nodes[i] = this.build(i)));
        else {
          let end = i;
          while (end < this.tokens.length && !keep[end]) end += 1;
          fragment.append(el("span", { class: "fl-cmp-fold", role: "option", "aria-disabled": "true", text: `⋯ ${format.count(end - i)} the same ⋯` }));
          i = end - 1;
        }
      }
      if (!this.tokens.length) fragment.append(el("span", { class: "fl-cmp-empty", text: "This run has no tokens." }));
      this.box.replaceChildren(fragment);
      this.marked = [];
      this.cursor = -1;
    }

    /** Tints every token on show: values [number or null] of the score `entry`. */
    paint(entry, values) {
      this.nodes.forEach((node, i) => {
        const value = values ? values[i] : null;
        const share = entry ? scale.uncertainty(value, entry) : null;
        const kind = entry && scale.isClass(entry) && value !== null ? ` fl-k${value}` : "";
        const level = scale.level(share);
        node.lastChild.className = `fl-w${kind}${level ? ` fl-h${level}` : ""}`;
      });
    }

    /** Highlights tokens [from, to); the one under the reader's hand becomes the list's active option. */
    mark(from, to, own) {
      for (const node of this.marked) node.classList.remove("fl-cmp-linked", "fl-cmp-own");
      this.marked = this.nodes.slice(from, to).filter(Boolean);
      for (const node of this.marked) node.classList.add(own ? "fl-cmp-own" : "fl-cmp-linked");
      this.cursor = own ? from : -1;
      if (own && this.nodes[from]) this.box.setAttribute("aria-activedescendant", this.nodes[from].id);
      else this.box.removeAttribute("aria-activedescendant");
    }

    /** Scrolls inside the text, never the page, until a token is in view. */
    reveal(i) {
      const node = this.nodes[i];
      if (!node) return;
      const [outer, inner] = [this.box.getBoundingClientRect(), node.getBoundingClientRect()];
      if (inner.top < outer.top + 24) this.box.scrollTop -= outer.top + 24 - inner.top;
      else if (inner.bottom > outer.bottom - 24) this.box.scrollTop += inner.bottom - outer.bottom + 24;
    }
  }

  Object.assign(Forklore, { ComparedText, comparedLabel: tokenLabel });
})();
