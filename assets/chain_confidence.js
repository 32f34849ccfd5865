// The confidence of an answer along its chain, large, with the parts it is made of beside it and what to hold it against.
// Shows figures of the document; a figure that does not exist is n/a.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, chainWords } = Forklore;
  const { el } = dom;
  const PARTS = [
    ["the answer itself", "p_answer", null, "product of the probabilities of the answer's tokens"],
    ["kept tokens + answer", "p_kept", "mean_kept", "the tokens of the chain that are most like the answer, and the answer"],
    ["whole chain + answer", "p_chain", "mean_chain", "every token of the chain, and the answer"],
    ["whole response", "p_response", "mean_response", "every token up to the end"],
  ];
  const BESIDE = [
    ["RAUQ", "rauq", "nats", "how unsure the response is, token by token and of what each builds on; higher = less certain"],
    ["Attention-weighted surprisal", "attention_weighted_surprisal", "nats", "mean surprisal of what the answer looks at; higher = less certain"],
  ];

  class ChainConfidence {
    constructor(context) {
      this.context = context;
      this.value = el("p", { class: "fl-ch-value" });
      this.means = el("p", { class: "fl-ch-means" });
      this.parts = el("tbody");
      this.beside = el("dl", { class: "fl-ch-beside" });
      this.root = el("section", { class: "fl-ch-block fl-ch-confidence" }, el("h4", { text: "Confidence" }),
        el("div", { class: "fl-ch-columns" },
          el("div", { class: "fl-ch-large" }, this.value, el("p", { class: "fl-ch-soft", text: "P along the chain (UQAC)" }), this.means),
          el("table", { class: "fl-ch-parts" }, el("thead", {}, el("tr", {}, el("td"), el("th", { scope: "col", text: "product", title: "of the tokens' probabilities" }), el("th", { scope: "col", text: "mean", title: "arithmetic mean of the tokens' probabilities" }))), this.parts), this.beside));
    }

    update() {
      const { data } = this.context;
      const found = data.confidence;
      this.root.hidden = !data.traced || (!found && !data.running);
      if (this.root.hidden) return;
      const known = found || {};
      const shown = (value, unit = "") => (format.exists(value) || !data.running ? `${chainWords.figure(value)}${unit && format.exists(value) ? `\u00a0${unit}` : ""}` : "…");
      this.value.textContent = shown(known.p_uqac);
      this.value.classList.toggle("fl-dim", !format.exists(known.p_uqac));
      const [kept, variants] = [known.kept ?? data.kept.length, known.variants ?? data.variants.length];
      this.means.textContent = `The probability of answer and kept tokens, summed over the text as it is and ${format.count(variants)} variant${variants === 1 ? "" : "s"} of it. It shrinks with every kept token: compare only with chains of about ${format.count(kept)} kept token${kept === 1 ? "" : "s"}.`;
      this.parts.replaceChildren(...PARTS.map(([name, product, mean, title]) => el("tr", { title }, el("th", { scope: "row", text: name }), el("td", { text: known[product] === 0 && format.exists(known[`log10_${product}`]) ? `10^${Math.round(known[`log10_${product}`])}`.replace("-", "−") : shown(known[product]) }), el("td", { text: mean ? shown(known[mean]) : "" }))));
      this.beside.replaceChildren(...BESIDE.map(([name, key, unit, means]) => el("div", {}, el("dt", { text: name }), el("dd", { class: "fl-ch-figure", text: shown(known[key], unit) }), el("dd", { class: "fl-ch-soft", text: means }))));
    }
  }

  Forklore.ChainConfidence = ChainConfidence;
})();
