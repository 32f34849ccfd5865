// The answer as prose with the chain in it: tinted and outlined words, arcs behind them, one selection and one span.
// Measures words and hands places to the arcs; what a click means is decided by the view.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, scale, chainArcs } = Forklore;
  const { el, svg } = dom;

  /** The place of a word: of all its boxes the widest, as a blank may hang at the end of the line before. */
  function boxOf(node, origin) {
    const boxes = [...node.getClientRects()].filter((box) => box.width > 0);
    if (!boxes.length) return null;
    const box = boxes.reduce((a, b) => (b.width > a.width ? b : a));
    return { left: box.left - origin.left, right: box.right - origin.left, top: box.top - origin.top, bottom: box.bottom - origin.top };
  }

  /** A piece of the answer. Line breaks that follow each other are one break, and a gap where a paragraph ends. */
  function fill(node, piece, before, behind) {
    let run = before.endsWith("\n") ? 1 : 0;
    const parts = format.segments(piece).filter((part, i, all) => part.mark || part.text.trim() || !(all[i - 1]?.text === "\n" && all[i + 1]?.text === "\n"));
    parts.forEach((part, i) => {
      if (part.text !== "\n") {
        run = 0;
        if (part.text) Forklore.fillText(node, part.text);
        else node.append(el("i", { class: "fl-mark fl-mark-code", data: { mark: part.mark }, title: part.title, "aria-hidden": "true" }));
        return;
      }
      run += 1;
      const mark = el("span", {});
      Forklore.fillText(mark, "\n");
      node.append(mark.firstChild);
      if (i + 1 < parts.length ? parts[i + 1].text === "\n" : behind.startsWith("\n")) return;
      node.append("\n");
      if (run > 1) node.append(el("i", { class: "fl-ch-gap", "aria-hidden": "true" }));
    });
  }

  class ChainText {
    /** context: {data, selected, hovered, marked, limit, count, select(t), hover(t), extend(t), mark(span)}. */
    constructor(context) {
      this.context = context;
      this.prefix = dom.uid("fl-ch-token");
      Object.assign(this, { nodes: [], places: [], drawn: [], touched: null });
      this.svg = svg("svg", { class: "fl-ch-arcs", "aria-hidden": "true" });
      this.words = el("div", { class: "fl-ch-words", role: "listbox", tabindex: "0", "aria-label": "Tokens of the answer, with their chain", "aria-multiselectable": "true", dir: "auto", translate: "no" });
      this.root = el("div", { class: "fl-ch-text" }, this.svg, this.words);
      this.words.addEventListener("click", (event) => this.clicked(event));
      this.words.addEventListener("pointerover", (event) => { if (event.pointerType !== "touch") context.hover(this.tokenOf(event.target)); });
      this.words.addEventListener("pointerleave", () => context.hover(-1));
      this.words.addEventListener("pointerup", (event) => { if (event.pointerType !== "touch") setTimeout(() => this.selectedText(), 0); });
    }

    tokenOf(target) {
      const node = target instanceof Element ? target.closest("[data-t]") : null;
      return node && this.words.contains(node) ? Number(node.dataset.t) : -1;
    }

    clicked(event) {
      const t = this.tokenOf(event.target);
      const selection = getSelection();
      if (t < 0 || (selection && !selection.isCollapsed && !event.shiftKey)) return;
      if (!event.shiftKey) return this.context.select(t);
      selection?.removeAllRanges();
      this.context.extend(t);
    }

    /** Text selected with the pointer becomes a span of tokens. */
    selectedText() {
      const selection = getSelection();
      if (!selection || selection.isCollapsed || !this.words.contains(selection.anchorNode) || !this.words.contains(selection.focusNode)) return;
      const ends = [selection.anchorNode, selection.focusNode].map((node) => this.tokenOf(node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement)).sort((a, b) => a - b);
      if (ends[0] < 0) return;
      // the browser's own colour would hide tints and arcs, and a drag that begins in it selects nothing
      selection.removeAllRanges();
      this.context.mark([ends[0], ends[1] + 1]);
    }

    /** The tokens anew; needed when the answer is another one. */
    write() {
      const { pieces } = this.context.data;
      this.nodes = pieces.map((piece, t) => {
        const lead = /^ +(?=[^ ])/.exec(piece)?.[0] || "";
        const word = el("span", { class: `fl-ch-w${/^⟨[^⟩]*⟩$/.test(piece) ? " fl-ch-control" : ""}` });
        fill(word, piece.slice(lead.length), pieces[t - 1] || "", pieces[t + 1] || "");
        return el("span", { class: "fl-ch-token", role: "option", id: `${this.prefix}-${t}`, "aria-selected": "false", data: { t } }, lead || null, word);
      });
      this.words.replaceChildren(...this.nodes);
      this.words.hidden = !this.nodes.length;
    }

    measure() {
      const origin = this.root.getBoundingClientRect();
      this.places = this.nodes.map((node) => boxOf(node.lastChild, origin));
    }

    /** Places of all words in a frame of another width, as a picture of its own needs them: {places, height}. */
    measureAt(width) {
      const frame = this.root.cloneNode(true);
      frame.classList.add("fl-ch-paper");
      frame.style.width = `${width}px`;
      this.root.after(frame);
      const origin = frame.getBoundingClientRect();
      const places = [...frame.querySelectorAll(".fl-ch-w")].map((node) => boxOf(node, origin));
      const { height } = origin;
      frame.remove();
      return { places, height };
    }

    draw() {
      this.measure();
      const { data } = this.context;
      const { width, height } = this.root.getBoundingClientRect();
      if (width < 60) { this.svg.replaceChildren(); this.drawn = []; return; }
      for (const [name, value] of [["width", width], ["height", height], ["viewBox", `0 0 ${width} ${height}`]]) this.svg.setAttribute(name, value);
      this.drawn = chainArcs.layout(data.arcs, this.places).map(({ arc, d, x, y, width: thick }) => ({
        arc, node: svg("g", { data: { from: arc.from, to: arc.to } }, svg("path", { d, "stroke-width": thick.toFixed(2) }), svg("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: Math.max(1.7, thick * 0.62).toFixed(2) })),
      }));
      this.svg.replaceChildren(...this.drawn.map(({ node }) => node));
      this.markArcs();
    }

    /** Every token as chain, hop and answer have it, in looks and words. */
    dress() {
      this.nodes.forEach((node, t) => node.setAttribute("aria-label", Forklore.dom.shown(this.spoken(t))));
      this.touched = null;
      this.mark();
    }

    /** What is chosen, pointed at and selected; touches only tokens that changed, so it follows every pointer move. */
    mark() {
      const { selected, hovered, marked } = this.context;
      const now = new Set([selected, hovered]);
      for (let t = marked ? marked[0] : 0; marked && t < marked[1]; t += 1) now.add(t);
      const all = this.touched ? new Set([...this.touched, ...now]) : this.nodes.keys();
      this.touched = now;
      for (const t of all) {
        const node = this.nodes[t];
        if (!node) continue;
        const inside = Boolean(marked) && t >= marked[0] && t < marked[1];
        node.lastChild.className = this.wordClass(t);
        node.classList.toggle("fl-ch-span", inside);
        node.setAttribute("aria-selected", String(inside || t === selected));
      }
      if (this.nodes[selected]) this.words.setAttribute("aria-activedescendant", this.nodes[selected].id);
      else this.words.removeAttribute("aria-activedescendant");
      this.markArcs();
    }

    wordClass(t) {
      const { data, selected, hovered, limit } = this.context;
      const row = data.at.get(t);
      const seen = row && row.hop <= limit;
      const names = ["fl-ch-w"];
      if (this.nodes[t].lastChild.classList.contains("fl-ch-control")) names.push("fl-ch-control");
      if (seen) names.push(row.kept ? "fl-ch-kept" : "fl-ch-let");
      if (seen && scale.level(data.share(row))) names.push(`fl-h${scale.level(data.share(row))}`);
      if (data.isAnswer(t)) names.push("fl-ch-answer");
      if (t === selected) names.push("fl-ch-on");
      else if (t === hovered) names.push("fl-ch-near");
      return names.join(" ");
    }

    /** Strong ones quietly; those of the token in question in full ink, whatever their weight. */
    markArcs() {
      const { data, selected, hovered, limit, count } = this.context;
      const shown = chainArcs.strongest(data.arcs, count, limit);
      const about = hovered >= 0 && data.hopOf(hovered) <= limit ? hovered : selected;
      let met = false;
      for (const { arc, node } of this.drawn) {
        const mine = arc.hop <= limit && (arc.from === about || arc.to === about);
        met = met || mine;
        const name = mine ? (arc.from === about ? "fl-ch-down" : "fl-ch-up") : shown.has(arc) ? (limit < data.hops && arc.hop === limit ? "fl-ch-calm fl-ch-fresh" : "fl-ch-calm") : "fl-ch-weak";
        if (node.getAttribute("class") !== name) node.setAttribute("class", name);
      }
      this.svg.classList.toggle("fl-ch-about", met);
    }

    spoken(t) {
      const { data, limit } = this.context;
      const row = data.at.get(t);
      const said = row && row.hop <= limit ? `in the chain, score ${format.number(row.score, 3)}, hop ${row.hop}, ${row.kept ? "kept" : "not kept"}` : data.isAnswer(t) ? "the answer" : "";
      return [data.label(t), `token ${t + 1}`, said].filter(Boolean).join(", ");
    }

    /** The token below or above, by where it stands. */
    vertical(from, way) {
      const here = this.places[from];
      if (!here) return Math.max(0, from);
      const middle = (box) => (box.left + box.right) / 2;
      const others = this.places.map((box, t) => ({ box, t })).filter(({ box }) => box && (way > 0 ? box.top > here.bottom - 4 : box.bottom < here.top + 4));
      if (!others.length) return from;
      const line = way > 0 ? Math.min(...others.map(({ box }) => box.top)) : Math.max(...others.map(({ box }) => box.top));
      return others.filter(({ box }) => Math.abs(box.top - line) < 8).reduce((a, b) => (Math.abs(middle(a.box) - middle(here)) <= Math.abs(middle(b.box) - middle(here)) ? a : b)).t;
    }
  }

  Forklore.ChainText = ChainText;
})();
