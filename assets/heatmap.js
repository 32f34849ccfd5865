// The answer as tinted prose: one option of a listbox for each token, tinted through classes, never through HTML strings.
// Draws what it is told; pointer and keys are reported to the instrument, which decides.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, scale, format } = Forklore;
  const { el } = dom;

  /** An invisible thing made visible: shown through CSS, so that copied text stays free of it. */
  const mark = (shown, title, kind = "") => el("i", { class: `fl-mark ${kind}`, data: { mark: shown }, title, "aria-hidden": "true" });

  function fillWord(word, token, known) {
    if (token.c) word.append(mark(format.label(known || token.t), "control token", "fl-mark-control"));
    else if (token.x && (!token.t || /^\ufffd+$/.test(token.t))) word.append(mark(`⟨${token.x}⟩`, "bytes of an unfinished character", "fl-mark-bytes"));
    else if (!token.t) word.append(mark("⟨empty⟩", "a token without text"));
    else fillText(word, token.t);
  }

  function fillText(host, text) {
    for (const part of format.segments(text)) {
      if (part.mark) host.append(mark(part.mark, part.title, part.text ? "fl-mark-space" : "fl-mark-code"));
      if (part.text) host.append(part.text);
    }
  }

  class Prose {
    constructor(context) {
      this.context = context;
      this.prefix = dom.uid("fl-token");
      this.nodes = [];
      this.painted = [];
      this.marked = { cursor: -1, pinned: -1, hover: -1, span: null };
      this.box = el("div", {
        class: "fl-prose", role: "listbox", tabindex: "0", "aria-label": "Tokens of the answer", "aria-multiselectable": "true", translate: "no",
      });
      this.listen();
    }

    listen() {
      const { box, context } = this;
      box.addEventListener("pointerover", (event) => {
        if (event.pointerType === "touch") return;
        context.hover(this.indexOf(event.target));
      });
      box.addEventListener("pointerleave", () => context.hover(-1));
      box.addEventListener("click", (event) => this.clicked(event));
      box.addEventListener("pointerup", (event) => {
        if (event.pointerType !== "touch") setTimeout(() => this.selectedText(), 0);
      });
    }

    clicked(event) {
      const i = this.indexOf(event.target);
      const selection = getSelection();
      if (i < 0 || (selection && !selection.isCollapsed && !event.shiftKey)) return;
      if (event.shiftKey) {
        if (selection) selection.removeAllRanges();
        this.context.extendTo(i);
      } else this.context.pin(i, "click");
    }

    /** Text selected with the pointer becomes a span of tokens. */
    selectedText() {
      const selection = getSelection();
      if (!selection || selection.isCollapsed || !this.box.contains(selection.anchorNode) || !this.box.contains(selection.focusNode)) return;
      const ends = [this.indexOf(selection.anchorNode.parentElement), this.indexOf(selection.focusNode.parentElement)].sort((a, b) => a - b);
      if (ends[0] >= 0 && ends[1] > ends[0]) this.context.setSpan(ends[0], ends[1]);
    }

    indexOf(target) {
      const node = target instanceof Element ? target.closest(".fl-tk") : null;
      return node && node.parentElement === this.box ? node.flIndex : -1;
    }

    build(i) {
      const { trace } = this.context;
      const token = trace.tokens[i];
      const node = document.createElement("span");
      node.className = "fl-tk";
      node.id = `${this.prefix}-${i}`;
      node.setAttribute("role", "option");
      node.flIndex = i;
      const word = document.createElement("span");
      word.className = "fl-w";
      const lead = token.c || !token.t ? null : /^ +(?=[^ ])/.exec(token.t);
      if (lead) node.append(lead[0]);
      fillWord(word, lead ? { ...token, t: token.t.slice(lead[0].length) } : token, trace.words.get(token.id));
      if (/^ +$/.test(token.t)) node.classList.add("fl-space");
      if (!/[^\s]/u.test(token.t) || token.c || token.x) node.setAttribute("aria-label", Forklore.dom.shown(trace.label(i)));
      node.append(word);
      return node;
    }

    /** Adds the tokens from `from` on. */
    append(from) {
      const fragment = document.createDocumentFragment();
      for (let i = from; i < this.context.trace.length; i += 1) {
        const node = this.build(i);
        this.nodes.push(node);
        this.painted.push("");
        fragment.append(node);
      }
      this.box.append(fragment);
      this.paint();
    }

    reset() {
      this.box.replaceChildren();
      this.box.removeAttribute("aria-activedescendant");
      this.nodes = [];
      this.painted = [];
      this.marked = { cursor: -1, pinned: -1, hover: -1, span: null };
    }

    /** Same tokens with better data: only nodes whose text changed are made again. */
    replace(old) {
      const { trace } = this.context;
      this.nodes.forEach((node, i) => {
        const [was, is] = [old[i], trace.tokens[i]];
        if (was.t === is.t && was.x === is.x && was.c === is.c) return;
        const fresh = this.build(i);
        node.replaceWith(fresh);
        this.nodes[i] = fresh;
        this.painted[i] = "";
      });
      this.append(this.nodes.length);
      const again = this.marked;
      this.marked = { cursor: -1, pinned: -1, hover: -1, span: null };
      this.mark(again);
    }

    /** Gives every token the tint, underline and mark of the score on show; touches only what changed. */
    paint() {
      const { trace, view, hot } = this.context;
      const name = view.state.score;
      const entry = trace.score(name);
      const classes = entry && scale.isClass(entry);
      for (let i = 0; i < this.nodes.length; i += 1) {
        let wanted = "fl-w";
        if (classes) {
          const kind = trace.value(i, name);
          if (kind !== null) wanted += ` fl-k${kind}`;
        } else {
          const share = trace.uncertainty(i, name);
          const level = scale.level(share);
          const cue = scale.cue(share);
          if (level) wanted += ` fl-h${level}`;
          if (cue) wanted += ` fl-u${cue}`;
        }
        if (hot[i]) wanted += " fl-hot";
        if (wanted === this.painted[i]) continue;
        this.painted[i] = wanted;
        this.nodes[i].lastChild.className = wanted;
      }
    }

    /** Shows where cursor, pin, pointer and span are. */
    mark({ cursor, pinned, hover, span }) {
      const was = this.marked;
      this.marked = { cursor, pinned, hover, span };
      this.move("fl-cursor", was.cursor, cursor);
      this.move("fl-pinned", was.pinned, pinned);
      this.move("fl-hover", was.hover, hover);
      if (was.span !== span) {
        if (was.span) for (let i = was.span[0]; i <= was.span[1]; i += 1) this.dress(i, "fl-span", false);
        if (span) for (let i = span[0]; i <= span[1]; i += 1) this.dress(i, "fl-span", true);
      }
      for (const i of [was.pinned, pinned]) if (this.nodes[i]) this.nodes[i].setAttribute("aria-selected", String(i === pinned));
      if (cursor < 0 || !this.nodes[cursor]) this.box.removeAttribute("aria-activedescendant");
      else if (was.cursor !== cursor) {
        this.nodes[cursor].setAttribute("aria-label", Forklore.dom.shown(this.context.spoken(cursor)));
        this.box.setAttribute("aria-activedescendant", this.nodes[cursor].id);
      }
    }

    move(name, from, to) {
      if (from === to) return;
      this.dress(from, name, false);
      this.dress(to, name, true);
    }

    dress(i, name, on) {
      const node = this.nodes[i];
      if (!node) return;
      node.classList.toggle(name, on);
      if (name === "fl-span") node.setAttribute("aria-selected", String(on || i === this.marked.pinned));
    }

    rect(i) {
      const node = this.nodes[i];
      return node ? node.lastChild.getClientRects()[0] || node.getBoundingClientRect() : null;
    }

    /** Brings a token into view inside the text; with `page` the page follows where it must. */
    reveal(i, { page = false } = {}) {
      const node = this.nodes[i];
      if (!node) return;
      if (page) node.scrollIntoView({ block: "nearest", inline: "nearest" });
      const [outer, inner] = [this.box.getBoundingClientRect(), node.getBoundingClientRect()];
      const room = 28;
      if (inner.top < outer.top + room) this.box.scrollTop -= outer.top + room - inner.top;
      else if (inner.bottom > outer.bottom - room) this.box.scrollTop += inner.bottom - outer.bottom + room;
    }

    /** The token nearest to this one's middle on the next visual line (direction 1) or the one before (-1). */
    vertical(i, direction) {
      const here = this.rect(i);
      if (!here) return i;
      const middle = (here.left + here.right) / 2;
      let [best, distance, line] = [i, Infinity, null];
      for (let j = i + direction; j >= 0 && j < this.nodes.length; j += direction) {
        const there = this.rect(j);
        if (direction > 0 ? there.top < here.top + here.height * 0.6 : there.bottom > here.bottom - here.height * 0.6) continue;
        if (line !== null && Math.abs(there.top - line) > here.height * 0.6) break;
        line = there.top;
        const apart = Math.abs((there.left + there.right) / 2 - middle);
        if (apart < distance) [best, distance] = [j, apart];
      }
      return best;
    }
  }

  Forklore.Prose = Prose;
  Forklore.fillText = fillText;
})();
