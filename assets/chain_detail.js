// One token of the chain from near: how much the answer rests on it, whether it was kept, what it rests on and what rests
// on it, and where to go from here. Shows what the document holds.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, chainWords } = Forklore;
  const { el } = dom;
  const NAMED = 6;
  const MEANS = {
    score: "attention that reaches the token from those found before it, summed; may exceed 1", similarity: "cosine between its last hidden state and the answer's",
    hop: "1: found from the answer itself, 2: from those, …", surprisal: "how unexpected the token was", entropy: "how open it was what would stand here", "from the answer": "attention that the answer itself pays to it",
  };

  class ChainDetail {
    /** context: {data, selected, limit, select(t, reveal), instrument}. */
    constructor(context) {
      this.context = context;
      this.title = el("h4", { class: "fl-ch-title" });
      this.fork = dom.button("Fork here", () => context.instrument.fork(context.selected), { title: "What if this token had been another one: open its forks" });
      this.change = dom.button("What if here", () => context.instrument.change(context.selected), { title: "Write something else here and see what would have followed" });
      this.numbers = el("dl", { class: "fl-ch-numbers" });
      this.nothing = el("p", { class: "fl-ch-nothing" });
      this.links = el("div", { class: "fl-ch-links" });
      this.root = el("section", { class: "fl-ch-detail", "aria-label": "The chosen token of the chain" }, el("div", { class: "fl-ch-head" }, this.title, el("span", { class: "fl-ch-acts" }, this.fork, this.change)), this.numbers, this.nothing, this.links);
    }

    update() {
      const { data, selected, instrument } = this.context;
      this.root.hidden = !data.traced || !data.pieces[selected];
      if (this.root.hidden) return;
      const row = data.at.get(selected);
      this.title.replaceChildren(el("span", { class: "fl-ch-soft", text: `Token ${format.count(selected + 1)} ` }), chainWords.word(data.pieces[selected]), el("span", { class: "fl-ch-verdict", text: this.verdict(row) }));
      this.nothing.textContent = data.isAnswer(selected) ? "From here the chain begins." : "Little attention reaches it from the chain, or it is a word that says little.";
      this.fork.hidden = !(instrument && instrument.forks);
      this.change.hidden = !(instrument && instrument.changes());
      this.numbers.replaceChildren(...this.figures(row).map(([name, value, unit]) => el("div", { title: MEANS[name] }, el("dt", { text: name }), el("dd", { text: format.quantity(value, unit || "", false, 4) }))));
      this.numbers.hidden = !this.numbers.children.length;
      this.nothing.hidden = !this.numbers.hidden;
      this.links.replaceChildren(this.line("rests on", data.restsOn(selected), "to"), this.line("what rests on it", data.restingOn(selected), "from"));
    }

    figures(row) {
      const { data, selected } = this.context;
      if (data.isAnswer(selected)) return data.confidence ? [["probability of the whole answer", data.confidence.p_answer]] : [];
      return row ? [["score", row.score], ["similarity", row.similarity], ["hop", row.hop], ["surprisal", row.surprisal, "nats"], ["entropy", row.entropy, "nats"], ["from the answer", row.direct]] : [];
    }

    /** Whether it was kept, else why not. */
    verdict(row) {
      const { data, selected } = this.context;
      if (data.isAnswer(selected)) return "the answer itself";
      if (!row) return "not in the chain";
      if (row.kept) return "in the chain, kept";
      const { similar, floor } = data.header.settings || {};
      if (!format.exists(row.similarity)) return "in the chain, not kept: its similarity to the answer is not known";
      if (format.exists(floor) && row.similarity < floor) return `in the chain, not kept: its similarity to the answer is below ${format.number(floor, 3)}`;
      return `in the chain, not kept: ${format.exists(similar) ? `${format.count(similar)} others are` : "others are"} more like the answer`;
    }

    line(name, all, end) {
      const { data, limit } = this.context;
      const arcs = all.filter((arc) => arc.hop <= limit);
      const words = arcs.slice(0, NAMED).map((arc) => el("span", { class: "fl-ch-part" }, chainWords.link(data, arc[end], (t) => this.context.select(t, true)), el("small", { text: ` ${format.number(arc.weight, 3)}` })));
      if (arcs.length > NAMED) words.push(el("span", { class: "fl-ch-soft", text: `${format.count(arcs.length - NAMED)} more` }));
      return el("p", { class: `fl-ch-line fl-ch-line-${end}` }, el("span", { class: "fl-ch-name" }, el("i", { "aria-hidden": "true" }), name), ...(words.length ? words : [el("span", { class: "fl-ch-soft", text: data.has(this.context.selected) ? "nothing in the chain" : "–" })]));
    }
  }

  Forklore.ChainDetail = ChainDetail;
})();
